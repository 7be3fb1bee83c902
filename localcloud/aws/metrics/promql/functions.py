"""Functions of instant vectors and scalars."""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime

from localcloud.aws.metrics.promql.nodes import Matcher, Node, QueryError, Selector
from localcloud.aws.metrics.promql.values import NAME, Labels, Sample, Vector, without_name


def _log(function: Callable[[float], float]) -> Callable[[float], float]:
    def guarded(value: float) -> float:
        if value > 0 or math.isnan(value):
            return function(value)
        return -math.inf if value == 0 else math.nan

    return guarded


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    return lambda value: float(function(value)) if math.isfinite(value) else value


EACH: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "ceil": _whole(math.ceil),
    "floor": _whole(math.floor),
    "exp": _exp,
    "ln": _log(math.log),
    "log2": _log(math.log2),
    "log10": _log(math.log10),
    "sqrt": lambda value: math.sqrt(value) if value >= 0 else math.nan,
    "sgn": lambda value: value if math.isnan(value) else float((value > 0) - (value < 0)),
    "deg": math.degrees,
    "rad": math.radians,
}
_DATES: dict[str, Callable[[datetime], int]] = {
    "year": lambda when: when.year,
    "month": lambda when: when.month,
    "day_of_month": lambda when: when.day,
    "day_of_week": lambda when: when.isoweekday() % 7,
    "day_of_year": lambda when: when.timetuple().tm_yday,
    "days_in_month": lambda when: calendar.monthrange(when.year, when.month)[1],
    "hour": lambda when: when.hour,
    "minute": lambda when: when.minute,
}


def each(vector: Vector, function: Callable[[float], float]) -> Vector:
    """Apply a function to every value; names are dropped."""
    return [Sample(without_name(sample.labels), function(sample.value)) for sample in vector]


def date(name: str, vector: Vector) -> Vector:
    """Part of the date that each value is, as seconds since the epoch in UTC."""
    return each(vector, lambda value: float(_DATES[name](datetime.fromtimestamp(value, UTC))))


def clamped(vector: Vector, low: float, high: float) -> Vector:
    """Values between two bounds; nothing if they are in the wrong order."""
    if low > high:
        return []
    undefined = math.isnan(low) or math.isnan(high)
    return each(vector, lambda value: math.nan if undefined or math.isnan(value) else max(low, min(high, value)))


def rounded(vector: Vector, multiple: float) -> Vector:
    """Values rounded to the nearest multiple, halves upwards."""
    inverse = 1 / multiple
    return each(vector, lambda value: math.floor(value * inverse + 0.5) / inverse if math.isfinite(value) else value)


def ordered(vector: Vector, *, descending: bool) -> Vector:
    """Samples in the order of their values; NaN comes last."""
    sign = -1 if descending else 1
    return sorted(vector, key=lambda s: (math.isnan(s.value), 0 if math.isnan(s.value) else sign * s.value))


def absent_labels(node: Node) -> dict[str, str]:
    """Labels of the series that `absent` returns: those that the selector requires by equality, once."""
    if not isinstance(node, Selector):
        return {}
    labels: dict[str, str] = {}
    unclear: set[str] = set()
    for matcher in node.matchers:
        if matcher.label == NAME:
            continue
        if matcher.operator == "=" and matcher.label not in labels:
            labels[matcher.label] = matcher.value
        else:
            unclear.add(matcher.label)
    return {label: value for label, value in labels.items() if label not in unclear and value}


def label_replaced(vector: Vector, target: str, replacement: str, source: str, pattern: str) -> Vector:
    """Set a label from another one by a regular expression, which has to match all of it."""
    _check_label(target)
    try:
        compiled = re.compile(f"(?:{pattern})", re.DOTALL)
    except re.error as error:
        raise QueryError(f"invalid regular expression in label_replace(): {pattern}", kind="execution") from error
    template = re.sub(r"\$(?:\{(\w+)\}|(\w+))|\$\$", _group_reference, replacement.replace("\\", "\\\\"))
    results: Vector = []
    for sample in vector:
        match = compiled.fullmatch(sample.labels.get(source, ""))
        results.append(
            Sample(with_label(sample.labels, target, match.expand(template)), sample.value) if match else sample
        )
    return results


def _group_reference(found: re.Match[str]) -> str:
    name = found[1] or found[2]
    return "$" if name is None else rf"\g<{name}>"


def label_joined(vector: Vector, target: str, separator: str, sources: list[str]) -> Vector:
    """Set a label to the values of others, joined."""
    _check_label(target)
    return [
        Sample(with_label(s.labels, target, separator.join(s.labels.get(source, "") for source in sources)), s.value)
        for s in vector
    ]


def with_label(labels: Labels, name: str, value: str) -> dict[str, str]:
    """Labels with one of them set; an empty value removes it."""
    result = {**labels, name: value}
    if not value:
        del result[name]
    return result


def _check_label(name: str) -> None:
    if not name:
        raise QueryError(f"invalid destination label name: {name!r}", kind="execution")


def fulfils(labels: Labels, matcher: Matcher) -> bool:
    """Whether labels fulfil a matcher; regular expressions have to match all of a value."""
    value = labels.get(matcher.label, "")
    if matcher.operator in ("=", "!="):
        return (value == matcher.value) == (matcher.operator == "=")
    return (re.fullmatch(matcher.value, value, re.DOTALL) is not None) == (matcher.operator == "=~")
