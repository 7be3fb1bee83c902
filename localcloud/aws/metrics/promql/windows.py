"""Functions of range vectors, one series at a time."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable

from localcloud.aws.metrics.promql.values import Window

_SLACK = 1.1
"""Gap to the edge of a range, in mean distances between samples, up to which Prometheus extrapolates to the edge."""


def over(name: str, window: Window) -> float | None:
    """Result of a function of a range vector for one series; None if there are too few samples."""
    return _FUNCTIONS[name](window) if window.values else None


def quantile(share: float, values: list[float]) -> float:
    """Quantile of values, interpolated between neighbours as Prometheus does."""
    if not values or math.isnan(share):
        return math.nan
    if share < 0 or share > 1:
        return math.copysign(math.inf, share - 0.5)
    ordered = sorted(values, key=lambda value: (not math.isnan(value), value))  # NaN is the smallest
    rank = share * (len(ordered) - 1)
    low = max(0, math.floor(rank))
    high = min(len(ordered) - 1, low + 1)
    weight = rank - math.floor(rank)
    return ordered[low] * (1 - weight) + ordered[high] * weight


def slope(window: Window, *, at: float) -> tuple[float, float] | None:
    """Slope per second of a least-squares line, and its value at a time; None with fewer than two samples."""
    if len(window.values) <= 1:
        return None
    if all(value == window.values[0] for value in window.values):
        return (math.nan, math.nan) if math.isinf(window.values[0]) else (0.0, window.values[0])
    x = [time - at for time in window.times]
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(window.values) / len(x)
    covariance = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, window.values, strict=True))
    gradient = covariance / math.fsum((a - mean_x) ** 2 for a in x)
    return gradient, mean_y - gradient * mean_x


def _extrapolated(window: Window, *, counter: bool, per_second: bool) -> float | None:
    """Change over the range: that between the first and the last sample, extrapolated to the edges."""
    times, values = window.times, window.values
    if len(values) <= 1:
        return None
    change = values[-1] - values[0]
    if counter and window.falls:
        change += sum(before for before, after in itertools.pairwise(values) if after < before)
    sampled = times[-1] - times[0]
    to_start, to_end = times[0] - window.start, window.end - times[-1]
    mean = sampled / (len(values) - 1)
    if to_start >= mean * _SLACK:
        to_start = mean / 2
    if counter and change > 0 and values[0] >= 0:  # a counter was never below zero
        to_start = min(to_start, sampled * (values[0] / change))
    if to_end >= mean * _SLACK:
        to_end = mean / 2
    factor = (sampled + to_start + to_end) / sampled
    return change * factor / (window.end - window.start) if per_second else change * factor


def _instant(window: Window, *, counter: bool, per_second: bool) -> float | None:
    if len(window.values) <= 1:
        return None
    before, last = window.values[-2], window.values[-1]
    change = last if counter and last < before else last - before
    return change / (window.times[-1] - window.times[-2]) if per_second else change


def _deriv(window: Window) -> float | None:
    line = slope(window, at=window.times[0] if window.times else 0)
    return None if line is None else line[0]


def _extreme(window: Window, choose: Callable[[list[float]], float]) -> float:
    known = [value for value in window.values if not math.isnan(value)]
    return choose(known) if known else math.nan


def _variance(window: Window) -> float:
    values = window.values
    if any(not math.isfinite(value) for value in values):
        return math.nan
    return statistics.pvariance(values)


def _sum(window: Window) -> float:
    return sum_of(list(window.values))


def sum_of(values: list[float]) -> float:
    """Sum without rounding errors; infinities are added by the rules of arithmetic."""
    return math.fsum(values) if all(math.isfinite(value) for value in values) else sum(values)


_FUNCTIONS: dict[str, Callable[[Window], float | None]] = {
    "rate": lambda w: _extrapolated(w, counter=True, per_second=True),
    "increase": lambda w: _extrapolated(w, counter=True, per_second=False),
    "delta": lambda w: _extrapolated(w, counter=False, per_second=False),
    "irate": lambda w: _instant(w, counter=True, per_second=True),
    "idelta": lambda w: _instant(w, counter=False, per_second=False),
    "deriv": _deriv,
    "changes": lambda w: float(
        sum(a != b and not (math.isnan(a) and math.isnan(b)) for a, b in itertools.pairwise(w.values))
    ),
    "resets": lambda w: float(sum(after < before for before, after in itertools.pairwise(w.values))),
    "avg_over_time": lambda w: _sum(w) / len(w.values),
    "min_over_time": lambda w: _extreme(w, min),
    "max_over_time": lambda w: _extreme(w, max),
    "sum_over_time": _sum,
    "count_over_time": lambda w: float(len(w.values)),
    "last_over_time": lambda w: w.values[-1],
    "present_over_time": lambda _: 1.0,
    "stddev_over_time": lambda w: math.sqrt(_variance(w)),
    "stdvar_over_time": _variance,
}
