"""Options of a metric, and the methods that return SageMaker's metrics under their own names."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, Unpack

import aws_cdk as cdk

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch


class MetricOptions(TypedDict, total=False):
    """Options of a metric: CDK's `MetricOptions` without `dimensions_map`, because the dimensions are the metric's own.

    By default, statistic and unit are the metric's own, the period is one minute, and Region and account are those of the endpoint.
    """

    account: str
    """Account of the metric; the endpoint's by default."""
    color: str
    """Colour of the line, such as #1f77b4; CloudWatch's choice by default."""
    id: str
    """Name for math expressions in a widget; none by default."""
    label: str
    """Name in the legend; CloudWatch's choice by default."""
    period: cdk.Duration
    """Length of a period; one minute by default."""
    region: str
    """Region of the metric; the endpoint's by default."""
    stack_account: str
    """Account of the stack that the metric is attached to."""
    stack_region: str
    """Region of the stack that the metric is attached to."""
    statistic: str
    """CloudWatch statistic, such as Average, Sum or p99; the metric's own by default."""
    unit: cloudwatch.Unit
    """Unit to filter by; any by default."""
    visible: bool
    """Whether widgets show it; shown by default."""


class SearchOptions(TypedDict, total=False):
    """Options of a search: statistic, period (five minutes by default), label, colour, Region and account (the endpoint's by default)."""

    account: str
    """Account of the metric; the endpoint's by default."""
    color: str
    """Colour of the line, such as #1f77b4; CloudWatch's choice by default."""
    label: str
    """Name in the legend; CloudWatch's choice by default."""
    period: cdk.Duration
    """Length of a period; five minutes by default."""
    region: str
    """Region of the metric; the endpoint's by default."""
    statistic: str
    """CloudWatch statistic, such as Average, Sum or p99; the metric's own by default."""


class ServingMetricMethods:
    """A method for each metric of an endpoint's variant, of a component or of an adapter."""

    def _published(self, name: str, options: MetricOptions) -> cloudwatch.Metric:
        """Return a metric of the object that the class represents; every class implements it.

        Not an abstract method: jsii's classes have their own metaclass, which is incompatible with ABCMeta.
        """
        raise NotImplementedError

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
