"""Service quotas that somebody sets: SageMaker refuses what goes beyond them."""

import urllib.error
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws.compute import quotas
from localcloud.aws.hosting import limits
from tests.localcloud.helpers import SESSION, any_component, any_endpoint

TYPE = "ml.g6e.12xlarge"
OF_TYPE = f"{TYPE} for endpoint usage"


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    yield
    limits.clear()


def refusal(call: Callable[..., Any], **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    assert caught.value.response["Error"]["Code"] == "ResourceLimitExceeded"
    return str(caught.value)


@pytest.mark.parametrize("quota", [OF_TYPE, "Number of instances across active endpoints"])
def test_an_endpoint_beyond_a_quota_is_refused_with_what_is_in_use(sagemaker: Any, driven: Any, quota: str) -> None:
    any_endpoint(sagemaker)
    driven.advance(5)
    quotas.put(quota, 1)
    says = f"The account-level service limit '{quota}' is 1 Instances, with current utilization of 1 Instances and a request delta of 1 Instances"
    assert says in refusal(sagemaker.create_endpoint, EndpointName="second", EndpointConfigName="fleet-1")
    sagemaker.update_endpoint(EndpointName="fleet", EndpointConfigName="fleet-1")  # its own instance does not count
    quotas.put(quota, None)
    sagemaker.create_endpoint(EndpointName="second", EndpointConfigName="fleet-1")


def test_no_instance_is_added_beyond_a_quota(sagemaker: Any, driven: Any) -> None:
    any_endpoint(sagemaker)
    driven.advance(5)
    quotas.put(OF_TYPE, 1)
    any_component(sagemaker, copies=4)  # the first instance takes two
    driven.advance(60)
    found = sagemaker.describe_inference_component(InferenceComponentName="llama")
    assert "Unable to provision requested ML compute capacity" in found["FailureReason"]


def test_service_quotas_says_what_was_set_beside_the_default(driven: Any) -> None:
    del driven
    client = SESSION.client("service-quotas")
    pages = client.get_paginator("list_service_quotas")

    def value() -> float:
        found = (one for page in pages.paginate(ServiceCode="sagemaker") for one in page["Quotas"])
        return next(float(one["Value"]) for one in found if one["QuotaName"] == OF_TYPE)

    before = value()
    quotas.put(OF_TYPE, 7)
    assert value() == 7
    limits.clear()
    assert value() == before


def test_a_quota_is_set_over_http_until_the_reset(admin: Callable[..., Any]) -> None:
    assert admin("POST", "quotas", {"quota": OF_TYPE, "value": 2})["quotas"] == {OF_TYPE: 2}
    assert admin("GET", "quotas")["quotas"] == {OF_TYPE: 2}
    for wrong in ({"quota": "moon", "value": 1}, {"quota": OF_TYPE, "value": -1}):
        with pytest.raises(urllib.error.HTTPError) as caught:
            admin("POST", "quotas", wrong)
        assert caught.value.code == 400
        assert b"quota: SageMaker has no 'moon'" in caught.value.read() or wrong["value"] == -1
        caught.value.close()
    admin("POST", "reset")
    assert admin("GET", "quotas")["quotas"] == {}
