"""Any operation of any service can be throttled or forbidden, in the form its protocol has."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.aws import faults
from tests.localcloud.helpers import SESSION

ONCE = Config(retries={"total_max_attempts": 1})
OPERATIONS = [
    ("application-autoscaling", "DescribeScalableTargets", {"ServiceNamespace": "sagemaker"}, "Exception"),
    ("cloudwatch", "DescribeAlarms", {}, "any"),
    ("sagemaker", "DescribeTrainingPlan", {"TrainingPlanName": "p"}, "Exception"),
    ("sagemaker", "ListModels", {}, "Exception"),
    ("logs", "DescribeLogGroups", {}, "Exception"),
    ("scheduler", "ListSchedules", {}, "Exception"),
    ("cloudformation", "ListStacks", {}, ""),
    ("sns", "ListTopics", {}, ""),
    ("ssm", "DescribeParameters", {}, "Exception"),
    ("lambda", "ListFunctions", {}, "Exception"),
]


def refused(service: str, operation: str, params: dict[str, Any]) -> tuple[str, str]:
    client = SESSION.client(service, config=ONCE)
    method = next(name for name, known in client.meta.method_to_api_mapping.items() if known == operation)
    with pytest.raises(ClientError) as caught:
        getattr(client, method)(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.parametrize(("service", "operation", "params", "suffix"), OPERATIONS)
@pytest.mark.parametrize(("fault", "code"), [("throttling", "Throttling"), ("access-denied", "AccessDenied")])
def test_operation_is_refused(  # noqa: PLR0917 -- one column each
    driven: Any, fault: str, code: str, service: str, operation: str, params: dict[str, Any], suffix: str
) -> None:
    faults.inject(fault, target=operation, times=1)
    error_code, message = refused(service, operation, params)
    assert error_code in ((code, f"{code}Exception") if suffix == "any" else (code + suffix,))
    assert message == "Rate exceeded" if fault == "throttling" else f"{service}:{operation}" in message
    assert faults.active() == []


def test_target_with_a_service_hits_that_service_alone(driven: Any) -> None:
    faults.inject("access-denied", target="cloudwatch:*")
    assert SESSION.client("sns").list_topics()["Topics"] == []
    assert refused("cloudwatch", "ListMetrics", {})[0].startswith("AccessDenied")


def test_throttling_that_ends_is_survived_by_boto3(driven: Any) -> None:
    faults.inject("throttling", target="DescribeScalableTargets", times=2)
    client = SESSION.client("application-autoscaling", config=Config(retries={"total_max_attempts": 4}))
    answer = client.describe_scalable_targets(ServiceNamespace="sagemaker")
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2


def test_server_refuses_too_and_the_data_plane_with_it(
    serving: Any, invoke: Callable[..., Any], client: Callable[[str], Any], admin: Callable[..., Any]
) -> None:
    admin("POST", "faults", {"fault": "access-denied", "target": "InvokeEndpoint"})
    with pytest.raises(ClientError, match="AccessDeniedException"):
        invoke()
    admin("POST", "faults", {"fault": "access-denied", "target": "cloudwatch:PutMetricAlarm"})
    with pytest.raises(ClientError, match="AccessDenied"):
        client("cloudwatch").put_metric_alarm(AlarmName="a", EvaluationPeriods=1, ComparisonOperator="x")
    admin("DELETE", "faults")
    assert invoke()["ResponseMetadata"]["HTTPStatusCode"] == 200
