"""GetMetricData: statistics per period, metric math and SEARCH. Timestamps are multiples of the period, as CloudWatch's.

An expression over metrics of different periods has the longest of them, and takes the shorter ones where both have a timestamp.
Metrics Insights (`SELECT ...`) is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch import models
from moto.cloudwatch.exceptions import ValidationError

from localcloud.aws.metrics import metricmath, search
from localcloud.aws.metrics.datapoints import Datum, Key, key, statistic, summary

_PERIOD_S = 60
_POINTS_MAX = 100_800
"""Data points of one answer: "up to 100,800 data points" (GetMetricData, read 2026-11)."""


class _Answer:
    """One request: its time range and the points within, by metric."""

    def __init__(self, backend: models.CloudWatchBackend, start: float, end: float) -> None:
        self.start, self.end = start, end
        self._data: dict[Key, list[tuple[float, Datum]]] = {}
        for datum in backend.get_all_metrics():
            at = datum.timestamp.replace(tzinfo=datum.timestamp.tzinfo or UTC).timestamp()
            if start - 86400 <= at < end:
                identity = key(datum.namespace, datum.name, datum.dimensions)
                self._data.setdefault(identity, []).append((at, summary(datum)))

    def times(self, period: int) -> list[int]:
        """Beginnings of the periods that begin within the time range, after it is rounded down to a whole period; the newest first."""
        first, last = math.floor(self.start / period), math.ceil(self.end / period) - 1
        return [index * period for index in range(last, first - 1, -1)]

    def series(self, metric: Key, stat: str, period: int) -> metricmath.Series:
        """Statistic of a metric in every period, the newest first."""
        function, times = statistic(stat), self.times(period)
        periods: dict[int, list[Datum]] = {}
        for at, datum in self._data.get(metric, []):
            periods.setdefault(math.floor(at / period) * period, []).append(datum)
        return [float(function(periods[time])) if time in periods else None for time in times]

    def search(self, expression: str) -> list[Key]:
        """Metrics with data that an expression finds."""
        return search.found(expression, self._data)


def get_metric_data(
    self: models.CloudWatchBackend,
    queries: list[dict[str, Any]],
    start_time: datetime,
    end_time: datetime,
    scan_by: str = "TimestampAscending",
) -> list[dict[str, Any]]:
    """Answer GetMetricData. Raises ValidationError for a request that CloudWatch refuses."""
    start, end = (moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() for moment in (start_time, end_time))
    if start >= end:
        raise ValidationError("The parameter EndTime must be greater than StartTime.")
    answer = _Answer(self, start, end)
    try:
        results = _evaluated(answer, queries)
    except metricmath.ExpressionError as error:
        raise ValidationError(f"Error in expression: {error}") from error
    shown = [result for query in queries if _is_returned(query) for result in results[query["Id"]]]
    found = [_shown(label, times, values, identity, scan_by) for identity, label, times, values in shown]
    if sum(len(one["values"]) for one in found) > _POINTS_MAX:
        raise ValidationError(f"The request has more than {_POINTS_MAX} data points; choose a longer period")
    return found


def _is_returned(query: dict[str, Any]) -> bool:
    return str(query.get("ReturnData", True)).lower() != "false"


_Result = tuple[str, str, list[int], metricmath.Series]


def _shown(label: str, times: list[int], values: metricmath.Series, identity: str, scan_by: str) -> dict[str, Any]:
    pairs = [(time, value) for time, value in zip(times, values, strict=True) if value is not None]
    if scan_by != "TimestampDescending":
        pairs.reverse()
    return {
        "id": identity,
        "label": label,
        "timestamps": [datetime.fromtimestamp(time, UTC) for time, _ in pairs],
        "values": [value for _, value in pairs],
        "status_code": "Complete",
    }


def _evaluated(answer: _Answer, queries: list[dict[str, Any]]) -> dict[str, list[_Result]]:
    """Results by id, those of expressions once everything that they refer to is there."""
    results: dict[str, list[_Result]] = {}
    periods: dict[str, int] = {}
    for query in queries:
        if (stat := query.get("MetricStat")) is not None:
            metric, period = stat["Metric"], int(stat["Period"])
            dimensions = frozenset((d["Name"], d["Value"]) for d in metric.get("Dimensions", []))
            values = answer.series((metric["Namespace"], metric["MetricName"], dimensions), stat["Stat"], period)
            label = query.get("Label") or metric["MetricName"]
            results[query["Id"]] = [(query["Id"], label, answer.times(period), values)]
            periods[query["Id"]] = period
    waiting = [query for query in queries if "MetricStat" not in query]
    metrics = list(results)
    while waiting:
        ready = [query for query in waiting if metricmath.references(query["Expression"]) <= results.keys()]
        if not ready:
            unknown = metricmath.references(waiting[0]["Expression"]) - results.keys()
            raise metricmath.ExpressionError(f"{waiting[0]['Id']} refers to {sorted(unknown)}, which do not exist")
        for query in ready:
            waiting.remove(query)
            results[query["Id"]] = _expression(answer, query, results, periods, metrics)
    return results


def _expression(
    answer: _Answer,
    query: dict[str, Any],
    results: dict[str, list[_Result]],
    periods: dict[str, int],
    metrics: list[str],
) -> list[_Result]:
    text = query["Expression"]
    used = metricmath.references(text) | (set(metrics) if "METRICS" in text else set())
    period = int(query.get("Period") or max((periods[name] for name in used), default=_PERIOD_S))
    times = answer.times(period)
    series = {name: [_on(times, result) for result in results[name]] for name in used}
    searched: list[Key] = []

    def find(expression: str, stat: str, own_period: int | None) -> list[metricmath.Series]:
        keys = answer.search(expression)
        searched.extend(keys)
        values = [(answer.times(own_period or period), answer.series(k, stat, own_period or period)) for k in keys]
        return [_on(times, ("", "", at, found)) for at, found in values]

    rows = metricmath.evaluate_all(
        text,
        {name: found[0] if len(found) == 1 else found for name, found in series.items()},
        length=len(times),
        period_s=period,
        metrics=metrics,
        search=find,
    )
    periods[query["Id"]] = period
    names = [_name_of(one) for one in searched] if len(searched) == len(rows) else [query["Id"]] * len(rows)
    given, several = query.get("Label", ""), len(rows) > 1
    return [
        (query["Id"], f"{given} {name}" if given and several else given or name, times, row)
        for name, row in zip(names, rows, strict=True)
    ]


def _on(times: Iterable[int], result: _Result) -> metricmath.Series:
    values = dict(zip(result[2], result[3], strict=True))
    return [values.get(time) for time in times]


def _name_of(metric: Key) -> str:
    return " ".join([*(value for _, value in sorted(metric[2])), metric[1]])


def install() -> None:
    """Replace moto's GetMetricData, which knows neither metric math nor SEARCH."""
    models.CloudWatchBackend.get_metric_data = get_metric_data
