"""Classic CloudWatch metrics of SageMaker and AgentCore: namespace, dimensions, unit and statistic of each, from `data/cloudwatch.csv`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from cdk_sglang.hardware.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

INVOCATIONS: Final = "AWS/SageMaker"
ENDPOINTS: Final = "/aws/sagemaker/Endpoints"
COMPONENTS: Final = "/aws/sagemaker/InferenceComponents"
SCALING: Final = "cdk-sglang/Scaling"
"""Namespace of copies and of what scales them, which the function that samples costs publishes."""
OWN: Final = "cdk-sglang/<environment>"
"""Namespace of an environment's own figures in the table; once deployed, it has the environment's name."""
AGENTCORE: Final = "AWS/Bedrock-AgentCore"
"""Namespace of runtimes, gateways and memories. AWS's pages name dimensions, but not the sets of them: those are what aws-cdk-lib 2.275.0
reads (aws-bedrockagentcore/lib, runtime-base.js, gateway-base.js, memory.js; read 2026-11)."""


@dataclass(frozen=True, kw_only=True)
class CloudWatchMetric:
    """A classic CloudWatch metric.

    Attributes:
        namespace: CloudWatch namespace.
        name: Name under which AWS publishes the metric.
        unit: CloudWatch unit, such as Microseconds, Percent or None.
        statistic: Statistic that makes sense by default, such as Sum or p99.
        dimensions: Sets of dimensions that the metric is published with; those of `enhanced` only with enhanced metrics.
        enhanced: Sets of dimensions that only an endpoint with enhanced metrics publishes.
        meaning: What the metric says, as a phrase.
        source: Page that documents the metric.
    """

    namespace: str
    name: str
    unit: str
    statistic: str
    dimensions: frozenset[frozenset[str]]
    enhanced: frozenset[frozenset[str]]
    meaning: str
    source: str


def own_namespace(environment: str) -> str:
    """Return the namespace of the figures that the project itself publishes of an environment."""
    return f"cdk-sglang/{environment}"


def published_metric(namespace: str, name: str) -> CloudWatchMetric | None:
    """Return a metric by the namespace that it has once deployed; None if nobody publishes it.

    Args:
        namespace: CloudWatch namespace; that of an environment's own figures has the environment's name.
        name: Name under which it is published.
    """
    known = cloudwatch_metrics()
    own = (OWN, name) if namespace.startswith(own_namespace("")) else None
    return known.get((namespace, name)) or (known.get(own) if own else None)


@cache
def cloudwatch_metrics() -> Mapping[tuple[str, str], CloudWatchMetric]:
    """Return every classic metric by namespace and name."""
    return {
        (row["namespace"], row["name"]): CloudWatchMetric(
            namespace=row["namespace"],
            name=row["name"],
            unit=row["unit"],
            statistic=row["statistic"],
            dimensions=_sets(row["dimensions"]),
            enhanced=_sets(row["enhanced"]),
            meaning=row["meaning"],
            source=row["source"],
        )
        for row in read_table(__file__, "cloudwatch.csv")
    }


def _sets(cell: str) -> frozenset[frozenset[str]]:
    """Parse "A+B A+B+C" into sets of names; a set without any is written "-"."""
    return frozenset(frozenset(() if one == "-" else one.split("+")) for one in cell.split())
