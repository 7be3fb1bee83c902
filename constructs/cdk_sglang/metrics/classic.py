"""CloudWatch metric math over the classic metrics of `cloudwatch`, each with exactly the dimensions that it is published with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cdk_sglang.metrics.cloudwatch import COMPONENTS, ENDPOINTS, INVOCATIONS, CloudWatchMetric, cloudwatch_metrics
from cdk_sglang.metrics.promql import Place
from cdk_sglang.metrics.series import VARIANT

VARIANT_NAME: Final = "AllTraffic"
"""Name of an endpoint's only production variant: rolling updates of an endpoint are refused with more than one
(https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html, read 2026-10)."""

MAX_PERIOD_SECONDS: Final = 86_400
"""Longest period of a metric
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricStat.html and PutMetricAlarm, read 2026-11)."""

# Order in which AWS's pages and console name the dimensions of SageMaker's metrics.
_ORDER: Final = (
    "EndpointName",
    "VariantName",
    "InferenceComponentName",
    "InstanceType",
    "InstanceId",
    "ContainerId",
    "AcceleratorId",
)


@dataclass(frozen=True, kw_only=True)
class ClassicMetric:
    """A classic metric with the dimensions of one place.

    Attributes:
        metric: The metric.
        dimensions: Exactly the dimensions that it is read with.
        statistic: Statistic, such as Sum, p99 or PR(:2000000).
        period_seconds: Length of a period.
    """

    metric: CloudWatchMetric
    dimensions: Mapping[str, str]
    statistic: str
    period_seconds: int


@dataclass(frozen=True, kw_only=True)
class Classic:
    """Metric math.

    Attributes:
        expression: Expression over the ids of `metrics`.
        metrics: Metrics of the expression by id; none if it searches for them.
        period_seconds: Length of a period.
        label: What the expression shows where that is not quite what the figure's title says; empty if it is.
        needs_enhanced: Whether only an endpoint with enhanced metrics publishes what the expression reads.
    """

    expression: str
    metrics: Mapping[str, ClassicMetric] = field(default_factory=dict)
    period_seconds: int
    label: str = ""
    needs_enhanced: bool = False


def place_dimensions(place: Place) -> Mapping[str, str] | None:
    """Return the dimensions of a component, else of an endpoint's variant, else None, since no classic metric covers a whole fleet."""
    if place.component is not None:
        return {"InferenceComponentName": place.component}
    if place.endpoint is not None:
        return {"EndpointName": place.endpoint, "VariantName": place.labels.get(VARIANT, VARIANT_NAME)}
    return None


def utilization_namespace(place: Place) -> str:
    """Return the namespace of GPU, memory and CPU use at a place."""
    return ENDPOINTS if place.component is None else COMPONENTS


def classic_metric(
    name: str,
    place: Place,
    *,
    namespace: str = INVOCATIONS,
    statistic: str | None = None,
    period_seconds: int = 300,
    further: Mapping[str, str] | None = None,
) -> ClassicMetric | None:
    """Return a classic metric at a place; None if AWS does not publish it there.

    Args:
        name: Name under which AWS publishes the metric.
        place: Endpoint or component.
        namespace: CloudWatch namespace; that of invocations by default.
        statistic: Statistic; the metric's own by default.
        period_seconds: Length of a period.
        further: Further dimensions, such as InstanceType.
    """
    metric = cloudwatch_metrics()[namespace, name]
    base = place_dimensions(place)
    if base is None:
        return None
    dimensions = {**base, **(further or {})}
    if frozenset(dimensions) not in metric.dimensions | metric.enhanced:
        return None
    return ClassicMetric(
        metric=metric,
        dimensions=dimensions,
        statistic=statistic or metric.statistic,
        period_seconds=period_seconds,
    )


def math(
    expression: str, metrics: Mapping[str, ClassicMetric | None], *, period_seconds: int = 300, label: str = ""
) -> Classic | None:
    """Return metric math over metrics; None if one of them is not published, or the period is longer than CloudWatch takes.

    Args:
        expression: Expression over the ids of `metrics`.
        metrics: Metrics by id.
        period_seconds: Length of a period.
        label: What the expression shows where that is not quite what the figure's title says.
    """
    present = {key: metric for key, metric in metrics.items() if metric is not None}
    if len(present) < len(metrics) or period_seconds > MAX_PERIOD_SECONDS:
        return None
    return Classic(expression=expression, metrics=present, period_seconds=period_seconds, label=label)


def search(
    name: str,
    namespace: str,
    dimensions: frozenset[str],
    values: Mapping[str, str],
    *,
    statistic: str | None = None,
    period_seconds: int = 300,
) -> str:
    """Return a SEARCH expression: the metric of every resource with these dimensions, including those created after the deployment.

    Args:
        name: Name under which AWS publishes the metric.
        namespace: CloudWatch namespace.
        dimensions: Set of dimensions that the metric is published with.
        values: Values of some of the dimensions.
        statistic: Statistic; the metric's own by default.
        period_seconds: Length of a period.
    """
    metric = cloudwatch_metrics()[namespace, name]
    if dimensions not in metric.dimensions | metric.enhanced:
        raise ValueError(f"{namespace} {name} is not published with {'+'.join(sorted(dimensions))}")
    schema = ",".join(sorted(dimensions, key=_ORDER.index))
    terms = " ".join([f'MetricName="{name}"', *(f'{key}="{value}"' for key, value in values.items())])
    return f"SEARCH('{{{namespace},{schema}}} {terms}', '{statistic or metric.statistic}', {period_seconds})"
