"""Service quotas of a new account: AWS's defaults refuse, and an increase that one requests is granted by a rule."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import quotas as of_make_local
from localcloud.aws import settings
from localcloud.aws.hosting import limits
from tests.localcloud.helpers import SESSION, any_endpoint

TYPE = "ml.g6e.12xlarge"
OF_TYPE = f"{TYPE} for endpoint usage"


@pytest.fixture(autouse=True)
def new_account(driven: Any) -> Iterator[None]:
    settings.configure(quotas={})
    yield
    limits.clear()


@pytest.fixture
def client() -> Any:
    return SESSION.client("service-quotas")


def code_of(client: Any, name: str) -> str:
    pages = client.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    return next(str(one["QuotaCode"]) for page in pages for one in page["Quotas"] if one["QuotaName"] == name)


def ask(client: Any, name: str, number: float) -> dict[str, Any]:
    found: dict[str, Any] = client.request_service_quota_increase(
        ServiceCode="sagemaker", QuotaCode=code_of(client, name), DesiredValue=number
    )["RequestedQuota"]
    return found


def test_a_new_account_may_run_no_gpu_until_an_increase_is_granted(sagemaker: Any, driven: Any, client: Any) -> None:
    with pytest.raises(ClientError) as caught:
        any_endpoint(sagemaker)
    assert caught.value.response["Error"] == {
        "Code": "ResourceLimitExceeded",
        "Message": f"The account-level service limit '{OF_TYPE}' is 0 Instances, with current utilization of 0 Instances and a request "
        "delta of 1 Instances. Please use AWS Service Quotas to request an increase for this quota. If AWS Service Quotas is not available, "
        "contact AWS support to request an increase for this quota.",
    }
    ask(client, OF_TYPE, 2)
    sagemaker.create_endpoint(EndpointName="fleet", EndpointConfigName="fleet-1")
    driven.advance(5)
    assert sagemaker.describe_endpoint(EndpointName="fleet")["EndpointStatus"] == "InService"


def test_a_request_is_pending_until_its_time_has_passed(driven: Any, client: Any) -> None:
    settings.configure(quota_s=3600)
    request = ask(client, OF_TYPE, 3)
    assert (request["Status"], request["QuotaName"], request["DesiredValue"]) == ("PENDING", OF_TYPE, 3)
    assert request["QuotaCode"] == "L-60313EA3"
    with pytest.raises(ClientError, match="Only one open service quota increase request"):
        ask(client, OF_TYPE, 4)
    driven.advance(3599, step_s=3599)
    get = {"ServiceCode": "sagemaker", "QuotaCode": request["QuotaCode"]}
    assert client.get_service_quota(**get)["Quota"]["Value"] == 0
    driven.advance(2)
    assert client.get_service_quota(**get)["Quota"]["Value"] == 3
    assert client.get_aws_default_service_quota(**get)["Quota"]["Value"] == 0
    assert client.get_requested_service_quota_change(RequestId=request["Id"])["RequestedQuota"]["Status"] == "APPROVED"
    history = client.list_requested_service_quota_change_history(ServiceCode="sagemaker")["RequestedQuotas"]
    assert [one["Id"] for one in history] == [request["Id"]]
    with pytest.raises(ClientError, match="greater than the current quota value"):
        ask(client, OF_TYPE, 3)


def test_instances_of_all_and_of_one_endpoint_have_quotas_too(sagemaker: Any, client: Any) -> None:
    ask(client, OF_TYPE, 100)
    with pytest.raises(ClientError, match="'Number of instances across active endpoints' is 4 Instances"):
        any_endpoint(
            sagemaker, InitialInstanceCount=5, ManagedInstanceScaling={"Status": "DISABLED"} | {"MaxInstanceCount": 9}
        )
    ask(client, limits.ALL_ENDPOINTS, 100)
    with pytest.raises(ClientError, match="'Maximum number of instances per endpoint' is 4 Instances"):
        sagemaker.create_endpoint(EndpointName="fleet", EndpointConfigName="fleet-1")


def test_codes_and_defaults_of_known_quotas_are_aws_own(client: Any) -> None:
    code = {"ServiceCode": "sagemaker", "QuotaCode": "L-7A3DF611"}
    assert client.get_service_quota(**code)["Quota"]["QuotaName"] == limits.ALL_ENDPOINTS
    assert limits.default("ml.m6g.large for endpoint usage") == 2
    assert all(found.value == 0 for name, found in limits.defaults().items() if name.startswith(("ml.g", "ml.p")))


def test_make_local_asks_for_what_its_environment_needs(
    client: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scaling = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 6}
    variant = {"InstanceType": TYPE, "InitialInstanceCount": 1, "ManagedInstanceScaling": scaling}
    config = {"Type": "AWS::SageMaker::EndpointConfig", "Properties": {"ProductionVariants": [variant]}}
    (tmp_path / "Serving.template.json").write_text(json.dumps({"Resources": {"Config": config}}))
    of_make_local.grant(SESSION, "https://servicequotas.us-east-1.amazonaws.com", tmp_path)
    printed = capsys.readouterr().out
    assert f"quota granted: '{OF_TYPE}' (L-60313EA3) is now 6; a new account has 0" in printed
    assert f"'{limits.ONE_ENDPOINT}' (L-ED8DEE9B) is now 6; a new account has 4" in printed
    of_make_local.grant(SESSION, "https://servicequotas.us-east-1.amazonaws.com", tmp_path)
    assert capsys.readouterr().out == ""
