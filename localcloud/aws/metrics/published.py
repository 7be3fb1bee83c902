"""The published data points by metric, and their statistics in the periods of a time range."""

from __future__ import annotations

import math
import weakref
from datetime import UTC
from typing import Any

from localcloud.aws.hosting.store import LOCK
from localcloud.aws.metrics import points
from localcloud.aws.metrics.metricmath import Series
from localcloud.aws.metrics.points import Metric, Point

_Points = dict[Metric, list[tuple[float, Any]]]


class _Index:
    """The data points of one account and Region, by metric; new points are added to the index when it is read."""

    def __init__(self) -> None:
        self._source: list[Any] = []
        self._read = 0
        self._points: _Points = {}

    def read(self, backend: Any) -> _Points:
        data = backend.metric_data
        if data is not self._source or len(data) < self._read:  # a reset, or old points were dropped
            self._source, self._read, self._points = data, 0, {}
        for datum in data[self._read :]:
            stamp = datum.timestamp.replace(tzinfo=UTC).timestamp()
            metric = points.metric_of(datum.namespace, datum.name, datum.dimensions)
            self._points.setdefault(metric, []).append((stamp, datum))
        self._read = len(data)
        return self._points


_indexes: weakref.WeakKeyDictionary[Any, _Index] = weakref.WeakKeyDictionary()


def published(backend: Any) -> _Points:
    """Points of every metric of a CloudWatch backend in the order of their arrival, each with its time in seconds since the epoch."""
    with LOCK:
        return _indexes.setdefault(backend, _Index()).read(backend)


class Window:
    """Whole periods from the one with the start to the one with the end; their series are newest first.

    Args:
        start: Start in seconds since the epoch.
        end: End in seconds since the epoch.
        period_s: Length of a period; each begins at a multiple of it, as CloudWatch's do.
    """

    def __init__(self, start: float, end: float, period_s: int) -> None:
        self.period_s = period_s
        self._first = math.floor(start / period_s)
        self.length = math.ceil(end / period_s) - self._first

    def times(self) -> list[int]:
        """Start of every period."""
        return [(self._first + index) * self.period_s for index in reversed(range(self.length))]

    def series(self, data: list[tuple[float, Any]], stat: str, unit: str | None = None) -> Series:
        """Statistic of a metric in every period; of the points with a unit, if one is given."""
        periods: list[list[Point]] = [[] for _ in range(self.length)]
        for stamp, datum in data:
            index = self.length - 1 - (math.floor(stamp / self.period_s) - self._first)
            if 0 <= index < self.length and (unit is None or datum.unit == unit):
                periods[index].append(points.point(datum))
        function = points.statistic(stat)
        return [float(function(one)) if one else None for one in periods]

    def taken(self, series: Series, other: Window) -> Series:
        """Series of another window, at the times of this one; None where the other has no period that begins then."""
        if (other.period_s, other.length) == (self.period_s, self.length):
            return series
        values = dict(zip(other.times(), series, strict=True))
        return [values.get(time) for time in self.times()]
