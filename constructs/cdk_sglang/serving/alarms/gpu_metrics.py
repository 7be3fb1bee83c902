"""Metrics of each GPU of an endpoint or a component, which an endpoint publishes with enhanced metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import aws_cdk as cdk

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.metrics.classic import place_dimensions, utilization_namespace
from cdk_sglang.metrics.cloudwatch import statistic_problems
from cdk_sglang.metrics.promql import Place
from cdk_sglang.serving.alarms.metric_methods import SearchOptions
from cdk_sglang.serving.alarms.metrics import ServingMetrics

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch


class GpuMetrics:
    """Metrics of each GPU; their dimension is AcceleratorId, in addition to those of the instance.

    Instances and their ids are unknown at synth, so the metrics of all GPUs are SEARCH expressions; alarms need `of_gpu` or PromQL.

    Args:
        endpoint_name: Name of the endpoint.
        component_name: Name of a component, to read only the GPUs of its copies; every GPU of the endpoint by default.
        region: Region of the metrics; the reader's by default.
        account: Account of the metrics; the reader's by default.
    """

    @checked()
    def __init__(
        self,
        *,
        endpoint_name: str,
        component_name: str | None = None,
        region: str | None = None,
        account: str | None = None,
    ) -> None:
        self._place = Place(endpoint=endpoint_name, component=component_name)
        self._region, self._account = region, account

    def metric_utilization(self, **options: Unpack[SearchOptions]) -> cloudwatch.MathExpression:
        """Use of each GPU (percent; Average), a series for each.

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._search("GPUUtilizationNormalized", **options)

    def metric_memory_utilization(self, **options: Unpack[SearchOptions]) -> cloudwatch.MathExpression:
        """Use of each GPU's memory (percent; Average), a series for each.

        Args:
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.
        """
        return self._search("GPUMemoryUtilizationNormalized", **options)

    @checked()
    def of_gpu(
        self,
        *,
        instance_id: str,
        accelerator_id: str,
        instance_type: str | None = None,
        container_id: str | None = None,
    ) -> ServingMetrics:
        """Return the metrics of one GPU: `metric_gpu_utilization` and `metric_gpu_memory_utilization`.

        Args:
            instance_id: Id of the instance.
            accelerator_id: Id of the GPU.
            instance_type: Instance type; needed for an endpoint's metrics.
            container_id: Id of the copy's container; needed for a component's metrics.
        """
        ids = {
            "InstanceType": instance_type,
            "InstanceId": instance_id,
            "ContainerId": container_id,
            "AcceleratorId": accelerator_id,
        }
        return ServingMetrics(
            dimensions={
                **(place_dimensions(self._place) or {}),
                **{key: value for key, value in ids.items() if value is not None},
            },
            utilization_namespace=utilization_namespace(self._place),
            region=self._region,
            account=self._account,
        )

    @checked("GpuMetrics.metric")
    def _search(self, name: str, **options: Unpack[SearchOptions]) -> cloudwatch.MathExpression:
        from aws_cdk import aws_cloudwatch as cloudwatch

        from cdk_sglang.metrics.figures.gpus import each_gpu

        if "statistic" in options:
            raise_if_any(statistic_problems("metrics.gpus.statistic", options["statistic"]))
        period = options.get("period", cdk.Duration.minutes(5))
        found = each_gpu(name, self._place, statistic=options.get("statistic"), period_seconds=int(period.to_seconds()))
        assert found is not None, "an endpoint's name is always known"
        return cloudwatch.MathExpression(
            expression=found.expression,
            using_metrics={},
            period=period,
            label=options.get("label", ""),
            color=options.get("color"),
            search_region=options.get("region", self._region),
            search_account=options.get("account", self._account),
        )
