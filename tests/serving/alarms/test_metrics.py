"""SageMaker's metrics under their own names."""

from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk
import pytest

from cdk_sglang import InferenceComponent, InferenceEndpoint

NAMES = {  # name, namespace of a component's metric, statistic
    "metric_invocations": ("Invocations", "AWS/SageMaker", "Sum"),
    "metric_invocation_4xx_errors": ("Invocation4XXErrors", "AWS/SageMaker", "Sum"),
    "metric_invocation_5xx_errors": ("Invocation5XXErrors", "AWS/SageMaker", "Sum"),
    "metric_invocation_model_errors": ("InvocationModelErrors", "AWS/SageMaker", "Sum"),
    "metric_mid_stream_errors": ("MidStreamErrors", "AWS/SageMaker", "Sum"),
    "metric_no_capacity_invocation_failures": ("NoCapacityInvocationFailures", "AWS/SageMaker", "Sum"),
    "metric_concurrent_requests_per_copy": ("ConcurrentRequestsPerCopy", "AWS/SageMaker", "Maximum"),
    "metric_model_latency": ("ModelLatency", "AWS/SageMaker", "p99"),
    "metric_overhead_latency": ("OverheadLatency", "AWS/SageMaker", "p99"),
    "metric_gpu_utilization": ("GPUUtilizationNormalized", "/aws/sagemaker/InferenceComponents", "Average"),
    "metric_gpu_memory_utilization": (
        "GPUMemoryUtilizationNormalized",
        "/aws/sagemaker/InferenceComponents",
        "Average",
    ),
    "metric_cpu_utilization": ("CPUUtilizationNormalized", "/aws/sagemaker/InferenceComponents", "Average"),
}


@pytest.fixture(scope="module")
def endpoint() -> InferenceEndpoint:
    from cdk_sglang import Capacity, ServingImage

    return InferenceEndpoint(
        cdk.Stack(cdk.App(), "Fleet"),
        "Chat",
        capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=1),
        image=ServingImage.from_dlc(),
        endpoint_name="chat",
    )


@pytest.fixture(scope="module")
def component(endpoint: InferenceEndpoint) -> InferenceComponent:
    from cdk_sglang import ModelSource

    return endpoint.add_component("llama", model=ModelSource.from_s3("s3://models/llama/"))


@pytest.mark.parametrize("method", NAMES)
def test_a_components_metric_has_sagemakers_name(component: InferenceComponent, method: str) -> None:
    metric = getattr(component.metrics, method)()
    assert (metric.metric_name, metric.namespace, metric.statistic) == NAMES[method]
    assert dict(metric.dimensions) == {"InferenceComponentName": "chat-llama"}
    assert metric.period.to_seconds() == 60


def test_every_metric_is_listed_here(component: InferenceComponent) -> None:
    assert {name for name in dir(component.metrics) if name.startswith("metric_")} == set(NAMES)


def test_an_endpoints_metrics_are_those_of_its_variant(endpoint: InferenceEndpoint) -> None:
    metrics = endpoint.metrics
    assert dict(metrics.metric_invocations().dimensions) == {"EndpointName": "chat", "VariantName": "AllTraffic"}
    assert metrics.metric_gpu_utilization().namespace == "/aws/sagemaker/Endpoints"


def test_what_the_caller_says_wins(component: InferenceComponent) -> None:
    metric = component.metrics.metric_model_latency(
        statistic="p50", period=cdk.Duration.minutes(5), label="median", color="#ff0000"
    )
    assert (metric.statistic, metric.period.to_minutes(), metric.label, metric.color) == ("p50", 5, "median", "#ff0000")


def test_any_other_metric_has_a_way(component: InferenceComponent) -> None:
    metric = component.metrics.metric("TimeToFirstToken", namespace="AWS/SageMaker", statistic="p90")
    assert (metric.metric_name, metric.statistic) == ("TimeToFirstToken", "p90")


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
