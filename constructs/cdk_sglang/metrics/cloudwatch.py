"""Classic CloudWatch metrics of SageMaker and AgentCore: namespace, dimensions, unit and statistic of each, from `data/cloudwatch.csv`."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from cdk_sglang.errors import Problem
from cdk_sglang.hardware.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STATISTIC: Final = re.compile(
    r"SampleCount|Average|Sum|Minimum|Maximum|IQM|p\d{1,2}(\.\d{1,10})?|p100|(tm|wm|tc|ts)\d{1,2}(\.\d+)?"
    r"|(PR|TM|WM|TC|TS)\([\d.%]*:[\d.%]*\)"
)
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html (read 2026-11)."""
_OTHER_SPELLINGS: Final = re.compile(r"average|avg|minimum|min|maximum|max|samplecount|n|sum|iqm", re.IGNORECASE)
"""CDK's names of the same statistics."""
_ALIKE: Final = 0.85
"""Minimum similarity, 0 to 1, at which a name counts as misspelt: `Invocations5xx` does not, `Invocation5xxErrors` does."""

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
    """Return a metric by its namespace when deployed; None if it is not published.

    Args:
        namespace: CloudWatch namespace; that of an environment's own figures has the environment's name.
        name: Name under which it is published.
    """
    known = cloudwatch_metrics()
    own = (OWN, name) if namespace.startswith(own_namespace("")) else None
    return known.get((namespace, name)) or (known.get(own) if own else None)


def statistic_problems(path: str, statistic: str) -> list[Problem]:
    """Return the problems of a statistic.

    Args:
        path: Path of the option.
        statistic: CloudWatch's name of it, or another that CDK takes.
    """
    if STATISTIC.fullmatch(statistic) or _OTHER_SPELLINGS.fullmatch(statistic):
        return []
    return [
        Problem(path, f"CloudWatch has no statistic {statistic!r}; use one such as Sum, Average, Maximum, p99 or tm95")
    ]


def metric_problems(path: str, namespace: str, name: str, dimensions: frozenset[str]) -> Iterator[Problem]:
    """Return why a SageMaker metric is not published; names unlike every known one are accepted, since AWS adds metrics.

    Args:
        path: Path of the option.
        namespace: CloudWatch namespace; only SageMaker's namespaces are checked.
        name: Name of the metric.
        dimensions: Names of its dimensions.
    """
    if namespace not in {INVOCATIONS, ENDPOINTS, COMPONENTS}:
        return
    known = {other: metric for (space, other), metric in cloudwatch_metrics().items() if space == namespace}
    if name not in known:
        for alike in difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE):
            yield Problem(path, f"AWS publishes no {name} in {namespace}; did you mean {alike}?")
        return
    allowed = known[name].dimensions | known[name].enhanced
    if dimensions not in allowed:
        sets = " or ".join(sorted("+".join(sorted(one)) for one in allowed))
        text = f"AWS publishes {name} with {sets}, got {'+'.join(sorted(dimensions))}"
        yield Problem(path, f"{text}; use the metrics of an endpoint or component that has these dimensions")


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
