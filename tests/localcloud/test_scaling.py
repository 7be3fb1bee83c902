"""Alarms and scaling policies act on the metrics, on a driven clock."""

from typing import Any

import pytest
from moto.cloudwatch.models import cloudwatch_backends

from localcloud.aws import faults
from localcloud.aws.hosting.store import stores
from tests.localcloud.helpers import SESSION, any_component, any_endpoint

RESOURCE = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "inference-component/llama",
    "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
}
CONCURRENCY = "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"


@pytest.fixture
def scaling(sagemaker: Any, driven: Any) -> Any:
    any_endpoint(sagemaker)
    driven.advance(5)
    any_component(sagemaker)
    driven.advance(5)
    client = SESSION.client("application-autoscaling")
    client.register_scalable_target(**RESOURCE, MinCapacity=0, MaxCapacity=4)
    return client


def component() -> Any:
    return next(state.components["llama"] for state in stores())


def load(driven: Any, seconds: int, per_copy: int) -> None:
    for _ in range(seconds):
        for copy in component().copies:
            copy.outstanding = per_copy
            copy.peak = max(copy.peak, per_copy)
        driven.advance(1)


def track(scaling: Any, **more: Any) -> Any:
    tracking = {"TargetValue": 4.0, "PredefinedMetricSpecification": {"PredefinedMetricType": CONCURRENCY}}
    return scaling.put_scaling_policy(
        **RESOURCE,
        PolicyName="track",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=tracking | more,
    )


def test_target_tracking_makes_the_alarms_aws_makes(scaling: Any) -> None:
    track(scaling)
    alarms = {a["AlarmName"].split("-")[-6]: a for a in SESSION.client("cloudwatch").describe_alarms()["MetricAlarms"]}
    high, low = alarms["AlarmHigh"], alarms["AlarmLow"]
    assert (high["MetricName"], high["Period"], high["EvaluationPeriods"], high["Threshold"]) == (
        "ConcurrentRequestsPerCopy",
        10,
        3,
        4.0,
    )
    assert (low["Period"], low["EvaluationPeriods"], low["Threshold"]) == (60, 15, 3.6)
    assert low["Dimensions"] == [{"Name": "InferenceComponentName", "Value": "llama"}]


def test_copies_follow_concurrency_within_half_a_minute_and_go_down_after_a_quarter_hour(
    scaling: Any, driven: Any
) -> None:
    track(scaling, ScaleOutCooldown=30, ScaleInCooldown=60)
    load(driven, 50, per_copy=10)
    assert component().desired == 3
    load(driven, 20 * 60, per_copy=1)
    assert component().desired == 1


def test_scaling_stops_at_the_targets_bounds(scaling: Any, driven: Any) -> None:
    track(scaling, ScaleOutCooldown=0)
    load(driven, 180, per_copy=100)
    assert component().desired == 4


def test_cooldown_spaces_scaling_activities(scaling: Any, driven: Any) -> None:
    track(scaling, ScaleOutCooldown=600)
    load(driven, 50, per_copy=5)
    assert component().desired == 2
    load(driven, 300, per_copy=5)
    assert component().desired == 2


def test_suspended_scaling_does_nothing(scaling: Any, driven: Any) -> None:
    track(scaling)
    scaling.register_scalable_target(**RESOURCE, SuspendedState={"DynamicScalingOutSuspended": True})
    load(driven, 90, per_copy=10)
    assert component().desired == 1


def test_new_bounds_pull_the_copies_inside(scaling: Any, driven: Any) -> None:
    scaling.register_scalable_target(**RESOURCE, MinCapacity=2, MaxCapacity=3)
    driven.advance(25)
    assert component().desired == 2


def test_requests_without_capacity_wake_a_component_from_zero(scaling: Any, driven: Any, sagemaker: Any) -> None:
    sagemaker.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 0}
    )
    driven.advance(10)
    steps = {
        "AdjustmentType": "ChangeInCapacity",
        "MetricAggregationType": "Maximum",
        "Cooldown": 60,
        "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
    }
    policy = scaling.put_scaling_policy(
        **RESOURCE, PolicyName="wake", PolicyType="StepScaling", StepScalingPolicyConfiguration=steps
    )
    SESSION.client("cloudwatch").put_metric_alarm(
        AlarmName="wake",
        Namespace="AWS/SageMaker",
        MetricName="NoCapacityInvocationFailures",
        Dimensions=[{"Name": "InferenceComponentName", "Value": "llama"}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[policy["PolicyARN"]],
    )
    driven.advance(30)
    assert component().desired == 0
    component().counts["NoCapacityInvocationFailures"] = 1
    driven.advance(30)
    assert component().desired == 1
    assert SESSION.client("cloudwatch").describe_alarms()["MetricAlarms"][0]["StateValue"] == "ALARM"


def test_scaling_waits_while_the_component_is_updating(scaling: Any, driven: Any) -> None:
    track(scaling, ScaleOutCooldown=0)
    faults.inject("insufficient-capacity", target="fleet")
    component().status = "Updating"
    component().desired = 1
    load(driven, 1, per_copy=10)
    assert component().desired == 1


def test_metrics_have_the_names_units_and_dimensions_of_sagemaker(scaling: Any, driven: Any) -> None:
    component().counts = {"Invocations": 3, "Invocation5XXErrors": 1}
    component().latencies_us = [1000.0, 3000.0]
    driven.advance(11)
    data = [d for d in cloudwatch_backends["123456789012"]["us-east-1"].metric_data if d.namespace == "AWS/SageMaker"]
    shapes = {(d.name, d.unit, tuple(x.name for x in d.dimensions)) for d in data}
    assert ("ModelLatency", "Microseconds", ("InferenceComponentName",)) in shapes
    assert ("Invocation5XXErrors", "None", ("EndpointName", "VariantName")) in shapes
    assert ("ConcurrentRequestsPerCopy", "None", ("InferenceComponentName",)) in shapes


def test_put_again_policy_keeps_its_arn_and_has_two_alarms(scaling: Any) -> None:
    assert track(scaling)["PolicyARN"] == track(scaling, ScaleInCooldown=5)["PolicyARN"]
    assert len(SESSION.client("cloudwatch").describe_alarms()["MetricAlarms"]) == 2
    scaling.delete_scaling_policy(**RESOURCE, PolicyName="track")
    assert SESSION.client("cloudwatch").describe_alarms()["MetricAlarms"] == []


def test_unknown_dimension_is_refused(scaling: Any) -> None:
    with pytest.raises(scaling.exceptions.ValidationException):
        scaling.register_scalable_target(
            **(RESOURCE | {"ResourceId": "endpoint/fleet/variant/main"}), MinCapacity=1, MaxCapacity=2
        )
