"""The only module of the console that evaluates PromQL: with the same evaluation as CloudWatch's query API."""

from __future__ import annotations

from dataclasses import dataclass, field

from localcloud.aws.clock import clock
from localcloud.aws.hosting.store import store
from localcloud.aws.metrics import enrichment, prometheus_api
from localcloud.aws.metrics.promql.nodes import Matcher, QueryError
from localcloud.aws.metrics.promql.values import NAME
from localcloud.aws.metrics.samples import samples_of

_OFF = (
    "OTel enrichment is off in this account and Region, so nothing is published for PromQL; "
    "`observability: {enrichment: enable}` in the environment's file starts it"
)


class NoAnswerError(Exception):
    """The query was refused; the message is shown on the panel."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One series of an answer.

    Attributes:
        labels: Labels of the series.
        values: Value by time in seconds since the epoch.
    """

    labels: dict[str, str]
    values: dict[float, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Range:
    """A time range in seconds since the epoch, and the distance of its points in seconds."""

    start: float
    end: float
    step_s: int


def query_range(account: str, region: str, query: str, moments: Range) -> list[Line]:
    """Series of a query within a range.

    Raises:
        NoAnswerError: The query is refused.
    """
    try:
        answer = prometheus_api.query_range(store(account, region), query, moments.start, moments.end, moments.step_s)
    except QueryError as error:
        raise NoAnswerError(f"the query is refused: {error}") from error
    return [
        Line(labels=one["metric"], values={float(time): float(value) for time, value in one["values"]})
        for one in answer["result"]
    ]


def reason(account: str, region: str, queries: str) -> str:
    """Why queries find nothing; empty if no reason is known."""
    if not enrichment.is_on(account, region):
        return _OFF
    if not any(component.copies for component in store(account, region).components.values()):
        return "OTel enrichment is on, but no copy runs that could publish anything"
    engines = [Matcher(label=NAME, operator="=~", value="sglang.*")]
    if "sglang" in queries and not samples_of(store(account, region)).select(engines, 0, clock().now()):
        return "no engine has published a metric yet: the first request and the next scrape bring them"
    return ""
