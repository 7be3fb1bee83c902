"""GetMetricData: statistics of the published metrics, metric math over them, and SEARCH.

moto compares every point with every period, knows no percentiles of several points, and evaluates few expressions. An expression over
metrics with different periods has the longest of them, and uses values of shorter periods at timestamps that both have. Metrics Insights
(`SELECT ...`) is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch import models
from moto.cloudwatch.exceptions import ValidationError

from localcloud.aws.metrics import metricmath, search
from localcloud.aws.metrics.published import Window, published

_Query = Mapping[str, Any]
_Found = list[tuple[str, metricmath.Series]]
"""Time series with their labels."""
_DEFAULT_PERIOD_S = 300
"""Period of an expression if neither it nor its metrics specify one."""
_POINTS_MAX = 100_800
"""Data points of one answer: "up to 100,800 data points" (GetMetricData, read 2026-11). AWS returns the others on further pages."""


class _Answer:
    """Answers of the queries of one request."""

    def __init__(self, backend: Any, queries: Sequence[_Query], start: float, end: float) -> None:
        self._points = published(backend)
        self._queries = {str(query["Id"]): query for query in queries}
        self._metrics = [name for name, query in self._queries.items() if "MetricStat" in query]
        self._start, self._end = start, end
        self._found: dict[str, _Found] = {}

    def of(self, name: str) -> tuple[Window, _Found]:
        """Series of a query: one, or all that its expression yields."""
        window = self._window(self._period(name))
        if name not in self._found:
            self._found[name] = self._metric(name, window) if name in self._metrics else self._expression(name, window)
        return window, self._found[name]

    def _metric(self, name: str, window: Window) -> _Found:
        query = self._queries[name]
        stat = query["MetricStat"]
        dimensions = frozenset((d["Name"], d["Value"]) for d in stat["Metric"].get("Dimensions", []))
        metric = (str(stat["Metric"]["Namespace"]), str(stat["Metric"]["MetricName"]), dimensions)
        label = str(query.get("Label") or f"{stat['Metric']['MetricName']} {stat['Stat']}")
        return [(label, window.series(self._points.get(metric, []), str(stat["Stat"]), stat.get("Unit")))]

    def _expression(self, name: str, window: Window) -> _Found:
        text = str(self._queries[name]["Expression"])
        if text.lstrip().upper().startswith("SELECT"):
            raise metricmath.ExpressionError("Metrics Insights (SELECT) is not evaluated by the embedded AWS")
        known: dict[str, metricmath.Series | metricmath.Array] = {}
        names: list[str] = []
        for number, one in enumerate(search.searches(text)):
            found, labels = self._search(one, window)
            text = text.replace(one.text, f"SEARCH_{number}", 1)
            known[f"SEARCH_{number}"] = found
            names += labels
        for other in sorted(metricmath.references(text) - known.keys()):
            if other not in self._queries:
                raise metricmath.ExpressionError(f"expression {name} refers to the unknown id {other}")
            known[other] = self._referred(other, window)
        if "METRICS" in text:
            known |= {other: self._referred(other, window) for other in self._metrics}
        rows = metricmath.evaluate_all(
            text, known, length=window.length, period_s=window.period_s, metrics=self._metrics
        )
        return list(zip(self._labels(name, names, len(rows)), rows, strict=True))

    def _search(self, one: search.Search, window: Window) -> tuple[metricmath.Array, list[str]]:
        """Series that a search finds, at the times of the expression, with their names."""
        metrics = one.find(self._points)
        own = self._window(one.period_s or window.period_s)
        series = [window.taken(own.series(self._points[metric], one.stat), own) for metric in metrics]
        return series, search.labels(metrics, one.stat) if metrics else []

    def _referred(self, name: str, window: Window) -> metricmath.Series | metricmath.Array:
        """Series of a query that an expression refers to, at the times of the expression."""
        own, found = self.of(name)
        taken = [window.taken(series, own) for _, series in found]
        return taken[0] if len(taken) == 1 else taken

    def _labels(self, name: str, names: list[str], count: int) -> list[str]:
        """Labels of an expression's series: that of the query, with a distinguishing part if there are several."""
        label = str(self._queries[name].get("Label") or "")
        if count == 1:
            return [label or (names[0] if len(names) == 1 else name)]
        if len(names) != count:
            return [f"{label or name} {index + 1}" for index in range(count)]
        return [f"{label} {one}".strip() for one in names]

    def _window(self, period_s: int) -> Window:
        return Window(self._start, self._end, period_s)

    def _period(self, name: str, ancestors: frozenset[str] = frozenset()) -> int:
        """Seconds per data point: the query's own, or the longest of those that its expression refers to."""
        query = self._queries[name]
        if "MetricStat" in query:
            return int(query["MetricStat"]["Period"])
        if name in ancestors:
            raise metricmath.ExpressionError(f"expression {name} refers to itself")
        text = str(query["Expression"])
        found = search.searches(text)
        for one in found:
            text = text.replace(one.text, "[]")
        others = set() if text.lstrip().upper().startswith("SELECT") else metricmath.references(text)
        others |= set(self._metrics) if "METRICS" in text else set()
        periods = [int(query.get("Period") or 0), *(one.period_s or 0 for one in found)]
        periods += (self._period(other, ancestors | {name}) for other in sorted(others & self._queries.keys()))
        return max(periods) or _DEFAULT_PERIOD_S


def answered(
    backend: Any, queries: Sequence[_Query], start_time: datetime, end_time: datetime, scan_by: str
) -> list[dict[str, Any]]:
    """Answer queries with results in moto's format, regardless of the number of data points.

    Args:
        backend: CloudWatch of an account and Region.
        queries: Queries as GetMetricData takes them.
        start_time: Start; in UTC if it has no time zone.
        end_time: End, likewise.
        scan_by: ``TimestampDescending`` for the newest data points first, else the oldest first.

    Raises:
        ValidationError: CloudWatch refuses the request, or the embedded AWS does not evaluate an expression.
    """
    start, end = _seconds(start_time), _seconds(end_time)
    if start >= end:
        relation = "not equal" if start == end else "be greater than"
        raise ValidationError(f"The parameter EndTime must {relation} parameter StartTime.")
    results = []
    answer = _Answer(backend, queries, start, end)
    for query in queries:
        if str(query.get("ReturnData", True)).lower() == "false":
            continue
        try:
            window, found = answer.of(str(query["Id"]))
        except metricmath.ExpressionError as error:
            raise ValidationError(f"Error in expression '{query['Id']}': {error}") from error
        results += [_result(query, label, window, series, scan_by) for label, series in found]
    return results


def _result(query: _Query, label: str, window: Window, series: metricmath.Series, scan_by: str) -> dict[str, Any]:
    pairs = [pair for pair in zip(window.times(), series, strict=True) if pair[1] is not None]
    if scan_by != "TimestampDescending":
        pairs.reverse()
    times = [datetime.fromtimestamp(stamp, UTC).replace(tzinfo=None) for stamp, _ in pairs]
    ends = {"id": query["Id"], "label": label, "status_code": "Complete"}
    return ends | {"timestamps": times, "values": [value for _, value in pairs]}


def _get_metric_data(
    self: Any,
    queries: list[dict[str, Any]],
    start_time: datetime,
    end_time: datetime,
    scan_by: str = "TimestampDescending",
) -> list[dict[str, Any]]:
    """GetMetricData; one with more data points than CloudWatch returns on a page is refused."""
    results = answered(self, queries, start_time, end_time, scan_by)
    if sum(len(one["values"]) for one in results) > _POINTS_MAX:
        raise ValidationError(f"The request has more than {_POINTS_MAX} data points; choose a longer period")
    return results


def _seconds(moment: datetime) -> float:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return math.floor(aware.timestamp())


def install() -> None:
    """Replace moto's GetMetricData by this."""
    models.CloudWatchBackend.get_metric_data = _get_metric_data
