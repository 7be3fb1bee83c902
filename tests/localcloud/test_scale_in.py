"""Scale-in policies, placement, and the way to zero instances and back, on a driven clock."""

from typing import Any

import pytest

from localcloud.aws.hosting.store import stores
from tests.localcloud.helpers import SESSION, any_component, any_endpoint, specification

RESOURCE = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "inference-component/llama",
    "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
}


def scaling(strategy: str, *, least: int = 0, **policy: Any) -> dict[str, Any]:
    policy = {"Strategy": strategy, "CooldownInMinutes": 10} | policy
    return {
        "ManagedInstanceScaling": {
            "Status": "ENABLED",
            "MinInstanceCount": least,
            "MaxInstanceCount": 6,
            "ScaleInPolicy": policy,
        }
    }


def endpoint(sagemaker: Any, driven: Any, **changes: Any) -> None:
    any_endpoint(sagemaker, **changes)
    driven.advance(5)


def count(sagemaker: Any, name: str, copies: int) -> None:
    sagemaker.update_inference_component_runtime_config(
        InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": copies}
    )


def component(name: str = "llama") -> Any:
    return next(state.components[name] for state in stores())


def instances() -> list[Any]:
    return next(state.endpoints["fleet"].instances["main"] for state in stores())


def loads() -> list[int]:
    """Copies per instance."""
    (state,) = stores()
    copies = [c for one in state.components.values() for c in one.copies if c.state == "healthy"]
    return sorted(sum(copy.instance_id == instance.id for copy in copies) for instance in instances())


def scheduled(strategy: str) -> dict[str, Any]:
    return specification(SchedulingConfig={"PlacementStrategy": strategy})


@pytest.mark.parametrize(("strategy", "per_instance"), [("SPREAD", [1, 1, 1]), ("BINPACK", [0, 1, 2])])
def test_placement_strategy_says_where_copies_go(
    sagemaker: Any, driven: Any, strategy: str, per_instance: list[int]
) -> None:
    endpoint(sagemaker, driven, InitialInstanceCount=3, **scaling("IDLE_RELEASE", least=3))
    any_component(sagemaker, copies=3, **scheduled(strategy))
    driven.advance(10)
    assert loads() == per_instance


def test_idle_release_waits_for_its_cooldown_and_keeps_instances_with_copies(sagemaker: Any, driven: Any) -> None:
    endpoint(sagemaker, driven, InitialInstanceCount=3, **scaling("IDLE_RELEASE"))
    any_component(sagemaker, copies=3, **scheduled("SPREAD"))
    driven.advance(10)
    count(sagemaker, "llama", 2)
    driven.advance(9 * 60)
    assert len(instances()) == 3
    driven.advance(2 * 60)
    assert loads() == [1, 1]
    driven.advance(30 * 60)
    assert loads() == [1, 1]


def test_consolidation_moves_copies_and_never_serves_with_fewer(sagemaker: Any, driven: Any) -> None:
    endpoint(sagemaker, driven, InitialInstanceCount=3, **scaling("CONSOLIDATION"))
    any_component(sagemaker, "llama", copies=2, **scheduled("SPREAD"))
    driven.advance(10)
    any_component(sagemaker, "qwen", copies=1, **scheduled("SPREAD"))
    driven.advance(10)
    assert loads() == [1, 1, 1]
    fewest = 3
    for _ in range(25 * 60):
        driven.advance(1)
        fewest = min(fewest, sum(c.state == "healthy" for n in ("llama", "qwen") for c in component(n).copies))
    assert loads() == [1, 2]
    assert fewest == 3
    assert sagemaker.describe_inference_component(InferenceComponentName="llama")["RuntimeConfig"] == {
        "DesiredCopyCount": 2,
        "CurrentCopyCount": 2,
    }


def test_consolidation_takes_as_many_instances_at_once_as_its_step(sagemaker: Any, driven: Any) -> None:
    endpoint(sagemaker, driven, InitialInstanceCount=4, **scaling("CONSOLIDATION", MaximumStepSize=2))
    any_component(sagemaker, copies=4, **scheduled("SPREAD"))
    driven.advance(9 * 60)
    assert loads() == [1, 1, 1, 1]
    while not any(instance.draining for instance in instances()):
        driven.advance(1)
    assert sum(instance.draining for instance in instances()) == 2
    driven.advance(30)
    assert loads() == [2, 2]


def test_consolidation_waits_ten_minutes_from_the_last_operation(sagemaker: Any, driven: Any) -> None:
    endpoint(sagemaker, driven, InitialInstanceCount=2, **scaling("CONSOLIDATION"))
    any_component(sagemaker, copies=2, **scheduled("SPREAD"))
    driven.advance(8 * 60)
    any_component(sagemaker, "qwen", copies=1)
    driven.advance(60)
    count(sagemaker, "qwen", 0)
    driven.advance(8 * 60)
    assert len(instances()) == 2
    driven.advance(3 * 60)
    assert loads() == [2]


def test_copy_that_comes_during_a_consolidation_gets_the_room(sagemaker: Any, driven: Any) -> None:
    endpoint(sagemaker, driven, InitialInstanceCount=2, **scaling("CONSOLIDATION"))
    any_component(sagemaker, copies=2, **scheduled("SPREAD"))
    driven.advance(10)
    while not any(instance.draining for instance in instances()):
        driven.advance(1)
    count(sagemaker, "llama", 4)
    driven.advance(30)
    assert component().status == "InService"
    assert sum(loads()) == 4


def test_instances_do_not_fall_below_the_minimum(sagemaker: Any, driven: Any) -> None:
    endpoint(sagemaker, driven, InitialInstanceCount=3, **scaling("IDLE_RELEASE", least=2))
    any_component(sagemaker, copies=0)
    driven.advance(60 * 60)
    assert len(instances()) == 2


def test_idle_endpoint_goes_to_zero_and_one_refused_request_wakes_it(sagemaker: Any, driven: Any) -> None:
    endpoint(sagemaker, driven, **scaling("IDLE_RELEASE", CooldownInMinutes=5))
    any_component(sagemaker)
    driven.advance(10)
    client, cloudwatch = SESSION.client("application-autoscaling"), SESSION.client("cloudwatch")
    client.register_scalable_target(**RESOURCE, MinCapacity=0, MaxCapacity=2)
    concurrency = "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
    tracking = {"TargetValue": 4.0, "PredefinedMetricSpecification": {"PredefinedMetricType": concurrency}}
    client.put_scaling_policy(
        **RESOURCE,
        PolicyName="track",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=tracking,
    )
    steps = {
        "AdjustmentType": "ChangeInCapacity",
        "MetricAggregationType": "Maximum",
        "Cooldown": 60,
        "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
    }
    policy = client.put_scaling_policy(
        **RESOURCE, PolicyName="wake", PolicyType="StepScaling", StepScalingPolicyConfiguration=steps
    )
    cloudwatch.put_metric_alarm(
        AlarmName="wake", Namespace="AWS/SageMaker", MetricName="NoCapacityInvocationFailures", Period=10,
        Dimensions=[{"Name": "InferenceComponentName", "Value": "llama"}], Statistic="Maximum", EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanOrEqualToThreshold", TreatMissingData="missing",
        AlarmActions=[policy["PolicyARN"]],
    )  # fmt: skip
    driven.advance(16 * 60)
    assert component().desired == 0
    driven.advance(6 * 60)
    shown = sagemaker.describe_endpoint(EndpointName="fleet")["ProductionVariants"][0]
    assert (shown["CurrentInstanceCount"], shown["DesiredInstanceCount"]) == (0, 0)
    component().counts["NoCapacityInvocationFailures"] = 1
    driven.advance(30)
    assert component().desired == 1
    assert loads() == [1]
    driven.advance(10 * 60)
    assert component().desired == 1  # one request wakes one copy, once
