"""GetMetricData: statistics of the published metrics, metric math over them, and SEARCH.

moto compares every point with every period, knows no percentiles of several points, and evaluates few expressions.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch import models
from moto.cloudwatch.exceptions import ValidationError

from localcloud.aws.hosting.store import LOCK
from localcloud.aws.metrics import metricmath, points, search

_Query = Mapping[str, Any]
_DEFAULT_PERIOD_S = 300
"""Period of an expression without one whose metrics have none either."""


class Published:
    """The data points of one account and Region, by metric; new points are added to the index when it is read."""

    def __init__(self) -> None:
        self._source: list[Any] = []
        self._read = 0
        self._points: dict[search.Metric, list[tuple[float, Any]]] = {}

    def read(self, backend: Any) -> dict[search.Metric, list[tuple[float, Any]]]:
        """Points of every metric, each with its time in seconds since the epoch."""
        data = backend.metric_data
        if data is not self._source or len(data) < self._read:  # a reset, or old points were dropped
            self._source, self._read, self._points = data, 0, {}
        for datum in data[self._read :]:
            stamp = datum.timestamp.replace(tzinfo=UTC).timestamp()
            self._points.setdefault(key_of(datum.namespace, datum.name, datum.dimensions), []).append((stamp, datum))
        self._read = len(data)
        return self._points


_published: weakref.WeakKeyDictionary[Any, Published] = weakref.WeakKeyDictionary()


def published(backend: Any) -> dict[search.Metric, list[tuple[float, Any]]]:
    """Points of every metric of a CloudWatch backend, in the order of their arrival."""
    with LOCK:
        return _published.setdefault(backend, Published()).read(backend)


def key_of(namespace: str, name: str, dimensions: Iterable[Any]) -> search.Metric:
    """Key of a metric with moto's dimensions."""
    return (namespace, name, frozenset((dimension.name, dimension.value) for dimension in dimensions))


class _Window:
    """Whole periods from the one with the start to the one with the end; their series are the newest first."""

    def __init__(self, start: float, end: float, period_s: int) -> None:
        self.period_s = period_s
        self._first = math.floor(start / period_s)
        self.length = math.ceil(end / period_s) - self._first

    def times(self) -> list[float]:
        """Begin of every period."""
        return [(self._first + index) * self.period_s for index in reversed(range(self.length))]

    def series(self, data: list[tuple[float, Any]], stat: str, unit: str | None) -> metricmath.Series:
        """Statistic of a metric in every period."""
        periods: list[list[points.Point]] = [[] for _ in range(self.length)]
        for stamp, datum in data:
            index = self.length - 1 - (math.floor(stamp / self.period_s) - self._first)
            if 0 <= index < self.length and (unit is None or datum.unit == unit):
                periods[index].append(points.point(datum))
        function = points.statistic(stat)
        return [float(function(one)) if one else None for one in periods]


class _Answer:
    """Answers of the queries of one request."""

    def __init__(self, backend: Any, queries: Sequence[_Query], start: float, end: float) -> None:
        self._points = published(backend)
        self._queries = {str(query["Id"]): query for query in queries}
        self._start, self._end = start, end
        self._series: dict[str, metricmath.Series] = {}

    def of(self, name: str) -> list[tuple[str, _Window, metricmath.Series]]:
        """Series of a query with their labels: one, or as many as its expression gives."""
        query = self._queries[name]
        label = str(query.get("Label") or "")
        if "MetricStat" in query:
            stat = query["MetricStat"]
            default = f"{stat['Metric']['MetricName']} {stat['Stat']}"
            window = self._window(self._period(name))
            return [(label or default, window, self._metric(name, window))]
        window = self._window(self._period(name))
        found, names = self._expression(name, window)
        if len(found) == 1:
            return [(label or (names[0] if names else name), window, found[0])]
        names = names if len(names) == len(found) else [f"{label or name} {index + 1}" for index in range(len(found))]
        named = [f"{label} {text}".strip() if label not in text else text for text in names]
        return [(text, window, series) for text, series in zip(named, found, strict=True)]

    def _expression(self, name: str, window: _Window) -> tuple[list[metricmath.Series], list[str]]:
        text = str(self._queries[name]["Expression"])
        if text.lstrip().upper().startswith("SELECT"):
            raise metricmath.ExpressionError("Metrics Insights (SELECT) is not evaluated by the embedded AWS")
        known: dict[str, metricmath.Series] = {}
        names: list[str] = []
        for number, found in enumerate(search.searches(text)):
            metrics = found.find(self._points)
            part = {
                f"search_{number}_{index}": window.series(self._points[metric], found.stat, None)
                for index, metric in enumerate(metrics)
            }
            text = text.replace(found.text, f"[{', '.join(part)}]", 1)
            known |= part
            names += search.labels(metrics, found.stat) if metrics else []
        for other in metricmath.references(text) - known.keys():
            if other not in self._queries:
                raise metricmath.ExpressionError(f"expression {name} names the unknown id {other}")
            known[other] = self._one(other, window)
        metrics_of = [other for other, query in self._queries.items() if "MetricStat" in query]
        if "METRICS" in text:
            known |= {other: self._metric(other, window) for other in metrics_of}
        padded = known or {"": [None] * window.length}
        return metricmath.evaluate_all(text, padded, period_s=window.period_s, metrics=metrics_of), names

    def _one(self, name: str, window: _Window) -> metricmath.Series:
        """Series of a query that another one refers to."""
        if "MetricStat" in self._queries[name]:
            return self._metric(name, window)
        if name not in self._series:
            found, _ = self._expression(name, window)
            if len(found) != 1:
                raise metricmath.ExpressionError(f"expression {name} gives {len(found)} time series, one is needed")
            self._series[name] = found[0]
        return self._series[name]

    def _metric(self, name: str, window: _Window) -> metricmath.Series:
        stat = self._queries[name]["MetricStat"]
        dimensions = frozenset((d["Name"], d["Value"]) for d in stat["Metric"].get("Dimensions", []))
        key = (str(stat["Metric"]["Namespace"]), str(stat["Metric"]["MetricName"]), dimensions)
        return window.series(self._points.get(key, []), str(stat["Stat"]), stat.get("Unit"))

    def _window(self, period_s: int) -> _Window:
        return _Window(self._start, self._end, period_s)

    def _period(self, name: str, seen: frozenset[str] = frozenset()) -> int:
        """Seconds per data point: the query's own, or the longest of those that its expression refers to."""
        query = self._queries[name]
        if "MetricStat" in query:
            return int(query["MetricStat"]["Period"])
        found = search.searches(str(query["Expression"]))
        periods = [int(query.get("Period") or 0), *(one.period_s or 0 for one in found)]
        text = str(query["Expression"])
        for one in found:
            text = text.replace(one.text, "[]")
        if name in seen:
            raise metricmath.ExpressionError(f"expression {name} refers to itself")
        others = set() if text.lstrip().upper().startswith("SELECT") else metricmath.references(text)
        periods += (self._period(other, seen | {name}) for other in sorted(others & self._queries.keys()))
        return max(periods) or _DEFAULT_PERIOD_S


def _get_metric_data(
    self: Any,
    queries: list[dict[str, Any]],
    start_time: datetime,
    end_time: datetime,
    scan_by: str = "TimestampDescending",
) -> list[dict[str, Any]]:
    """GetMetricData; a malformed or unknown expression is a ValidationError."""
    start, end = _seconds(start_time), _seconds(end_time)
    if start >= end:
        relation = "not equal" if start == end else "be greater than"
        raise ValidationError(f"The parameter EndTime must {relation} parameter StartTime.")
    results = []
    answer = _Answer(self, queries, start, end)
    for query in queries:
        if str(query.get("ReturnData", True)).lower() == "false":
            continue
        try:
            found = answer.of(str(query["Id"]))
        except metricmath.ExpressionError as error:
            raise ValidationError(f"Error in expression '{query['Id']}': {error}") from error
        for label, window, series in found:
            pairs = [pair for pair in zip(window.times(), series, strict=True) if pair[1] is not None]
            if scan_by != "TimestampDescending":
                pairs.reverse()
            times = [datetime.fromtimestamp(stamp, UTC).replace(tzinfo=None) for stamp, _ in pairs]
            values = [value for _, value in pairs]
            ends = {"id": query["Id"], "label": label, "status_code": "Complete"}
            results.append(ends | {"timestamps": times, "values": values})
    return results


def _seconds(moment: datetime) -> float:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return math.floor(aware.timestamp())


def install() -> None:
    """Replace moto's GetMetricData by this."""
    models.CloudWatchBackend.get_metric_data = _get_metric_data
