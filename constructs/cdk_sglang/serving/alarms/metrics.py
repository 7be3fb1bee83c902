"""SageMaker's classic metrics under their own names; namespaces, dimensions, units and statistics are those of `metrics.cloudwatch`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

import aws_cdk as cdk

from cdk_sglang.arguments import checked
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.metrics import cloudwatch as facts

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch

INVOCATION_NAMESPACE: Final = facts.INVOCATIONS
ENDPOINT_NAMESPACE: Final = facts.ENDPOINTS
COMPONENT_NAMESPACE: Final = facts.COMPONENTS


class MetricOptions(TypedDict, total=False):
    """What a caller may change of a metric: statistic, period (one minute by default), label, colour."""

    statistic: str
    period: cdk.Duration
    label: str
    color: str


class ServingMetrics:
    """Metrics of an endpoint's variant, of one inference component, or of an adapter.

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

    def _published(self, name: str, options: MetricOptions) -> cloudwatch.Metric:
        """Return a metric that AWS publishes here, with its own statistic unless the caller chose one."""
        metric = self._fact(name)
        with_default: MetricOptions = {**options, "statistic": options.get("statistic", metric.statistic)}
        return self.metric(metric.name, namespace=metric.namespace, **with_default)

    def _fact(self, name: str) -> facts.CloudWatchMetric:
        """Return the facts of a metric.

        Raises:
            ConfigurationError: If AWS does not publish the metric with these dimensions.
        """
        known = facts.cloudwatch_metrics()
        metric = known.get((INVOCATION_NAMESPACE, name)) or known.get((self._utilization_namespace, name))
        dimensions = frozenset(self._dimensions)
        if metric is not None and dimensions in metric.dimensions | metric.enhanced:
            return metric
        homes = [each for each in known.values() if each.name == name]
        allowed = sorted({"+".join(sorted(one)) for each in homes for one in each.dimensions | each.enhanced})
        text = f"AWS publishes {name} with {' or '.join(allowed)}, got {'+'.join(sorted(dimensions))}"
        raise ConfigurationError(
            [Problem("metrics", f"{text}; use the metrics of an endpoint or component that has these dimensions")]
        )

    def metric_invocations(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Requests (count; Sum).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("Invocations", options)

    def metric_invocation_4xx_errors(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Requests the container or SageMaker refused as the caller's mistake (count; Sum).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("Invocation4XXErrors", options)

    def metric_invocation_5xx_errors(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Requests that failed on the serving side (count; Sum).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("Invocation5XXErrors", options)

    def metric_invocation_model_errors(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Requests the model did not answer with 2xx (count; Sum).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("InvocationModelErrors", options)

    def metric_mid_stream_errors(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Streams that broke after their first part (count; Sum).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("MidStreamErrors", options)

    def metric_no_capacity_invocation_failures(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Requests that found no copy to run on, as when scaled to zero (count; Sum); published for components alone.

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("NoCapacityInvocationFailures", options)

    def metric_concurrent_requests_per_copy(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Requests running or queued on a copy, a stream counting until its last token (count; Maximum).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("ConcurrentRequestsPerCopy", options)

    def metric_model_latency(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Time in the container (**microseconds**; p99).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("ModelLatency", options)

    def metric_overhead_latency(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Time SageMaker adds around the container (**microseconds**; p99).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("OverheadLatency", options)

    def metric_model_setup_time(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Time to start a container for a request (**microseconds**; p99).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("ModelSetupTime", options)

    def metric_first_chunk_latency(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Time to the first part of a stream (**microseconds**; p99); documented with bidirectional streaming.

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("FirstChunkLatency", options)

    def metric_first_chunk_model_latency(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Time in the container to the first part of a stream (**microseconds**; p99); documented with bidirectional streaming.

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("FirstChunkModelLatency", options)

    def metric_first_chunk_overhead_latency(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Time SageMaker adds to the first part of a stream (**microseconds**; p99); documented with bidirectional streaming.

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("FirstChunkOverheadLatency", options)

    def metric_gpu_utilization(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """GPU use over all GPUs, 0 to 100 whatever their number (percent; Average).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("GPUUtilizationNormalized", options)

    def metric_gpu_memory_utilization(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """GPU memory use over all GPUs, 0 to 100 whatever their number (percent; Average).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("GPUMemoryUtilizationNormalized", options)

    def metric_cpu_utilization(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """CPU use over all cores, 0 to 100 (percent; Average).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("CPUUtilizationNormalized", options)
