"""SageMaker's metrics under their own names, with the namespace, unit and statistic that make sense of each.

Names and dimensions: https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html and
…/monitoring-cloudwatch-enhanced-metrics.html (read 2026-10).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

import aws_cdk as cdk

from cdk_sglang.arguments import checked

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch

INVOCATION_NAMESPACE: Final = "AWS/SageMaker"
ENDPOINT_NAMESPACE: Final = "/aws/sagemaker/Endpoints"
COMPONENT_NAMESPACE: Final = "/aws/sagemaker/InferenceComponents"


class MetricOptions(TypedDict, total=False):
    """What a caller may change of a metric: statistic, period (one minute by default), label, colour."""

    statistic: str
    period: cdk.Duration
    label: str
    color: str


class ServingMetrics:
    """Metrics of an endpoint's variant or of one inference component.

    Args:
        dimensions: CloudWatch dimensions of the metrics.
        utilization_namespace: CloudWatch namespace of GPU, memory and CPU use.
    """

    @checked()
    def __init__(self, *, dimensions: Mapping[str, str], utilization_namespace: str) -> None:
        self._dimensions = dict(dimensions)
        self._utilization_namespace = utilization_namespace

    @checked()
    def metric(self, name: str, *, namespace: str, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return any metric of this endpoint or component by SageMaker's name; averaged by default.

        Args:
            name: SageMaker's name of the metric.
            namespace: CloudWatch namespace of the metric.
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        from aws_cdk import aws_cloudwatch as cloudwatch

        return cloudwatch.Metric(
            namespace=namespace,
            metric_name=name,
            dimensions_map=self._dimensions,
            statistic=options.get("statistic", "Average"),
            period=options.get("period", cdk.Duration.minutes(1)),
            label=options.get("label"),
            color=options.get("color"),
        )

    def _invocation(self, name: str, statistic: str, options: MetricOptions) -> cloudwatch.Metric:
        with_default: MetricOptions = {**options, "statistic": options.get("statistic", statistic)}
        return self.metric(name, namespace=INVOCATION_NAMESPACE, **with_default)

    def _utilization(self, name: str, options: MetricOptions) -> cloudwatch.Metric:
        return self.metric(name, namespace=self._utilization_namespace, **options)

    def metric_invocations(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Requests (count; Sum).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._invocation("Invocations", "Sum", options)

    def metric_invocation_4xx_errors(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Requests the container or SageMaker refused as the caller's mistake (count; Sum).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._invocation("Invocation4XXErrors", "Sum", options)

    def metric_invocation_5xx_errors(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Requests that failed on the serving side (count; Sum).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._invocation("Invocation5XXErrors", "Sum", options)

    def metric_invocation_model_errors(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Requests the model did not answer with 2xx (count; Sum).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._invocation("InvocationModelErrors", "Sum", options)

    def metric_mid_stream_errors(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Streams that broke after their first part (count; Sum).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._invocation("MidStreamErrors", "Sum", options)

    def metric_no_capacity_invocation_failures(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Requests that found no copy to run on, as when scaled to zero (count; Sum).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._invocation("NoCapacityInvocationFailures", "Sum", options)

    def metric_concurrent_requests_per_copy(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Requests running or queued on a copy, a stream counting until its last token (count; Maximum).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._invocation("ConcurrentRequestsPerCopy", "Maximum", options)

    def metric_model_latency(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Time in the container (**microseconds**; p99).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._invocation("ModelLatency", "p99", options)

    def metric_overhead_latency(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Time SageMaker adds around the container (**microseconds**; p99).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._invocation("OverheadLatency", "p99", options)

    def metric_gpu_utilization(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """GPU use over all GPUs, 0 to 100 whatever their number (percent; Average).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._utilization("GPUUtilizationNormalized", options)

    def metric_gpu_memory_utilization(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """GPU memory use over all GPUs, 0 to 100 whatever their number (percent; Average).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._utilization("GPUMemoryUtilizationNormalized", options)

    def metric_cpu_utilization(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """CPU use over all cores, 0 to 100 (percent; Average).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._utilization("CPUUtilizationNormalized", options)
