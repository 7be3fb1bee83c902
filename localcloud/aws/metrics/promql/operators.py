"""Operators between scalars and vectors, and the matching of series by their labels."""

from __future__ import annotations

import math
from collections.abc import Callable

from localcloud.aws.metrics.promql.nodes import Binary, QueryError
from localcloud.aws.metrics.promql.values import (
    NAME,
    Key,
    Labels,
    Sample,
    Vector,
    dropped,
    kept,
    key,
    without_name,
    written,
)


def _divided(a: float, b: float) -> float:
    if b:
        return a / b
    if a == 0 or math.isnan(a) or math.isnan(b):
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1, b)


def _power(a: float, b: float) -> float:
    try:
        result = math.pow(a, b)
    except OverflowError:
        return math.copysign(math.inf, a if b % 2 else 1)
    except ValueError:
        return math.inf if a == 0 else math.nan
    return result


def _remainder(a: float, b: float) -> float:
    return math.fmod(a, b) if b and math.isfinite(a) else math.nan


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "%": _remainder,
    "^": _power,
    "atan2": math.atan2,
}
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def combine(node: Binary, left: float | Vector, right: float | Vector) -> float | Vector:
    """Apply the operator of an expression to its evaluated sides."""
    if isinstance(left, list) and isinstance(right, list):
        return _set(node, left, right) if node.operator in ("and", "or", "unless") else _matched(node, left, right)
    if isinstance(left, list):
        assert isinstance(right, float)
        return [
            found
            for sample in left
            if (found := _one(node, sample.labels, sample.value, right, sample.value)) is not None
        ]
    if isinstance(right, list):
        return [
            found
            for sample in right
            if (found := _one(node, sample.labels, left, sample.value, sample.value)) is not None
        ]
    if node.operator in _COMPARISONS:
        return float(_COMPARISONS[node.operator](left, right))
    return _ARITHMETIC[node.operator](left, right)


def _one(node: Binary, labels: Labels, left: float, right: float, keeps: float) -> Sample | None:
    """Result for one pair; None if a comparison drops the sample. A filtering comparison keeps name and value."""
    if node.operator in _ARITHMETIC:
        return Sample(without_name(labels), _ARITHMETIC[node.operator](left, right))
    holds = _COMPARISONS[node.operator](left, right)
    if node.returns_bool:
        return Sample(without_name(labels), float(holds))
    return Sample(labels, keeps) if holds else None


def _signature(node: Binary, labels: Labels) -> Key:
    return key(kept(labels, node.labels) if node.on else dropped(labels, node.labels))


def _set(node: Binary, left: Vector, right: Vector) -> Vector:
    if node.operator == "or":
        known = {_signature(node, sample.labels) for sample in left}
        return left + [sample for sample in right if _signature(node, sample.labels) not in known]
    known = {_signature(node, sample.labels) for sample in right}
    return [sample for sample in left if (_signature(node, sample.labels) in known) == (node.operator == "and")]


def _matched(node: Binary, left: Vector, right: Vector) -> Vector:
    swapped = node.group == "right"
    many, one = (right, left) if swapped else (left, right)
    ones: dict[Key, Sample] = {}
    for sample in one:
        signature = _signature(node, sample.labels)
        if signature in ones:
            raise _ambiguous(signature, "left" if swapped else "right", node)
        ones[signature] = sample
    results: Vector = []
    keys_by_signature: dict[Key, set[Key]] = {}
    for sample in many:
        signature = _signature(node, sample.labels)
        partner = ones.get(signature)
        if partner is None:
            continue
        values = (partner.value, sample.value) if swapped else (sample.value, partner.value)
        result = _one(node, sample.labels, *values, values[0])
        if result is None:
            continue
        labels = _result_labels(node, result.labels, partner.labels)
        before = keys_by_signature.setdefault(signature, set())
        if node.group is None and before:
            raise QueryError(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
                kind="execution",
            )
        if key(labels) in before:
            raise QueryError(
                "multiple matches for labels: grouping labels must ensure unique matches", kind="execution"
            )
        before.add(key(labels))
        results.append(Sample(labels, result.value))
    return results


def _result_labels(node: Binary, labels: Labels, partner: Labels) -> dict[str, str]:
    if node.group is None:
        if node.on:
            return kept(labels, node.labels)
        return {label: value for label, value in labels.items() if label not in node.labels}
    result = dict(labels)
    for label in node.include:
        if value := partner.get(label):
            result[label] = value
        else:
            result.pop(label, None)
    return result


def _ambiguous(signature: Key, side: str, node: Binary) -> QueryError:
    group = written({label: value for label, value in signature if label != NAME})
    hint = "many-to-many matching not allowed: matching labels must be unique on one side"
    del node
    return QueryError(
        f"found duplicate series for the match group {group} on the {side} hand-side of the operation;{hint}",
        kind="execution",
    )
