"""Metrics of a component: classic ones, those of its GPUs, and SGLang's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from cdk_sglang.arguments import checked
from cdk_sglang.metrics.promql import Place
from cdk_sglang.serving.alarms.engine_metrics import EngineMetrics
from cdk_sglang.serving.alarms.gpu_metrics import GpuMetrics
from cdk_sglang.serving.alarms.metrics import COMPONENT_NAMESPACE, MetricOptions, ServingMetrics

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch


class ComponentMetrics(ServingMetrics):
    """Metrics of one inference component.

    Args:
        component_name: Name of the component in SageMaker.
        endpoint_name: Name of its endpoint.

    Attributes:
        gpus: Metrics of each GPU of its copies; the endpoint publishes them with enhanced metrics.
        engine: SGLang's metrics, as PromQL.
    """

    @checked()
    def __init__(self, *, component_name: str, endpoint_name: str) -> None:
        super().__init__(
            dimensions={"InferenceComponentName": component_name}, utilization_namespace=COMPONENT_NAMESPACE
        )
        place = Place(endpoint=endpoint_name, component=component_name)
        self.gpus = GpuMetrics(endpoint_name=endpoint_name, component_name=component_name)
        self.engine = EngineMetrics(place)

    def metric_invocations_per_copy(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Requests divided by the copies that ran when each came (count; Sum).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("InvocationsPerCopy", options)

    def metric_memory_utilization(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Use of host memory of a copy, 0 to 100 (percent; Average).

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._published("MemoryUtilizationNormalized", options)
