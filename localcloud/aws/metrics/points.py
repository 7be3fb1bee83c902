"""Data points of classic metrics: which metric they belong to, and the statistics over those of one period."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from localcloud.aws.metrics.metricmath import ExpressionError

Metric: TypeAlias = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name and dimensions of a metric."""
Point: TypeAlias = tuple[float, float, float, float]
"""Sum, minimum, maximum and number of samples."""
_STATISTICS: dict[str, Callable[[list[Point]], float]] = {
    "Sum": lambda data: sum(point[0] for point in data),
    "Average": lambda data: sum(point[0] for point in data) / sum(point[3] for point in data),
    "Minimum": lambda data: min(point[1] for point in data),
    "Maximum": lambda data: max(point[2] for point in data),
    "SampleCount": lambda data: sum(point[3] for point in data),
}


def metric_of(namespace: str, name: str, dimensions: Iterable[Any]) -> Metric:
    """Metric with moto's dimensions."""
    return (namespace, name, frozenset((dimension.name, dimension.value) for dimension in dimensions))


def point(datum: Any) -> Point:
    """Convert moto's datum: a value, or a set of statistics."""
    if hasattr(datum, "value"):
        return (datum.value, datum.value, datum.value, 1)
    return (datum.sum, datum.min, datum.max, datum.sample_count)


def statistic(name: str) -> Callable[[list[Point]], float]:
    """Function that computes a statistic; raises ExpressionError for one that is not evaluated here."""
    return _STATISTICS.get(name) or _percentile(name)


def _percentile(name: str) -> Callable[[list[Point]], float]:
    if not re.fullmatch(r"p\d+(\.\d+)?", name):
        raise ExpressionError(f"the statistic {name} is not evaluated by the embedded AWS")
    share = float(name.removeprefix("p")) / 100
    return lambda data: sorted(d[0] for d in data)[min(len(data) - 1, math.floor(share * len(data)))]
