"""Classic metrics under SageMaker's own names, those of single GPUs, and SGLang's as PromQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch

from cdk_sglang import (
    Capacity,
    ComponentMetrics,
    ConfigurationError,
    EndpointMetrics,
    InferenceComponent,
    InferenceEndpoint,
    ModelSource,
    ServingImage,
)
from cdk_sglang.metrics.cloudwatch import COMPONENTS, ENDPOINTS, INVOCATIONS, CloudWatchMetric, cloudwatch_metrics
from cdk_sglang.metrics.series import series

OFTEN = {  # public names that apps use, and SageMaker's
    "metric_invocations": "Invocations",
    "metric_invocation_4xx_errors": "Invocation4XXErrors",
    "metric_invocation_5xx_errors": "Invocation5XXErrors",
    "metric_invocation_model_errors": "InvocationModelErrors",
    "metric_mid_stream_errors": "MidStreamErrors",
    "metric_no_capacity_invocation_failures": "NoCapacityInvocationFailures",
    "metric_concurrent_requests_per_copy": "ConcurrentRequestsPerCopy",
    "metric_model_latency": "ModelLatency",
    "metric_overhead_latency": "OverheadLatency",
    "metric_gpu_utilization": "GPUUtilizationNormalized",
    "metric_gpu_memory_utilization": "GPUMemoryUtilizationNormalized",
    "metric_cpu_utilization": "CPUUtilizationNormalized",
}


@pytest.fixture(scope="module")
def endpoint() -> InferenceEndpoint:
    return InferenceEndpoint(
        cdk.Stack(cdk.App(), "Fleet"),
        "Chat",
        capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=1),
        image=ServingImage.from_dlc(),
        endpoint_name="chat",
    )


@pytest.fixture(scope="module")
def component(endpoint: InferenceEndpoint) -> InferenceComponent:
    return endpoint.add_component("llama", model=ModelSource.from_s3("s3://models/llama/"))


def _published(namespaces: tuple[str, ...], dimensions: Mapping[str, str]) -> dict[str, CloudWatchMetric]:
    """Return the metrics that AWS publishes with some dimensions, by name."""
    return {
        metric.name: metric
        for metric in cloudwatch_metrics().values()
        if metric.namespace in namespaces and frozenset(dimensions) in metric.dimensions
    }


def _offered(metrics: Any) -> dict[str, Any]:
    """Return what the methods of a vocabulary return, by SageMaker's name; those that AWS does not publish there are left out."""
    found: dict[str, Any] = {}
    for name in (each for each in dir(metrics) if each.startswith("metric_")):
        try:
            metric = getattr(metrics, name)()
        except ConfigurationError:
            continue
        assert metric.metric_name not in found, f"{name} and another method return {metric.metric_name}"
        found[metric.metric_name] = metric
    return found


@pytest.mark.parametrize(
    ("metrics", "namespaces", "dimensions"),
    [
        (
            EndpointMetrics(endpoint_name="chat"),
            (INVOCATIONS, ENDPOINTS),
            {"EndpointName": "chat", "VariantName": "AllTraffic"},
        ),
        (
            EndpointMetrics(endpoint_name="chat").of_type("ml.g6e.12xlarge"),
            (INVOCATIONS, ENDPOINTS),
            {"EndpointName": "chat", "VariantName": "AllTraffic", "InstanceType": "ml.g6e.12xlarge"},
        ),
        (
            ComponentMetrics(component_name="chat-llama", endpoint_name="chat"),
            (INVOCATIONS, COMPONENTS),
            {"InferenceComponentName": "chat-llama"},
        ),
    ],
    ids=["endpoint", "instance type", "component"],
)
def test_a_vocabulary_offers_exactly_what_aws_publishes(
    metrics: Any, namespaces: tuple[str, ...], dimensions: dict[str, str]
) -> None:
    published, offered = _published(namespaces, dimensions), _offered(metrics)
    assert set(offered) == set(published)
    for name, metric in offered.items():
        assert (metric.namespace, metric.statistic) == (published[name].namespace, published[name].statistic)
        assert dict(metric.dimensions) == dimensions
        assert metric.period.to_seconds() == 60


@pytest.mark.parametrize("cls", [EndpointMetrics, ComponentMetrics])
def test_the_unit_and_the_statistic_of_a_description_are_the_facts(cls: type) -> None:
    arguments = {"endpoint_name": "chat", **({"component_name": "x"} if cls is ComponentMetrics else {})}
    words = {"Microseconds": "**microseconds**", "Percent": "percent", "None": "count"}
    for name in (each for each in dir(cls) if each.startswith("metric_")):
        try:
            metric = getattr(cls(**arguments), name)()
        except ConfigurationError:
            continue
        fact = cloudwatch_metrics()[metric.namespace, metric.metric_name]
        described = (getattr(cls, name).__doc__ or "").partition("\n")[0]
        assert f"({words[fact.unit]}; {fact.statistic})" in described, name


@pytest.mark.parametrize("method", OFTEN)
def test_a_public_name_keeps_its_metric(component: InferenceComponent, method: str) -> None:
    assert getattr(component.metrics, method)().metric_name == OFTEN[method]


def test_a_metric_that_aws_does_not_publish_here_is_refused(endpoint: InferenceEndpoint) -> None:
    with pytest.raises(ConfigurationError) as caught:
        endpoint.metrics.metric_no_capacity_invocation_failures()
    assert str(caught.value) == (
        "metrics: AWS publishes NoCapacityInvocationFailures with InferenceComponentName, got EndpointName+VariantName; "
        "use the metrics of an endpoint or component that has these dimensions"
    )


def test_an_endpoints_metrics_are_those_of_its_variant(endpoint: InferenceEndpoint) -> None:
    metrics = endpoint.metrics
    assert dict(metrics.metric_invocations().dimensions) == {"EndpointName": "chat", "VariantName": "AllTraffic"}
    assert metrics.metric_gpu_utilization().namespace == "/aws/sagemaker/Endpoints"


def test_what_the_caller_says_wins(component: InferenceComponent) -> None:
    metric = component.metrics.metric_model_latency(
        statistic="p50", period=cdk.Duration.minutes(5), label="median", color="#ff0000"
    )
    assert (metric.statistic, metric.period.to_minutes(), metric.label, metric.color) == ("p50", 5, "median", "#ff0000")


def test_every_option_of_cdk_is_honoured(any_component: Callable[..., InferenceComponent]) -> None:
    metric = any_component().metric_invocations(
        account="444455556666", region="eu-west-1", id="m1", unit=cloudwatch.Unit.COUNT, visible=False
    )
    assert (metric.account, metric.region, metric.id, metric.unit, metric.visible) == (
        "444455556666",
        "eu-west-1",
        "m1",
        cloudwatch.Unit.COUNT,
        False,
    )


@pytest.mark.parametrize(
    "options", [{"perod": cdk.Duration.minutes(5)}, {"dimensions_map": {"a": "b"}}, {"unit": "Count"}]
)
@pytest.mark.parametrize("of_gpus", [False, True])
def test_an_option_that_is_not_honoured_is_refused(
    endpoint: InferenceEndpoint, options: dict[str, Any], of_gpus: bool
) -> None:
    metric = endpoint.metrics.gpus.metric_utilization if of_gpus else endpoint.metric_invocations
    (name,) = options
    with pytest.raises(ConfigurationError, match=rf"\.{name}: "):
        metric(**options)


def test_metrics_are_methods_of_the_constructs_too(endpoint: InferenceEndpoint, component: InferenceComponent) -> None:
    for construct in (endpoint, component):
        names = {name for name in dir(construct.metrics) if name.startswith("metric_")}
        assert names <= set(dir(construct))
        assert construct.metric_invocations(period=cdk.Duration.minutes(5)).period.to_minutes() == 5
        assert construct.metric_invocations().dimensions == construct.metrics.metric_invocations().dimensions


def test_metrics_carry_region_and_account_of_the_endpoint(any_component: Callable[..., InferenceComponent]) -> None:
    component = any_component()
    for metric in (
        component.metric_invocations(),
        component.endpoint.metric_invocations(),
        component.endpoint.metrics.of_type("ml.g6e.12xlarge").metric_invocations(),
        component.endpoint.metrics.gpus.of_gpu(
            instance_id="i-1", accelerator_id="0", instance_type="ml.g6e.12xlarge"
        ).metric_gpu_utilization(),
    ):
        assert (metric.region, metric.account) == ("us-east-1", "111122223333")
    search = component.metrics.gpus.metric_utilization()
    assert (search.search_region, search.search_account) == ("us-east-1", "111122223333")


def test_an_alarm_in_another_region_is_refused_by_cdk(any_component: Callable[..., InferenceComponent]) -> None:
    elsewhere = cdk.Stack(cdk.App(), "S", env=cdk.Environment(account="111122223333", region="eu-west-1"))
    with pytest.raises(
        RuntimeError, match=r"Cannot create an Alarm in region 'eu-west-1' based on metric .* in 'us-east-1'"
    ):
        any_component().metric_invocations().create_alarm(elsewhere, "Alarm", threshold=1, evaluation_periods=1)


def test_without_a_known_region_a_metric_is_that_of_its_reader(endpoint: InferenceEndpoint) -> None:
    metric = endpoint.metric_invocations()
    assert (metric.region, metric.account) == (None, None)


def test_any_other_metric_has_a_way(component: InferenceComponent) -> None:
    metric = component.metrics.metric("TimeToFirstToken", namespace="AWS/SageMaker", statistic="p90")
    assert (metric.metric_name, metric.statistic) == ("TimeToFirstToken", "p90")


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        (
            "Invocations",
            {"statistic": "Mean"},
            "metrics.Invocations.statistic: CloudWatch has no statistic 'Mean'; use",
        ),
        ("ModelLatency", {"statistic": "p200"}, "metrics.ModelLatency.statistic: CloudWatch has no statistic 'p200'"),
        (
            "Invocation5xxErrors",
            {},
            "metrics.Invocation5xxErrors: AWS publishes no Invocation5xxErrors in AWS/SageMaker; did",
        ),
        (
            "InvocationsPerInstance",
            {},
            "metrics.InvocationsPerInstance: AWS publishes InvocationsPerInstance with Endpoint",
        ),
    ],
)
def test_a_metric_or_statistic_that_does_not_exist_is_refused(
    component: InferenceComponent, name: str, options: Any, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(problem)):
        component.metrics.metric(name, namespace="AWS/SageMaker", **options)


@pytest.mark.parametrize("statistic", ["p99.9", "tm95", "TM(10%:90%)", "PR(:2000)", "avg", "Maximum", "max", "IQM"])
def test_every_statistic_of_cloudwatch_and_cdk_is_taken(component: InferenceComponent, statistic: str) -> None:
    assert component.metrics.metric("ModelLatency", namespace="AWS/SageMaker", statistic=statistic).metric_name


def test_a_statistic_that_does_not_exist_is_refused_of_each_gpu_too(component: InferenceComponent) -> None:
    with pytest.raises(ConfigurationError, match=r"metrics\.gpus\.statistic: CloudWatch has no statistic 'p200'"):
        component.metrics.gpus.metric_utilization(statistic="p200")
    with pytest.raises(ConfigurationError, match=r"metrics\.ModelLatency\.statistic: "):
        component.metric_model_latency(statistic="Median")


def test_metrics_can_be_alarmed_on(any_component: Callable[..., InferenceComponent], stack: cdk.Stack) -> None:
    from aws_cdk.assertions import Template

    any_component().metrics.metric_invocation_5xx_errors().create_alarm(
        stack, "Errors", threshold=1, evaluation_periods=1
    )
    Template.from_stack(stack).has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "MetricName": "Invocation5XXErrors",
            "Namespace": "AWS/SageMaker",
            "Statistic": "Sum",
            "Dimensions": [{"Name": "InferenceComponentName", "Value": "chat-llama"}],
        },
    )


class TestEachGpu:
    def test_is_searched_for_since_its_id_is_unknown_at_synth(self, endpoint: InferenceEndpoint) -> None:
        metric = endpoint.metrics.gpus.metric_utilization(statistic="Maximum", period=cdk.Duration.minutes(1))
        assert metric.expression == (
            "SEARCH('{/aws/sagemaker/Endpoints,EndpointName,VariantName,InstanceType,InstanceId,AcceleratorId} "
            'MetricName="GPUUtilizationNormalized" EndpointName="chat" VariantName="AllTraffic"\', \'Maximum\', 60)'
        )

    def test_of_a_component_has_its_own_dimensions(self, component: InferenceComponent) -> None:
        assert component.metrics.gpus.metric_memory_utilization().expression == (
            "SEARCH('{/aws/sagemaker/InferenceComponents,InferenceComponentName,InstanceId,ContainerId,AcceleratorId} "
            'MetricName="GPUMemoryUtilizationNormalized" InferenceComponentName="chat-llama"\', \'Average\', 300)'
        )

    def test_has_metrics_of_its_own_once_its_ids_are_known(self, component: InferenceComponent) -> None:
        gpu = component.metrics.gpus.of_gpu(instance_id="i-1", container_id="c-1", accelerator_id="3")
        assert dict(gpu.metric_gpu_utilization().dimensions) == {
            "InferenceComponentName": "chat-llama",
            "InstanceId": "i-1",
            "ContainerId": "c-1",
            "AcceleratorId": "3",
        }

    def test_without_its_container_is_no_metric_of_a_component(self, component: InferenceComponent) -> None:
        gpu = component.metrics.gpus.of_gpu(instance_id="i-1", accelerator_id="3")
        with pytest.raises(ConfigurationError, match=r"got AcceleratorId\+InferenceComponentName\+InstanceId;"):
            gpu.metric_gpu_utilization()


class TestTheEngine:
    def test_every_metric_has_a_query(self, component: InferenceComponent) -> None:
        engine = component.metrics.engine
        keys = {key for key, metric in series().items() if metric.group == "engine"}
        assert {name.removeprefix("query_") for name in dir(engine) if name.startswith("query_")} == keys
        for key in keys:
            query = getattr(engine, f"query_{key}")()
            assert all(name in query for name in series()[key].names), key
            assert '"aws.sagemaker.inference_component.name"="chat-llama"' in query

    def test_what_the_caller_says_is_in_the_query(self, endpoint: InferenceEndpoint) -> None:
        engine = endpoint.metrics.engine
        assert "max by (phase) (" in engine.query_startup_time(aggregate="max", labels=["phase"])
        assert "[1h]" in engine.query_generation_tokens(window="1h")
        assert "histogram_quantile(0.99, " in engine.query_time_to_first_token(share=0.99)
        assert "histogram_quantile" not in engine.query_queue_time(share=None)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"share": 95}, "query_queue_time.share: a quantile is above 0 and below 1, got 95; write 0.95 for p95"),
            (
                {"window": "5 min"},
                "query_queue_time.window: a range is a whole number and s, m, h or d, got '5 min'; write 5m or 1h",
            ),
            ({"range": "5m"}, "EngineMetrics.query_queue_time.range: no such option; known: labels, share, window"),
        ],
    )
    def test_a_wrong_option_is_refused(
        self, endpoint: InferenceEndpoint, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ConfigurationError) as caught:
            endpoint.metrics.engine.query_queue_time(**options)
        assert str(caught.value) == message
