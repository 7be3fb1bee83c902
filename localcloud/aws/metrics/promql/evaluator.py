"""Evaluation of PromQL at one time, or at many."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from localcloud.aws.metrics.promql import functions, windows
from localcloud.aws.metrics.promql.aggregations import aggregate
from localcloud.aws.metrics.promql.histograms import histogram_quantile
from localcloud.aws.metrics.promql.nodes import (
    Aggregation,
    Binary,
    Call,
    Negation,
    Node,
    Number,
    QueryError,
    Selector,
    Subquery,
    Text,
    selectors,
)
from localcloud.aws.metrics.promql.operators import combine
from localcloud.aws.metrics.promql.parser import parse
from localcloud.aws.metrics.promql.signatures import DATES, NATIVE, RANGED
from localcloud.aws.metrics.promql.values import (
    Labels,
    Matrix,
    Points,
    Sample,
    Source,
    Value,
    Vector,
    Window,
    distinct,
    key,
    without_name,
)

LOOK_BACK_S = 300.0
"""Seconds after its last sample for which a series has a value: Prometheus' default of `query.lookback-delta`."""
_SUBQUERY_STEP_S = 60.0
"""Step of a subquery without one: Prometheus' default evaluation interval."""


@dataclass(frozen=True)
class Line:
    """Values of one series of a range query."""

    labels: Labels
    points: list[tuple[float, float]]


def instant(source: Source, query: str, at: float) -> Value:
    """Evaluate a query at a time in seconds since the epoch. Raises QueryError for a query that cannot be evaluated."""
    return _Evaluation(source, parse(query), at, at).value(at)


def ranged(source: Source, query: str, start: float, end: float, step_s: float) -> list[Line]:
    """Evaluate a query from `start` to `end`, every `step_s` seconds. Raises QueryError, also for a query that has no numbers."""
    tree = parse(query)
    if tree.kind not in ("scalar", "vector"):
        condition = "must be Scalar or instant Vector"
        raise QueryError(
            f'invalid parameter "query": invalid expression type "{tree.kind}" for range query, {condition}'
        )
    evaluation = _Evaluation(source, tree, start, end)
    lines: dict[object, Line] = {}
    for time in _steps(start, end, step_s):
        value = evaluation.value(time)
        samples = [Sample({}, value)] if isinstance(value, float) else value
        assert isinstance(samples, list)
        for sample in samples:
            assert isinstance(sample, Sample)
            line = lines.setdefault(key(sample.labels), Line(sample.labels, []))
            line.points.append((time, sample.value))
    return list(lines.values())


def has_data(source: Source, query: str, at: float) -> bool:
    """Whether any series that a query reads has a sample within the time that it reads."""
    for selector in selectors(parse(query)):
        end = at - selector.offset_s
        start = end - max(selector.range_s or 0, LOOK_BACK_S)
        for series in source.select(selector.matchers, start, end):
            if bisect.bisect_right(series.times, end) > bisect.bisect_right(series.times, start):
                return True
    return False


def _falls(series: Points, times: Sequence[float]) -> bool:
    """Whether any of these samples of a series is lower than the preceding one."""
    if series.falls is None:
        return True
    return bisect.bisect_right(series.falls, times[0]) < bisect.bisect_right(series.falls, times[-1])


def _steps(start: float, end: float, step_s: float) -> Iterator[float]:
    for index in range(math.floor((end - start) / step_s + 1e-9) + 1):
        yield start + index * step_s


@dataclass
class _Evaluation:
    """One query; series are selected once for all of its times."""

    source: Source
    tree: Node
    start: float
    end: float
    selected: dict[int, list[Points]] = field(default_factory=dict)

    def value(self, at: float) -> Value:
        result = self._of(self.tree, at)
        if isinstance(result, list) and self.tree.kind == "vector":
            return [sample for sample in result if isinstance(sample, Sample)]
        return result

    def _of(self, node: Node, at: float) -> Value:
        match node:
            case Number() | Text():
                return node.value
            case Selector():
                return self._latest(node, at) if node.range_s is None else self._range(node, at)
            case Subquery():
                return self._subquery(node, at)
            case Negation():
                inner = self._of(node.inner, at)
                return (
                    functions.each(_vector(inner), lambda value: -value) if isinstance(inner, list) else -_number(inner)
                )
            case Binary():
                left, right = self._of(node.left, at), self._of(node.right, at)
                combined = combine(node, _operand(left), _operand(right))
                return distinct(_vector(combined)) if isinstance(combined, list) else combined
            case Aggregation():
                parameter = None if node.parameter is None else self._of(node.parameter, at)
                assert not isinstance(parameter, list)
                return aggregate(node, _vector(self._of(node.inner, at)), parameter)
            case Call():
                result = self._call(node, at)
                return distinct(_vector(result)) if isinstance(result, list) else result
        raise QueryError(f"unhandled expression of type {type(node).__name__}", kind="execution")

    # --- series ---

    def _series(self, node: Selector) -> list[Points]:
        if id(node) not in self.selected:
            self.selected[id(node)] = list(self.source.select(node.matchers, -math.inf, math.inf))
        return self.selected[id(node)]

    def _moment(self, node: Selector | Subquery, at: float) -> float:
        fixed = {"start": self.start, "end": self.end}.get(node.at, at) if isinstance(node.at, str) else node.at
        return (at if fixed is None else fixed) - node.offset_s

    def _latest(self, node: Selector, at: float) -> Vector:
        return [Sample(series.labels, series.values[index]) for series, index in self._indices(node, at)]

    def _indices(self, node: Selector, at: float) -> Iterator[tuple[Points, int]]:
        moment = self._moment(node, at)
        for series in self._series(node):
            index = bisect.bisect_right(series.times, moment) - 1
            if index >= 0 and series.times[index] > moment - LOOK_BACK_S:
                yield series, index

    def _range(self, node: Selector, at: float) -> Matrix:
        end = self._moment(node, at)
        assert node.range_s is not None
        start = end - node.range_s
        found: Matrix = []
        for series in self._series(node):
            first, last = bisect.bisect_right(series.times, start), bisect.bisect_right(series.times, end)
            if first < last:
                times, values = series.times[first:last], series.values[first:last]
                found.append(Window(series.labels, times, values, start, end, _falls(series, times)))
        return found

    def _subquery(self, node: Subquery, at: float) -> Matrix:
        end = self._moment(node, at)
        start, step = end - node.range_s, node.step_s or _SUBQUERY_STEP_S
        lines: dict[object, tuple[Labels, list[float], list[float]]] = {}
        time = step * (math.floor(start / step) + 1)  # aligned to the step, the beginning excluded
        while time <= end:
            value = self._of(node.inner, time)
            for sample in _vector(value) if isinstance(value, list) else [Sample({}, _number(value))]:
                _, times, values = lines.setdefault(key(sample.labels), (sample.labels, [], []))
                times.append(time)
                values.append(sample.value)
            time += step
        return [Window(labels, times, values, start, end) for labels, times, values in lines.values()]

    # --- functions ---

    def _call(self, node: Call, at: float) -> Value:
        name = node.function
        match name:
            case "time":
                return at
            case "pi":
                return math.pi
            case "timestamp" if isinstance(node.arguments[0], Selector):
                return [Sample(without_name(s.labels), s.times[i]) for s, i in self._indices(node.arguments[0], at)]
            case "absent_over_time":
                found = self._of(node.arguments[0], at)
                return [] if found else [Sample(functions.absent_labels(node.arguments[0]), 1.0)]
            case "absent":
                found = self._of(node.arguments[0], at)
                return [] if found else [Sample(functions.absent_labels(node.arguments[0]), 1.0)]
        arguments = [self._of(argument, at) for argument in node.arguments]
        if name in RANGED:
            return _over(name, arguments[0])
        if name in DATES:
            return functions.date(name, _vector(arguments[0]) if arguments else [Sample({}, at)])
        if name in functions.EACH:
            return functions.each(_vector(arguments[0]), functions.EACH[name])
        return _general(name, arguments, at)


def _general(name: str, arguments: list[Value], at: float) -> Value:
    match name, arguments:
        case _ if name in NATIVE or name == "histogram_fraction":
            return []
        case "timestamp", [vector]:
            return functions.each(_vector(vector), lambda _: at)
        case "vector", [value]:
            return [Sample({}, _number(value))]
        case "scalar", [vector]:
            samples = _vector(vector)
            return samples[0].value if len(samples) == 1 else math.nan
        case "histogram_quantile", [share, vector]:
            return histogram_quantile(_number(share), _vector(vector))
        case "quantile_over_time", [share, matrix]:
            return [
                Sample(without_name(window.labels), windows.quantile(_number(share), list(window.values)))
                for window in _matrix(matrix)
            ]
        case "predict_linear", [matrix, ahead]:
            lines = [(window, windows.slope(window, at=at)) for window in _matrix(matrix)]
            return [Sample(without_name(w.labels), line[0] * _number(ahead) + line[1]) for w, line in lines if line]
        case "clamp", [vector, low, high]:
            return functions.clamped(_vector(vector), _number(low), _number(high))
        case "clamp_min", [vector, low]:
            return functions.clamped(_vector(vector), _number(low), math.inf)
        case "clamp_max", [vector, high]:
            return functions.clamped(_vector(vector), -math.inf, _number(high))
        case "round", [vector, *multiple]:
            return functions.rounded(_vector(vector), _number(multiple[0]) if multiple else 1.0)
        case (("sort" | "sort_desc"), [vector]):
            return functions.ordered(_vector(vector), descending=name == "sort_desc")
        case "label_replace", [vector, *texts]:
            target, replacement, source, pattern = map(str, texts)
            return functions.label_replaced(_vector(vector), target, replacement, source, pattern)
        case "label_join", [vector, target, separator, *sources]:
            return functions.label_joined(_vector(vector), str(target), str(separator), list(map(str, sources)))
    raise QueryError(f"function {name} is not evaluated by the embedded AWS", kind="execution")


def _over(name: str, matrix: Value) -> Vector:
    results = [(window, windows.over(name, window)) for window in _matrix(matrix)]
    keeps_name = name == "last_over_time"
    return [
        Sample(w.labels if keeps_name else without_name(w.labels), value) for w, value in results if value is not None
    ]


def _vector(value: Value) -> Vector:
    assert isinstance(value, list)
    return [sample for sample in value if isinstance(sample, Sample)]


def _matrix(value: Value) -> Matrix:
    assert isinstance(value, list)
    return [window for window in value if isinstance(window, Window)]


def _number(value: Value) -> float:
    assert isinstance(value, float | int)
    return float(value)


def _operand(value: Value) -> float | Vector:
    return _vector(value) if isinstance(value, list) else _number(value)
