"""Metrics of an endpoint: classic ones of its variant, those of its GPUs, and SGLang's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from cdk_sglang.arguments import checked
from cdk_sglang.metrics.classic import VARIANT_NAME
from cdk_sglang.metrics.promql import Place
from cdk_sglang.serving.alarms.engine_metrics import EngineMetrics
from cdk_sglang.serving.alarms.gpu_metrics import GpuMetrics
from cdk_sglang.serving.alarms.metric_methods import MetricOptions, ServingMetricMethods
from cdk_sglang.serving.alarms.metrics import ENDPOINT_NAMESPACE, ServingMetrics

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch


class EndpointMetricMethods(ServingMetricMethods):
    """A method for each metric of an endpoint."""

    def metric_invocations_per_instance(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Requests divided by the instances that ran when each came (count; Sum).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("InvocationsPerInstance", options)

    def metric_concurrent_requests_per_model(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Requests running or queued on a model (count; Maximum).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("ConcurrentRequestsPerModel", options)

    def metric_cpu_utilization_of_cores(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """CPU use, 100 for each core (percent; Average).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("CPUUtilization", options)

    def metric_cpu_reservation(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Share of the cores that components reserve (percent; Average).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("CPUReservation", options)

    def metric_memory_utilization(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Use of host memory (percent; Average).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("MemoryUtilization", options)

    def metric_memory_reservation(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Share of host memory that components reserve (percent; Average).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("MemoryReservation", options)

    def metric_disk_utilization(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Use of the disk (percent; Maximum).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("DiskUtilization", options)

    def metric_gpu_utilization_of_gpus(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """GPU use, 100 for each GPU (percent; Average).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("GPUUtilization", options)

    def metric_gpu_memory_utilization_of_gpus(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Use of GPU memory, 100 for each GPU (percent; Average).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("GPUMemoryUtilization", options)

    def metric_gpu_reservation(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Share of the GPUs that copies reserve (percent; Average).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("GPUReservation", options)


class EndpointMetrics(EndpointMetricMethods, ServingMetrics):
    """Metrics of an endpoint's variant.

    Args:
        endpoint_name: Name of the endpoint.
        instance_type: Instance type whose metrics are read; those of all instances by default.
        region: Region of the metrics; the reader's by default.
        account: Account of the metrics; the reader's by default.

    Attributes:
        gpus: Metrics of each GPU; the endpoint publishes them with enhanced metrics.
        engine: SGLang's metrics, as PromQL.
    """

    @checked()
    def __init__(
        self,
        *,
        endpoint_name: str,
        instance_type: str | None = None,
        region: str | None = None,
        account: str | None = None,
    ) -> None:
        variant = {"EndpointName": endpoint_name, "VariantName": VARIANT_NAME}
        chosen = {} if instance_type is None else {"InstanceType": instance_type}
        super().__init__(
            dimensions={**variant, **chosen}, utilization_namespace=ENDPOINT_NAMESPACE, region=region, account=account
        )
        self._endpoint_name = endpoint_name
        place = Place(endpoint=endpoint_name)
        self.gpus = GpuMetrics(endpoint_name=endpoint_name, region=region, account=account)
        self.engine = EngineMetrics(place)

    @checked()
    def of_type(self, instance_type: str) -> EndpointMetrics:
        """Return the metrics of the endpoint's instances of one type.

        Args:
            instance_type: Instance type, such as ml.g6e.12xlarge.
        """
        return EndpointMetrics(
            endpoint_name=self._endpoint_name, instance_type=instance_type, region=self._region, account=self._account
        )
