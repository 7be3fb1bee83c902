"""Aggregations over the series of a vector."""

from __future__ import annotations

import math
from collections.abc import Callable

from localcloud.aws.metrics.promql.nodes import Aggregation, QueryError
from localcloud.aws.metrics.promql.values import NAME, Key, Labels, Sample, Vector, dropped, kept, key
from localcloud.aws.metrics.promql.windows import quantile, sum_of


def aggregate(node: Aggregation, vector: Vector, parameter: float | str | None) -> Vector:
    """Aggregate a vector by the labels of an aggregation."""
    if node.operator == "count_values":
        return _count_values(node, vector, str(parameter))
    groups: dict[Key, tuple[dict[str, str], list[Sample]]] = {}
    for sample in vector:
        labels = _group(node, sample.labels)
        groups.setdefault(key(labels), (labels, []))[1].append(sample)
    if node.operator in ("topk", "bottomk"):
        return _extremes(parameter, [members for _, members in groups.values()], largest=node.operator == "topk")
    if node.operator == "quantile":
        assert isinstance(parameter, float)
        return [Sample(labels, quantile(parameter, _values(members))) for labels, members in groups.values()]
    function = _FUNCTIONS[node.operator]
    return [Sample(labels, function(_values(members))) for labels, members in groups.values()]


def _group(node: Aggregation, labels: Labels) -> dict[str, str]:
    return dropped(labels, node.labels) if node.without else kept(labels, node.labels)


def _values(members: list[Sample]) -> list[float]:
    return [sample.value for sample in members]


def _extremes(parameter: float | str | None, groups: list[list[Sample]], *, largest: bool) -> Vector:
    """The k largest or smallest samples of every group, in that order; NaN comes last."""
    if not isinstance(parameter, float) or math.isnan(parameter):
        raise QueryError("Parameter value is NaN", kind="execution")
    count = max(0, int(min(parameter, 1e9)))
    chosen: Vector = []
    for members in groups:
        sign = -1 if largest else 1
        chosen += sorted(members, key=lambda s: (math.isnan(s.value), 0 if math.isnan(s.value) else sign * s.value))[
            :count
        ]
    return chosen


def _count_values(node: Aggregation, vector: Vector, label: str) -> Vector:
    counts: dict[Key, tuple[dict[str, str], int]] = {}
    for sample in vector:
        labels = _group(node, sample.labels) | {label: go_float(sample.value)}
        labels.pop(NAME, None)
        counts[key(labels)] = (labels, counts.get(key(labels), (labels, 0))[1] + 1)
    return [Sample(labels, float(count)) for labels, count in counts.values()]


def go_float(value: float) -> str:
    """Number as Prometheus writes it: without an exponent, +Inf, -Inf or NaN."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if "e" in text:
        digits, exponent = text.split("e")
        places = len(digits.partition(".")[2]) - int(exponent)
        text = f"{value:.{max(0, places)}f}"
    return text.removesuffix(".0")


def _extreme(choose: Callable[[list[float]], float]) -> Callable[[list[float]], float]:
    def function(values: list[float]) -> float:
        known = [value for value in values if not math.isnan(value)]
        return choose(known) if known else math.nan

    return function


def _variance(values: list[float]) -> float:
    mean = sum_of(values) / len(values)
    return sum_of([(value - mean) ** 2 for value in values]) / len(values)


_FUNCTIONS: dict[str, Callable[[list[float]], float]] = {
    "sum": sum_of,
    "avg": lambda values: sum_of(values) / len(values),
    "min": _extreme(min),
    "max": _extreme(max),
    "count": lambda values: float(len(values)),
    "group": lambda _: 1.0,
    "stddev": lambda values: math.sqrt(_variance(values)),
    "stdvar": _variance,
}
