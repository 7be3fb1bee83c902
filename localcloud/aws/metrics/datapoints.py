"""Data points of classic metrics: their identity, and the statistics over those of one period."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from localcloud.aws.metrics.metricmath import ExpressionError

Datum: TypeAlias = tuple[float, float, float, float]
"""Sum, minimum, maximum, and number of samples."""
Key: TypeAlias = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name, and dimensions."""
_STATISTICS: dict[str, Callable[[list[Datum]], float]] = {
    "Sum": lambda data: sum(datum[0] for datum in data),
    "Average": lambda data: sum(datum[0] for datum in data) / sum(datum[3] for datum in data),
    "Minimum": lambda data: min(datum[1] for datum in data),
    "Maximum": lambda data: max(datum[2] for datum in data),
    "SampleCount": lambda data: sum(datum[3] for datum in data),
}


def summary(datum: Any) -> Datum:
    """Convert one of moto's data points."""
    if hasattr(datum, "value"):
        return (datum.value, datum.value, datum.value, 1)
    return (datum.sum, datum.min, datum.max, datum.sample_count)


def key(namespace: str, name: str, dimensions: Iterable[Any]) -> Key:
    """Identity of a metric."""
    return (namespace, name, frozenset((dimension.name, dimension.value) for dimension in dimensions))


def statistic(name: str) -> Callable[[list[Datum]], float]:
    """Function of the data of one period, such as Sum or p99. Raises ExpressionError for one that is not evaluated."""
    if name in _STATISTICS:
        return _STATISTICS[name]
    if not re.fullmatch(r"p\d+(\.\d+)?", name):
        raise ExpressionError(f"the statistic {name} is not evaluated by the embedded AWS")
    share = float(name.removeprefix("p")) / 100
    return lambda data: sorted(d[0] for d in data)[min(len(data) - 1, math.floor(share * len(data)))]
