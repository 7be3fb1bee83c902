"""SEARCH of CloudWatch metric math: which of the published metrics an expression finds.

Written from https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html (read 2026-11). A term is a word,
or a property with its value; quotes match the whole value, words without quotes a part of it, regardless of
case; terms without an operator are joined by AND; NOT binds most tightly, OR least.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from localcloud.aws.metrics.metricmath import ExpressionError
from localcloud.aws.metrics.points import Metric

_Term = Callable[[Metric], bool]

_CALL: Final = re.compile(
    r"""SEARCH\(\s*(?P<quote>['"])(?P<search>.*?)(?P=quote)\s*,\s*(['"])(?P<stat>[^'"]+)\3\s*(?:,\s*(?P<period>\d+)\s*)?\)"""
)
_SCHEMA: Final = re.compile(r"^\s*\{(?P<schema>[^}]*)\}\s*(?P<terms>.*)$", re.DOTALL)
_TOKEN: Final = re.compile(r'\s*(?:(?P<mark>[()=])|"(?P<exact>(?:[^"\\]|\\.)*)"|(?P<word>[^\s()="]+))')
_NAMES: Final = {"metricname": "MetricName", "namespace": "Namespace"}
FOUND_MAX: Final = 500
"""Maximum number of time series that one search returns: "a maximum of 500 unique time series", same page."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """One SEARCH in an expression.

    Attributes:
        text: The call as it is written in the expression.
        search: Its first argument: schema and terms.
        stat: Statistic of the metrics that it finds.
        period_s: Seconds per data point; None if the search has no third argument.
    """

    text: str
    search: str
    stat: str
    period_s: int | None

    def find(self, metrics: Iterable[Metric]) -> list[Metric]:
        """Metrics that match, the first 500 in alphabetical order; raises ExpressionError if the search is malformed."""
        matches = _parse(self.search)
        return sorted((metric for metric in metrics if matches(metric)), key=_order)[:FOUND_MAX]


def searches(expression: str) -> list[Search]:
    """Every SEARCH of an expression; raises ExpressionError for a SEARCH whose arguments are not literals."""
    found = [
        Search(text=m[0], search=m["search"], stat=m["stat"], period_s=int(m["period"]) if m["period"] else None)
        for m in _CALL.finditer(expression)
    ]
    if len(found) != len(re.findall(r"\bSEARCH\s*\(", _CALL.sub("", expression))) + len(found):
        raise ExpressionError(f"SEARCH takes a quoted search, a quoted statistic and a period: {expression}")
    return found


def labels(metrics: list[Metric], stat: str) -> list[str]:
    """Names that distinguish the found metrics: the values of dimensions, and the metric's name where it differs."""
    shared = frozenset.intersection(*(dimensions for _, _, dimensions in metrics)) if len(metrics) > 1 else frozenset()
    several = len({name for _, name, _ in metrics}) > 1
    named = []
    for _, name, dimensions in metrics:
        values = [value for _, value in sorted(dimensions - shared)]
        named.append(" ".join([*values, *([name] if several or not values else [])]) or f"{name} {stat}")
    return named


def _order(metric: Metric) -> tuple[str, str, list[tuple[str, str]]]:
    return metric[0], metric[1], sorted(metric[2])


def _parse(search: str) -> _Term:
    found = _SCHEMA.match(search)
    schema, terms = (found["schema"], found["terms"]) if found else (None, search)
    parts = [_unquoted(part) for part in re.findall(r'"[^"]*"|[^,]+', schema)] if schema is not None else []
    matches = _Terms(terms).parse()

    def in_schema(metric: Metric) -> bool:
        namespace, _, dimensions = metric
        return not parts or (namespace == parts[0] and {name for name, _ in dimensions} == set(parts[1:]))

    return lambda metric: in_schema(metric) and matches(metric)


def _unquoted(text: str) -> str:
    return text.strip().strip('"')


class _Terms:
    """Recursive descent over the terms of a search."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._text = text

    def parse(self) -> _Term:
        term = self._any() if self._tokens else lambda _: True
        if self._tokens:
            raise ExpressionError(f"SEARCH: {self._tokens[0][1]!r} is out of place in: {self._text}")
        return term

    def _any(self) -> _Term:
        terms = [self._all()]
        while self._takes("word", "OR"):
            terms.append(self._all())
        return lambda metric: any(term(metric) for term in terms)

    def _all(self) -> _Term:
        terms = [self._not()]
        while self._tokens and self._tokens[0] not in (("mark", ")"), ("word", "OR")):
            self._takes("word", "AND")
            terms.append(self._not())
        return lambda metric: all(term(metric) for term in terms)

    def _not(self) -> _Term:
        if self._takes("word", "NOT"):
            term = self._not()
            return lambda metric: not term(metric)
        if self._takes("mark", "("):
            term = self._any()
            self._expect(")")
            return term
        kind, word = self._next()
        return self._values(word) if self._takes("mark", "=") else _term(None, word, exact=kind == "exact")

    def _values(self, name: str) -> _Term:
        """Value of a property, or several in parentheses with OR between them."""
        if not self._takes("mark", "("):
            kind, word = self._next()
            return _term(name, word, exact=kind == "exact")
        terms = []
        while not self._takes("mark", ")"):
            self._takes("word", "OR")
            kind, word = self._next()
            terms.append(_term(name, word, exact=kind == "exact"))
        return lambda metric: any(term(metric) for term in terms)

    def _takes(self, kind: str, word: str) -> bool:
        if self._tokens and self._tokens[0] == (kind, word):
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, mark: str) -> None:
        if not self._takes("mark", mark):
            raise ExpressionError(f"SEARCH: {mark!r} is missing in: {self._text}")

    def _next(self) -> tuple[str, str]:
        if not self._tokens or self._tokens[0][0] == "mark":
            raise ExpressionError(f"SEARCH: a word is missing in: {self._text}")
        return self._tokens.pop(0)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position, text = 0, text.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise ExpressionError(f"SEARCH: a quote is not closed in: {text}")
        position = found.end()
        yield next((kind, word) for kind, word in found.groupdict().items() if word is not None)


def _term(name: str | None, word: str, *, exact: bool) -> _Term:
    """A term: with a name, the value of this property; without, any name or value of the metric."""

    def matches(metric: Metric) -> bool:
        namespace, metric_name, dimensions = metric
        values = [("MetricName", metric_name), ("Namespace", namespace), *dimensions]
        property_name = _NAMES.get((name or "").lower(), name)
        compared = [value for key, value in values if property_name in (None, key)]
        if name is None:
            compared += [key for key, _ in dimensions]
        return any(word == value if exact else word.lower() in value.lower() for value in compared)

    return matches
