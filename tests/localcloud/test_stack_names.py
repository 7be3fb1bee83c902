"""Names that the embedded CloudFormation generates, and stacks that are deleted while they are created."""

import json
import re
from typing import Any

import pytest

from localcloud.aws import settings
from localcloud.aws.cloudformation import names
from tests.localcloud.helpers import SESSION

TYPES: dict[str, tuple[str, dict[str, Any]]] = {
    "Alarm": (
        "AWS::CloudWatch::Alarm",
        {"ComparisonOperator": "LessThanThreshold", "EvaluationPeriods": 1, "Namespace": "N", "MetricName": "M",
         "Period": 60, "Statistic": "Sum", "Threshold": 1},
    ),
    "Both": ("AWS::CloudWatch::CompositeAlarm", {"AlarmRule": "FALSE"}),
    "Logs": ("AWS::Logs::LogGroup", {}),
    "Board": ("AWS::CloudWatch::Dashboard", {"DashboardBody": '{"widgets": []}'}),
    "Queue": ("AWS::SQS::Queue", {}),
    "Topic": ("AWS::SNS::Topic", {}),
    "Bucket": ("AWS::S3::Bucket", {}),
    "Images": ("AWS::ECR::Repository", {}),
    "Role": ("AWS::IAM::Role", {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}}),
    "Rule": ("AWS::Events::Rule", {"EventPattern": {"source": ["aws.states"]}}),
    "Group": ("AWS::Scheduler::ScheduleGroup", {}),
}  # fmt: skip


def physical(cloudformation: Any, stack: str) -> dict[str, str]:
    found = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}


def test_a_generated_name_begins_with_the_stack_and_the_logical_id(driven: Any) -> None:
    del driven
    cloudformation = SESSION.client("cloudformation")
    resources = {name: {"Type": kind, "Properties": properties} for name, (kind, properties) in TYPES.items()}
    cloudformation.create_stack(StackName="Fleet", TemplateBody=json.dumps({"Resources": resources}))
    found = physical(cloudformation, "Fleet")
    assert set(found) == set(TYPES)
    for name, value in found.items():
        lower = name in {"Bucket", "Images"}
        start = f"Fleet-{name}-".lower() if lower else f"Fleet-{name}-"
        assert re.search(rf"(^|[:/]){start}[A-Za-z0-9]{{12,13}}$", value), value


@pytest.mark.parametrize("kind", ["AWS::IAM::Role", "AWS::Lambda::Function", "AWS::SQS::Queue"])
def test_a_long_name_is_shortened_and_keeps_both_parts_and_its_end(kind: str) -> None:
    name = names.generated(kind, "S" * 100, "L" * 100)
    most = 80 if kind.endswith("Queue") else 64
    assert re.fullmatch(r"S{20,}-L{20,}-[A-Z0-9]{12}", name)
    assert len(name) == most
    assert names.generated(kind, "S" * 10, "L" * 100).startswith("SSSSSSSSSS-LL")


# --- a deletion during a creation ----------------------------------------------------------------------------------


def fleet() -> dict[str, Any]:
    config = {
        "ExecutionRoleArn": "arn:aws:iam::123456789012:role/sagemaker",
        "ProductionVariants": [
            {
                "VariantName": "AllTraffic",
                "InstanceType": "ml.g6e.12xlarge",
                "InitialInstanceCount": 1,
            }
        ],
    }
    return {
        "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/made"}},
        "Config": {"Type": "AWS::SageMaker::EndpointConfig", "DependsOn": "Logs", "Properties": config},
        "Endpoint": {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {
                "EndpointName": "fleet",
                "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
            },
        },
        "After": {"Type": "AWS::SNS::Topic", "DependsOn": "Endpoint"},
    }


ENDPOINT_S = 60


def begun(driven: Any, resources: dict[str, Any]) -> Any:
    settings.configure(endpoint_s=ENDPOINT_S)
    cloudformation = SESSION.client("cloudformation")
    body = json.dumps({"Resources": resources})
    driven.background(lambda: cloudformation.create_stack(StackName="S", TemplateBody=body), name="caller")
    driven.advance(2)
    return cloudformation


def status(cloudformation: Any) -> str:
    return str(cloudformation.describe_stacks(StackName="S")["Stacks"][0]["StackStatus"])


def test_a_stack_that_is_being_created_is_deleted_with_what_exists(driven: Any) -> None:
    cloudformation = begun(driven, fleet())
    stack_id = cloudformation.describe_stacks(StackName="S")["Stacks"][0]["StackId"]
    assert status(cloudformation) == "CREATE_IN_PROGRESS"
    cloudformation.delete_stack(StackName="S")
    assert status(cloudformation) == "DELETE_IN_PROGRESS"
    cloudformation.delete_stack(StackName="S")  # says nothing new
    driven.advance(900, step_s=10)
    assert cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE"
    sagemaker = SESSION.client("sagemaker")
    assert sagemaker.list_endpoints()["Endpoints"] == sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
    assert SESSION.client("logs").describe_log_groups()["logGroups"] == []
    events = cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"]
    reasons = {(one["LogicalResourceId"], one["ResourceStatus"]): one.get("ResourceStatusReason") for one in events}
    assert reasons["Endpoint", "CREATE_FAILED"] == "Resource creation cancelled"
    assert not any(name == "After" for name, _ in reasons)


def test_its_name_is_free_again_afterwards(driven: Any) -> None:
    cloudformation = begun(driven, fleet())
    cloudformation.delete_stack(StackName="S")
    driven.advance(900, step_s=10)
    begun(driven, fleet())
    driven.advance(1800, step_s=10)
    assert status(cloudformation) == "CREATE_COMPLETE"


def test_a_stack_that_is_being_updated_is_not_deleted(driven: Any) -> None:
    cloudformation = begun(driven, {"Logs": fleet()["Logs"]})
    body = json.dumps({"Resources": fleet()})
    driven.background(lambda: cloudformation.update_stack(StackName="S", TemplateBody=body), name="caller")
    driven.advance(2)
    assert status(cloudformation) == "UPDATE_IN_PROGRESS"
    with pytest.raises(
        cloudformation.exceptions.ClientError, match="cannot be deleted while in status UPDATE_IN_PROGRESS"
    ):
        cloudformation.delete_stack(StackName="S")
