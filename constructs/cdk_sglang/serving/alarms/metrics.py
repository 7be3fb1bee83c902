"""SageMaker's classic metrics under their own names; namespaces, dimensions, units and statistics come from `metrics.cloudwatch`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Unpack

import aws_cdk as cdk

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.metrics import cloudwatch as facts
from cdk_sglang.serving.alarms.metric_methods import MetricOptions, ServingMetricMethods

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch

INVOCATION_NAMESPACE: Final = facts.INVOCATIONS
ENDPOINT_NAMESPACE: Final = facts.ENDPOINTS
COMPONENT_NAMESPACE: Final = facts.COMPONENTS


class ServingMetrics(ServingMetricMethods):
    """Metrics of an endpoint's variant, of one inference component, or of an adapter.

    Args:
        dimensions: CloudWatch dimensions of the metrics.
        utilization_namespace: CloudWatch namespace of GPU, memory and CPU utilisation.
        region: Region of the metrics; the reader's by default.
        account: Account of the metrics; the reader's by default.
    """

    @checked()
    def __init__(
        self,
        *,
        dimensions: Mapping[str, str],
        utilization_namespace: str,
        region: str | None = None,
        account: str | None = None,
    ) -> None:
        self._dimensions = dict(dimensions)
        self._utilization_namespace = utilization_namespace
        self._region, self._account = region, account

    @checked()
    def metric(self, name: str, *, namespace: str, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return any metric of this endpoint or component by SageMaker's name; averaged by default.

        Args:
            name: SageMaker's name of the metric.
            namespace: CloudWatch namespace of the metric.
            options: CloudWatch's own settings of a metric, such as `statistic`, `period` and `label`.

        Raises:
            ConfigurationError: CloudWatch has no such statistic, or SageMaker publishes the metric with other dimensions or under a similar
                name.
        """
        from aws_cdk import aws_cloudwatch as cloudwatch

        path = f"metrics.{name}"
        raise_if_any(
            [
                *facts.metric_problems(path, namespace, name, frozenset(self._dimensions)),
                *facts.statistic_problems(f"{path}.statistic", options.get("statistic", "Average")),
            ]
        )
        defaults: MetricOptions = {"statistic": "Average", "period": cdk.Duration.minutes(1)}
        if self._region is not None:
            defaults["region"] = self._region
        if self._account is not None:
            defaults["account"] = self._account
        chosen: MetricOptions = {**defaults, **options}
        return cloudwatch.Metric(namespace=namespace, metric_name=name, dimensions_map=self._dimensions, **chosen)

    def _published(self, name: str, options: MetricOptions) -> cloudwatch.Metric:
        return self.published(name, options)

    def published(self, name: str, options: MetricOptions) -> cloudwatch.Metric:
        """Return a metric that AWS publishes with these dimensions, with its own statistic unless the caller chose one.

        Args:
            name: SageMaker's name of the metric.
            options: CloudWatch's own settings of a metric.

        Raises:
            ConfigurationError: AWS does not publish the metric with these dimensions.
        """
        metric = self._fact(name)
        with_default: MetricOptions = {**options, "statistic": options.get("statistic", metric.statistic)}
        return self.metric(metric.name, namespace=metric.namespace, **with_default)

    def _fact(self, name: str) -> facts.CloudWatchMetric:
        """Return the facts of a metric.

        Raises:
            ConfigurationError: AWS does not publish the metric with these dimensions.
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
