"""What scaling makes of a component, and what it refuses."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Annotations, Match, Template

from cdk_sglang import (
    Capacity,
    ComponentScaling,
    Concurrency,
    ConfigurationError,
    IdleAlarm,
    InferenceEndpoint,
    InvocationsPerMinute,
    Load,
    MetricMath,
    MetricStat,
    ModelSource,
    NightlyStop,
    Placement,
    ServingImage,
    Slo,
    Window,
)

TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"
ALARM = "AWS::CloudWatch::Alarm"


def any_stack(app: cdk.App | None = None) -> cdk.Stack:
    return cdk.Stack(app or cdk.App(), "Fleet", env=cdk.Environment(account="111122223333", region="us-east-1"))


def any_endpoint(stack: cdk.Stack | None = None, **options: Any) -> InferenceEndpoint:
    options.setdefault("capacity", Capacity.on_demand("ml.g6e.12xlarge", max_instances=2))
    return InferenceEndpoint(
        stack or any_stack(), "Chat", image=ServingImage.from_dlc(), endpoint_name="chat", **options
    )


def add(endpoint: InferenceEndpoint, name: str = "llama", *, model_id: str | None = None, **options: Any) -> Any:
    model = ModelSource.from_s3(f"s3://models/{name}/", check=False, model_id=model_id)
    return endpoint.add_component(name, model=model, **options)


def some(scaling: ComponentScaling, **options: Any) -> Template:
    stack = any_stack()
    add(any_endpoint(stack, **options), scaling=scaling)
    return Template.from_stack(stack)


def busy(low: int = 0, high: int = 4, **options: Any) -> ComponentScaling:
    return ComponentScaling(min_copies=low, max_copies=high, target=Concurrency(requests_per_copy=8), **options)


def minimum(template: Template) -> Any:
    (config,) = template.find_resources("AWS::SageMaker::EndpointConfig").values()
    return config["Properties"]["ProductionVariants"][0]["ManagedInstanceScaling"]["MinInstanceCount"]


@pytest.fixture(scope="module")
def to_zero() -> Template:
    return some(busy())


def test_copies_follow_the_high_resolution_concurrency(to_zero: Template) -> None:
    to_zero.has_resource_properties(
        POLICY,
        {
            "PolicyType": "TargetTrackingScaling",
            "ResourceId": "inference-component/chat-llama",
            "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": 8,
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
                },
            },
        },
    )


def test_scale_to_zero_is_one_word(to_zero: Template) -> None:
    to_zero.has_resource_properties(TARGET, {"MinCapacity": 0, "MaxCapacity": 4})
    to_zero.has_resource_properties(
        POLICY,
        {
            "PolicyType": "StepScaling",
            "StepScalingPolicyConfiguration": {
                "AdjustmentType": "ChangeInCapacity",
                "Cooldown": 600,
                "MetricAggregationType": "Maximum",
                "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
            },
        },
    )
    (wake,) = to_zero.find_resources(POLICY, {"Properties": {"PolicyType": "StepScaling"}})
    to_zero.has_resource_properties(
        ALARM,
        {
            "MetricName": "NoCapacityInvocationFailures",
            "Dimensions": [{"Name": "InferenceComponentName", "Value": "chat-llama"}],
            "Period": 30,
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "AlarmActions": [{"Ref": wake}],
        },
    )
    assert minimum(to_zero) == 0


def test_a_component_that_was_woken_is_not_woken_again_while_its_copy_starts() -> None:
    stack = any_stack()
    endpoint = any_endpoint(stack)
    endpoint.add_component(
        "qwen",
        model=ModelSource.from_s3("s3://models/qwen/", check=False, weights_size=cdk.Size.gibibytes(15)),
        scaling=busy(),
    )
    (policy,) = (
        Template.from_stack(stack).find_resources(POLICY, {"Properties": {"PolicyType": "StepScaling"}}).values()
    )
    pause = policy["Properties"]["StepScalingPolicyConfiguration"]["Cooldown"]
    assert (
        390 < pause < 840
    )  # instance, image, weights and graphs; less than the quarter hour before it may sleep again


def test_a_component_is_created_with_a_copy_even_if_it_may_go_to_zero(to_zero: Template) -> None:
    to_zero.has_resource_properties("AWS::SageMaker::InferenceComponent", {"RuntimeConfig": Match.any_value()})
    (config,) = to_zero.find_resources("AWS::SageMaker::EndpointConfig").values()
    assert config["Properties"]["ProductionVariants"][0]["InitialInstanceCount"] == 1


def test_the_target_comes_after_its_component_since_it_only_knows_its_name(to_zero: Template) -> None:
    (component,) = to_zero.find_resources("AWS::SageMaker::InferenceComponent")
    (target,) = to_zero.find_resources(TARGET).values()
    assert component in target["DependsOn"]
    for policy in to_zero.find_resources(POLICY).values():
        assert policy["DependsOn"] == list(to_zero.find_resources(TARGET))


def test_an_endpoint_keeps_an_instance_while_one_of_its_components_may_not_go_to_zero() -> None:
    stack = any_stack()
    endpoint = any_endpoint(stack)
    add(endpoint, scaling=busy(0, 2))
    add(endpoint, "qwen", scaling=busy(1, 2))
    template = Template.from_stack(stack)
    assert minimum(template) == 1
    template.resource_count_is(TARGET, 2)
    template.resource_properties_count_is(POLICY, {"PolicyType": "StepScaling"}, 1)


def test_instances_that_are_to_stay_stay_though_every_component_may_go_to_zero() -> None:
    capacity = Capacity.on_demand("ml.g6e.12xlarge", min_instances=1, max_instances=2)
    assert minimum(some(busy(), capacity=capacity)) == 1


def test_a_component_without_scaling_has_no_target() -> None:
    stack = any_stack()
    add(any_endpoint(stack), copies=2)
    Template.from_stack(stack).resource_count_is(TARGET, 0)


def test_an_adapter_has_no_target_of_its_own(to_zero: Template) -> None:
    to_zero.resource_count_is(TARGET, 1)


def test_the_default_target_is_what_the_plan_of_the_model_says() -> None:
    stack = any_stack()
    scaling = ComponentScaling(min_copies=1, max_copies=2)
    add(any_endpoint(stack), scaling=scaling, model_id="Qwen/Qwen3-8B")
    (policy,) = Template.from_stack(stack).find_resources(POLICY).values()
    short = policy["Properties"]["TargetTrackingScalingPolicyConfiguration"]["TargetValue"]
    assert short > 1
    other = any_stack()
    longer = ComponentScaling(min_copies=1, max_copies=2, target=Concurrency(input_tokens=16_000, output_tokens=4_000))
    add(any_endpoint(other), scaling=longer, model_id="Qwen/Qwen3-8B")
    (policy,) = Template.from_stack(other).find_resources(POLICY).values()
    assert 1 <= policy["Properties"]["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] < short / 5


def target_value(**options: Any) -> float:
    stack = any_stack()
    add(any_endpoint(stack), model_id="Qwen/Qwen3-8B", **options)
    (policy,) = Template.from_stack(stack).find_resources(POLICY).values()
    value: float = policy["Properties"]["TargetTrackingScalingPolicyConfiguration"]["TargetValue"]
    return value


def test_the_load_of_a_component_is_that_of_its_target() -> None:
    by_target = ComponentScaling(
        min_copies=1, max_copies=2, target=Concurrency(input_tokens=16_000, output_tokens=4_000)
    )
    load = Load(input_tokens=16_000, output_tokens=4_000)
    planned = ComponentScaling(min_copies=1, max_copies=2)
    assert target_value(scaling=planned, load=load) == target_value(scaling=by_target) < target_value(scaling=planned)


def test_a_latency_objective_lowers_the_default_target() -> None:
    planned = ComponentScaling(min_copies=1, max_copies=2)
    assert target_value(scaling=planned, slo=Slo(tpot_ms=30)) < target_value(scaling=planned)


def test_a_load_that_is_given_twice_is_refused() -> None:
    scaling = ComponentScaling(min_copies=1, max_copies=2, target=Concurrency(input_tokens=16_000))
    with pytest.raises(ConfigurationError) as error:
        add(any_endpoint(), scaling=scaling, load=Load(), model_id="Qwen/Qwen3-8B")
    assert error.value.problems == (
        "llama.load: is given by scaling.target too (input_tokens, output_tokens); give it once",
    )


def test_a_model_without_an_id_has_no_default_target() -> None:
    with pytest.raises(ConfigurationError) as error:
        add(any_endpoint(), scaling=ComponentScaling(min_copies=1, max_copies=2), model_id=None)
    (problem,) = error.value.problems
    assert problem.startswith("llama.model.id: missing, and the plan that scaling.concurrency comes from needs it; ")
    assert problem.endswith("(cdk-sglang models list), or a number: scaling.concurrency: 16")


def test_a_repository_nobody_knows_has_no_default_target() -> None:
    endpoint = any_endpoint()
    own = ModelSource.from_hugging_face("acme/own", revision="a" * 40, bucket=s3.Bucket(endpoint, "Weights"))
    with pytest.raises(ConfigurationError) as error:
        endpoint.add_component("llama", model=own, scaling=ComponentScaling(min_copies=1, max_copies=2))
    (problem,) = error.value.problems
    assert problem.startswith(
        "llama.model.hugging_face: the catalogue does not know acme/own; add it with: cdk-sglang models add acme/own"
    )
    assert problem.endswith("; or give the requests in flight, which the plan cannot: scaling.concurrency: 16")


def test_invocations_and_formulas_are_targets_too() -> None:
    some(
        ComponentScaling(min_copies=1, max_copies=2, target=InvocationsPerMinute(per_copy=90))
    ).has_resource_properties(
        POLICY,
        {
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": 90,
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"
                },
            }
        },
    )
    math = MetricMath(
        expression="load / 2",
        metrics={"load": MetricStat(metric_name="ConcurrentRequestsPerCopy", statistic="Maximum")},
        target=3,
    )
    some(ComponentScaling(min_copies=1, max_copies=2, target=math)).has_resource_properties(
        POLICY,
        {
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": 3,
                "CustomizedMetricSpecification": {
                    "Metrics": [
                        {
                            "Id": "load",
                            "ReturnData": False,
                            "MetricStat": {
                                "Stat": "Maximum",
                                "Metric": {
                                    "Namespace": "AWS/SageMaker",
                                    "MetricName": "ConcurrentRequestsPerCopy",
                                    "Dimensions": [{"Name": "InferenceComponentName", "Value": "chat-llama"}],
                                },
                            },
                        },
                        {"Id": "value", "Expression": "load / 2", "ReturnData": True},
                    ]
                },
            }
        },
    )


def test_schedules_become_actions_of_the_target() -> None:
    scaling = busy(1, 4, time_zone="Europe/Berlin", schedules={"off": Window.off(begins="20:00", ends="06:00")})
    some(scaling).has_resource_properties(
        TARGET,
        {
            "ScheduledActions": [
                {
                    "Schedule": "cron(0 6 ? * MON,TUE,WED,THU,FRI,SAT,SUN *)",
                    "ScheduledActionName": "weekly-0600-mon-tue-wed-thu-fri-sat-sun",
                    "Timezone": "Europe/Berlin",
                    "ScalableTargetAction": {"MinCapacity": 1, "MaxCapacity": 4},
                },
                {
                    "Schedule": "cron(0 20 ? * MON,TUE,WED,THU,FRI,SAT,SUN *)",
                    "ScheduledActionName": "weekly-2000-mon-tue-wed-thu-fri-sat-sun",
                    "Timezone": "Europe/Berlin",
                    "ScalableTargetAction": {"MinCapacity": 0, "MaxCapacity": 0},
                },
            ]
        },
    )


def test_a_nightly_stop_reaches_components_that_do_not_scale_otherwise() -> None:
    stack = any_stack()
    endpoint = any_endpoint(stack, nightly_stop=NightlyStop(begins="20:00", ends="06:00"))
    add(endpoint, copies=2)
    template = Template.from_stack(stack)
    template.has_resource_properties(TARGET, {"MinCapacity": 2, "MaxCapacity": 2})
    template.resource_count_is(POLICY, 0)
    assert minimum(template) == 0


def test_placement_and_cache_are_rendered_for_every_type_of_a_pool() -> None:
    stack = any_stack()
    endpoint = any_endpoint(stack, capacity=Capacity.pool(["ml.g6e.12xlarge", "ml.g6e.24xlarge"], max_instances=2))
    add(endpoint, placement=Placement(strategy="binpack", max_zone_imbalance=20, cache=False))
    (component,) = Template.from_stack(stack).find_resources("AWS::SageMaker::InferenceComponent").values()
    for specification in component["Properties"]["Specifications"]:
        assert specification["SchedulingConfig"] == {
            "PlacementStrategy": "BINPACK",
            "AvailabilityZoneBalance": {"EnforcementMode": "PERMISSIVE", "MaxImbalance": 20},
        }
        assert specification["DataCacheConfig"] == {"EnableCaching": False}


def test_idle_gpus_are_worth_an_alarm() -> None:
    some(busy(), idle_alarm=IdleAlarm(gpu_below_percent=2, for_hours=6)).has_resource_properties(
        ALARM,
        {
            "Namespace": "/aws/sagemaker/Endpoints",
            "MetricName": "GPUUtilizationNormalized",
            "Statistic": "Maximum",
            "Period": 3600,
            "EvaluationPeriods": 6,
            "Threshold": 2,
            "TreatMissingData": "notBreaching",
        },
    )


def test_refuses_more_copies_than_can_ever_be_placed() -> None:
    with pytest.raises(ConfigurationError) as error:
        add(any_endpoint(), scaling=busy(1, 9))
    (problem,) = error.value.problems
    assert problem == (
        "Chat.capacity.max_instances: 3 instances are needed for the maximum copies, 2 allowed; raise it to 3, or lower max_copies"
    )


def test_refuses_first_copies_outside_of_the_bounds() -> None:
    with pytest.raises(ConfigurationError, match=r"llama.copies: 5 is outside of scaling, 1 to 4"):
        add(any_endpoint(), scaling=busy(1, 4), copies=5)


def test_nobody_told_of_alarms_is_said_once() -> None:
    app = cdk.App()
    stack = any_stack(app)
    any_endpoint(stack)
    found = Annotations.from_stack(stack).find_warning("*", Match.string_like_regexp(".*cdk-sglang:no-alarms.*"))
    assert len(found) == 1
