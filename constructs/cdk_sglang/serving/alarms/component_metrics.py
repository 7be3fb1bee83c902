"""Metrics of a component: classic ones, those of its GPUs, and SGLang's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from cdk_sglang.arguments import checked
from cdk_sglang.metrics.promql import Place
from cdk_sglang.serving.alarms.engine_metrics import EngineMetrics
from cdk_sglang.serving.alarms.gpu_metrics import GpuMetrics
from cdk_sglang.serving.alarms.metric_methods import MetricOptions, ServingMetricMethods
from cdk_sglang.serving.alarms.metrics import COMPONENT_NAMESPACE, ServingMetrics

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch


class ComponentMetricMethods(ServingMetricMethods):
    """A method for each metric of an inference component."""

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


class ComponentMetrics(ComponentMetricMethods, ServingMetrics):
    """Metrics of one inference component.

    Args:
        component_name: Name of the component in SageMaker.
        endpoint_name: Name of its endpoint.
        region: Region of the metrics; the reader's by default.
        account: Account of the metrics; the reader's by default.

    Attributes:
        gpus: Metrics of each GPU of its copies; the endpoint publishes them with enhanced metrics.
        engine: SGLang's metrics, as PromQL.
    """

    @checked()
    def __init__(
        self, *, component_name: str, endpoint_name: str, region: str | None = None, account: str | None = None
    ) -> None:
        super().__init__(
            dimensions={"InferenceComponentName": component_name},
            utilization_namespace=COMPONENT_NAMESPACE,
            region=region,
            account=account,
        )
        place = Place(endpoint=endpoint_name, component=component_name)
        self.gpus = GpuMetrics(
            endpoint_name=endpoint_name, component_name=component_name, region=region, account=account
        )
        self.engine = EngineMetrics(place)
