"""The console of an environment whose fleet the embedded AWS has."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from cdk_sglang.cli.console.account import Account
from cdk_sglang.cli.console.content import Content
from cdk_sglang.observability.observed_fleet import ObservedFleet
from tests.localcloud.helpers import any_component, any_endpoint
from tests.support.observed import LLAMA, QWEN, observed

STACK = "cdk-sglang-prod-chat"
RESOURCE = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": f"inference-component/{LLAMA}",
    "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
}
_TEMPLATE = {
    "Resources": {
        "CopiesMissing": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmDescription": "Copies do not start. Runbook: https://docs.example.com/runbooks/copies.md.",
                "Namespace": "AWS/SageMaker",
                "MetricName": "Invocations",
                "Dimensions": [{"Name": "InferenceComponentName", "Value": LLAMA}],
                "Statistic": "Sum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": 1e9,
                "ComparisonOperator": "GreaterThanThreshold",
                "TreatMissingData": "ignore",
            },
        }
    }
}


def console_of(fleet: ObservedFleet | None = None) -> Content:
    """What a console of the environment shows."""
    account = Account(region="us-east-1")
    return Content(fleet or observed(), account, account_id="123456789012", region="us-east-1")


def read_once(content: Content) -> dict[str, Any]:
    """Read everything that is due, one after the other, and return the snapshot."""
    content.poller.look()
    for name in content.poller.due():
        content.poller.read(name)
    return content.snapshot()


def deploy_endpoint(sagemaker: Any) -> None:
    any_endpoint(sagemaker, "prod-chat")


def deploy_components(sagemaker: Any) -> None:
    """Components as the environment has them, of one copy each."""
    for name in (LLAMA, QWEN):
        any_component(sagemaker, name, endpoint="prod-chat")


def deploy_adapter(sagemaker: Any) -> None:
    sagemaker.create_inference_component(
        InferenceComponentName=f"{LLAMA}-triage",
        EndpointName="prod-chat",
        Specification={
            "BaseInferenceComponentName": LLAMA,
            "Container": {"ArtifactUrl": "s3://adapters/triage.tar.gz"},
        },
    )


def deploy_scaling(scaling: Any) -> None:
    scaling.register_scalable_target(**RESOURCE, MinCapacity=0, MaxCapacity=4)
    scaling.put_scaling_policy(
        **RESOURCE,
        PolicyName="track",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 4,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
            },
        },
    )


def deploy_stack(cloudformation: Any) -> None:
    cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps(_TEMPLATE))


def publish(cloudwatch: Any, name: str, value: float, *, minutes_ago: int = 2) -> None:
    """Put a point of llama where the classic metrics are."""
    datum = {
        "MetricName": name,
        "Dimensions": [{"Name": "InferenceComponentName", "Value": LLAMA}],
        "Timestamp": dt.datetime.now(tz=dt.UTC) - dt.timedelta(minutes=minutes_ago),
        "Value": value,
    }
    cloudwatch.put_metric_data(Namespace="AWS/SageMaker", MetricData=[datum])
