"""CloudWatch metric math: the arithmetic, comparisons and functions that alarms, scaling policies and dashboards use.

Not evaluated: SEARCH, whose metrics GetMetricData puts in its place (CloudWatch refuses it in alarms), ANOMALY_DETECTION_BAND, INSIGHT_RULE_METRIC, LAMBDA, DB_PERF_INSIGHTS,
SERVICE_QUOTA, sorting and slicing of arrays, and date functions.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

Series: TypeAlias = list[float | None]
"""One value per period, newest first; None where there is no data."""

_BINARY: dict[type[Any], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: a / b if b else math.nan,
    ast.Pow: operator.pow,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.And: lambda a, b: bool(a) and bool(b),
    ast.Or: lambda a, b: bool(a) or bool(b),
}
_EACH: dict[str, Callable[[float], float]] = {"ABS": abs, "CEIL": math.ceil, "FLOOR": math.floor}
_TOGETHER: dict[str, Callable[[Sequence[float]], float]] = {
    "MAX": max,
    "MIN": min,
    "SUM": sum,
    "AVG": lambda values: sum(values) / len(values),
}
Array: TypeAlias = list[Series]
"""Several time series; empty if a search found none."""
_WORDS = ((r"&&|\bAND\b", " and "), (r"\|\||\bOR\b", " or "), (r"\^", "**"))


class ExpressionError(ValueError):
    """The expression is one that CloudWatch refuses, or that is not evaluated here."""


def parse(expression: str) -> ast.expr:
    """Parse an expression; raises ExpressionError if its syntax is wrong."""
    for pattern, word in _WORDS:
        expression = re.sub(pattern, word, expression)
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(f"Unsupported operand or syntax in metric math expression: {expression}") from error


def references(expression: str) -> set[str]:
    """Ids of the metrics and expressions that an expression refers to."""
    tree = parse(expression)
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in functions}
    return names - {"REPEAT", "LINEAR"}


def evaluate(expression: str, series: Mapping[str, Series], *, period_s: float, metrics: Sequence[str]) -> Series:
    """Evaluate an expression for every period.

    Args:
        expression: Metric math, for example ``IF(m1 > 0, m2 / m1, 0)``.
        series: Time series by id; all have the same length.
        period_s: Seconds per value, the result of PERIOD().
        metrics: Ids of the series that METRICS() stands for.
    """
    length = len(next(iter(series.values()), []))
    found = evaluate_all(expression, series, length=length, period_s=period_s, metrics=metrics)
    if len(found) != 1:
        raise ExpressionError(f"{expression} gives {len(found)} time series, one is needed")
    return found[0]


def evaluate_all(
    expression: str, series: Mapping[str, Series | Array], *, length: int, period_s: float, metrics: Sequence[str]
) -> Array:
    """Evaluate an expression that may give several time series.

    Args:
        expression: Metric math, for example ``METRICS() / 1000``.
        series: Time series by id, or arrays of them; all have the same length.
        length: Number of periods.
        period_s: Seconds per value, the result of PERIOD().
        metrics: Ids of the series that METRICS() stands for.
    """
    result = _Evaluation(series, length, period_s, metrics).of(parse(expression))
    if not result and length:
        return []
    rows = result if result and isinstance(result[0], list) else [result]
    return [[None if value is None or math.isnan(value) else float(value) for value in row] for row in rows]


class _Evaluation:
    def __init__(self, series: Mapping[str, Any], length: int, period_s: float, metrics: Sequence[str]) -> None:
        self._series, self._length, self._period_s, self._metrics = series, length, period_s, metrics

    def of(self, node: ast.expr) -> Any:
        """Value of a node: a series, or a list of series for an array."""
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return [float(node.value)] * self._length
        if isinstance(node, ast.Name) and node.id in self._series:
            return self._series[node.id]
        if isinstance(node, ast.List):
            return [self.of(item) for item in node.elts]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return _map(operator.neg, self.of(node.operand))
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            return _map(_BINARY[type(node.op)], self.of(node.left), self.of(node.right))
        if isinstance(node, ast.BoolOp):
            first, *others = (self.of(value) for value in node.values)
            for other in others:
                first = _map(_BINARY[type(node.op)], first, other)
            return first
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _BINARY:
            return _map(_BINARY[type(node.ops[0])], self.of(node.left), self.of(node.comparators[0]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return self._call(node.func.id, node.args)
        raise ExpressionError(f"not evaluated by the embedded AWS: {ast.unparse(node)}")

    def _call(self, name: str, args: list[ast.expr]) -> Any:
        match name, args:
            case "PERIOD", _:
                return [self._period_s] * self._length
            case "METRICS", _:
                part = str(ast.literal_eval(args[0])) if args else ""
                return [self._series[metric] for metric in self._metrics if part in metric]
            case (("RATE" | "DIFF" | "RUNNING_SUM"), [value]):
                return self._along(name, self.of(value))
            case "FILL", [value, filler]:
                return self._fill(self.of(value), filler)
            case "IF", [condition, then]:
                return _choose(self.of(condition), self.of(then), None)
            case "IF", [condition, then, otherwise]:
                return _choose(self.of(condition), self.of(then), self.of(otherwise))
            case _, [value] if name in _EACH:
                return _map(_EACH[name], self.of(value))
            case _, [value] if name in _TOGETHER:
                return self._together(_TOGETHER[name], self.of(value))
        raise ExpressionError(f"not evaluated by the embedded AWS: {name} with {len(args)} arguments")

    def _along(self, name: str, value: Any) -> Any:
        """Apply to each time series from its oldest value on; periods without a value are skipped."""
        if value and isinstance(value[0], list):
            return [self._along(name, row) for row in value]
        result: Series = [None] * len(value)
        total, before = 0.0, None
        for index in range(len(value) - 1, -1, -1):
            now = value[index]
            if now is None:
                continue
            total += now
            if name == "RUNNING_SUM":
                result[index] = total
            elif before is not None:
                passed = self._period_s * (before[0] - index) if name == "RATE" else 1
                result[index] = (now - before[1]) / passed
            before = (index, now)
        return result

    def _together(self, function: Callable[[Sequence[float]], float], value: Any) -> Series:
        """Apply to an array period by period, or to one time series as a whole, with the same number in every period."""
        if not value and self._length:
            return []  # nothing was found
        if value and isinstance(value[0], list):
            columns = [[item for item in column if item is not None] for column in zip(*value, strict=True)]
            return [function(column) if column else None for column in columns]
        known = [item for item in value if item is not None]
        return [function(known) if known else None] * self._length

    def _fill(self, value: Any, how: ast.expr) -> Any:
        if value and isinstance(value[0], list):
            return [self._fill(item, how) for item in value]
        if isinstance(how, ast.Name) and how.id == "REPEAT":
            filled: Series = []
            last: float | None = None
            for item in reversed(value):
                last = item if item is not None else last
                filled.insert(0, last)
            return filled
        filler = self.of(how)
        return [filler[index] if item is None else item for index, item in enumerate(value)]


def _map(function: Callable[..., float], *operands: Any) -> Any:
    """Apply to every period, and to every series of an array; a period without a value has no result."""
    if (rows := _rows(operands)) is not None:
        return [_map(function, *row) for row in rows]
    return [
        None if any(value is None for value in values) else float(function(*values))
        for values in zip(*operands, strict=True)
    ]


def _rows(operands: Sequence[Any]) -> list[tuple[Any, ...]] | None:
    """Operands series by series if one is an array: a single time series is paired with each of the array's; None if none is an array."""
    arrays = [operand for operand in operands if _is_array(operand)]
    if any(operands) and not all(operand or operand is None for operand in operands):
        return []  # nothing was found
    if not arrays:
        return None
    if len({len(array) for array in arrays}) > 1:
        raise ExpressionError(f"arrays of {' and '.join(str(len(array)) for array in arrays)} time series do not fit")
    return list(zip(*(one if _is_array(one) else [one] * len(arrays[0]) for one in operands), strict=True))


def _is_array(operand: Any) -> bool:
    return bool(operand) and isinstance(operand[0], list)


def _choose(condition: Any, then: Any, otherwise: Any) -> Any:
    """Evaluate IF; without a third argument a period in which the condition does not hold has no value."""
    if (rows := _rows((condition, then, otherwise))) is not None:
        return [_choose(*row) for row in rows]
    chosen: Series = []
    for index, holds in enumerate(condition):
        side = then if holds else otherwise
        chosen.append(None if holds is None or side is None else side[index])
    return chosen
