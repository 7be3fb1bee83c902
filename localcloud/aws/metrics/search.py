"""SEARCH of metric math: which metrics an expression such as `{AWS/SageMaker,EndpointName} MetricName="Invocations"` finds.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html (read 2026-11). A term without quotes is found
anywhere in a name or value, whatever its case; AWS compares parts of words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

from localcloud.aws.metrics.datapoints import Key
from localcloud.aws.metrics.metricmath import ExpressionError

_Holds: TypeAlias = Callable[[Key], bool]
_TOKEN = re.compile(r"\s*(?:(?P<symbol>[()=])|\"(?P<quoted>[^\"]*)\"|(?P<word>[^\s()=\"]+))")
FOUND_MAX = 500
"""Time series that one search returns at most: "a maximum of 500 unique time series", same page."""


def found(expression: str, metrics: Iterable[Key]) -> list[Key]:
    """Return the metrics that an expression finds, in the order of their names. Raises ExpressionError for a malformed one."""
    schema, rest = re.fullmatch(r"\s*(?:\{([^}]*)\})?(.*)", expression, re.DOTALL).groups()  # type: ignore[union-attr]
    holds = _Terms(rest).whole()
    names = [part.strip().strip('"') for part in (schema or "").split(",") if part.strip()]

    def fits(metric: Key) -> bool:
        namespace, _, dimensions = metric
        if names and (namespace != names[0] or {name for name, _ in dimensions} != set(names[1:])):
            return False
        return holds(metric)

    return sorted(filter(fits, metrics), key=lambda metric: (metric[0], metric[1], sorted(metric[2])))[:FOUND_MAX]


class _Terms:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None:
                raise ExpressionError(f"SEARCH cannot be read from {text[position:]!r}")
            self._tokens.append((str(match.lastgroup), str(match[str(match.lastgroup)])))
            position = match.end()

    def whole(self) -> _Holds:
        holds: _Holds = self._either() if self._tokens else lambda _: True
        if self._tokens:
            raise ExpressionError(f"SEARCH has an unexpected {self._tokens[0][1]!r}")
        return holds

    def _is(self, *tokens: tuple[str, str]) -> bool:
        return bool(self._tokens) and self._tokens[0] in tokens

    def _either(self) -> _Holds:
        terms = [self._both()]
        while self._is(("word", "OR")):
            self._tokens.pop(0)
            terms.append(self._both())
        return lambda metric: any(term(metric) for term in terms)

    def _both(self) -> _Holds:
        terms = [self._one()]
        while self._tokens and not self._is(("word", "OR"), ("symbol", ")")):
            if self._is(("word", "AND")):
                self._tokens.pop(0)
            terms.append(self._one())
        return lambda metric: all(term(metric) for term in terms)

    def _one(self) -> _Holds:
        if self._is(("word", "NOT")):
            self._tokens.pop(0)
            inner = self._one()
            return lambda metric: not inner(metric)
        if self._is(("symbol", "(")):
            return self._group()
        kind, text = self._take()
        if self._is(("symbol", "=")):
            self._tokens.pop(0)
            return self._values(text)
        return _anywhere(text, exact=kind == "quoted")

    def _group(self) -> _Holds:
        self._tokens.pop(0)
        inner = self._either()
        if not self._is(("symbol", ")")):
            raise ExpressionError("SEARCH lacks a closing parenthesis")
        self._tokens.pop(0)
        return inner

    def _take(self) -> tuple[str, str]:
        if not self._tokens or self._tokens[0][0] == "symbol":
            raise ExpressionError("SEARCH lacks a term")
        return self._tokens.pop(0)

    def _values(self, name: str) -> _Holds:
        """Values of a property after its equals sign: one, or several in parentheses, joined by OR."""
        if not self._is(("symbol", "(")):
            return _property(name, *self._take())
        self._tokens.pop(0)
        terms = [_property(name, *self._take())]
        while not self._is(("symbol", ")")):
            if self._is(("word", "OR")):
                self._tokens.pop(0)
            terms.append(_property(name, *self._take()))
        self._tokens.pop(0)
        return lambda metric: any(term(metric) for term in terms)


def _matches(text: str, value: str, *, exact: bool) -> bool:
    return text == value if exact else text.lower() in value.lower()


def _anywhere(text: str, *, exact: bool) -> _Holds:
    return lambda metric: any(
        _matches(text, value, exact=exact)
        for value in (metric[0], metric[1], *(part for dimension in metric[2] for part in dimension))
    )


def _property(name: str, kind: str, text: str) -> _Holds:
    def holds(metric: Key) -> bool:
        values = {"Namespace": metric[0], "MetricName": metric[1], **dict(metric[2])}
        return name in values and _matches(text, values[name], exact=kind == "quoted")

    return holds
