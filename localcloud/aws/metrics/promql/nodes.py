"""Syntax tree of a PromQL expression, and the error of a query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["scalar", "vector", "matrix", "string"]
MATRIX: Kind = "matrix"


class QueryError(ValueError):
    """A query that Prometheus refuses.

    Attributes:
        kind: Value of `errorType` in the answer: bad_data for a syntax error, execution for a failed evaluation.
    """

    def __init__(self, message: str, *, kind: str = "bad_data") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """One expression."""

    kind: Kind


@dataclass(frozen=True, kw_only=True, eq=False)
class Number(Node):
    """A number."""

    value: float
    kind: Kind = "scalar"


@dataclass(frozen=True, kw_only=True, eq=False)
class Text(Node):
    """A string."""

    value: str
    kind: Kind = "string"


@dataclass(frozen=True, kw_only=True)
class Matcher:
    """A condition on one label; a label that a series does not have is empty."""

    label: str
    operator: str
    value: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Selector(Node):
    """Series by name and labels; `range_s` seconds of samples make it a range vector, `at` is a fixed time."""

    matchers: tuple[Matcher, ...]
    range_s: float | None = None
    offset_s: float = 0
    at: float | str | None = None
    kind: Kind = "vector"


@dataclass(frozen=True, kw_only=True, eq=False)
class Subquery(Node):
    """An instant query, evaluated every `step_s` seconds of the last `range_s`."""

    inner: Node
    range_s: float
    step_s: float | None = None
    offset_s: float = 0
    at: float | str | None = None
    kind: Kind = MATRIX


@dataclass(frozen=True, kw_only=True, eq=False)
class Negation(Node):
    """The negative of an expression."""

    inner: Node


@dataclass(frozen=True, kw_only=True, eq=False)
class Binary(Node):
    """An operation on two expressions, and how their series are matched.

    Attributes:
        returns_bool: Whether a comparison gives 0 and 1 instead of dropping samples.
        labels: Labels of `on` or `ignoring`.
        on: Whether only those labels are compared.
        group: Side with many series per match, if `group_left` or `group_right` is there.
        include: Labels that the many receive from the one.
    """

    operator: str
    left: Node
    right: Node
    returns_bool: bool = False
    labels: tuple[str, ...] = ()
    on: bool = False
    group: Literal["left", "right"] | None = None
    include: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Aggregation(Node):
    """An aggregation over series, `by` or `without` labels."""

    operator: str
    inner: Node
    parameter: Node | None = None
    labels: tuple[str, ...] = ()
    without: bool = False
    kind: Kind = "vector"


@dataclass(frozen=True, kw_only=True, eq=False)
class Call(Node):
    """A call of a function."""

    function: str
    arguments: tuple[Node, ...]


def children(node: Node) -> tuple[Node, ...]:
    """Expressions directly within an expression."""
    match node:
        case Subquery() | Negation():
            return (node.inner,)
        case Binary():
            return (node.left, node.right)
        case Aggregation():
            return (node.inner,) if node.parameter is None else (node.parameter, node.inner)
        case Call():
            return node.arguments
    return ()


def selectors(node: Node, *, earlier_s: float = 0) -> Iterator[Selector]:
    """Every selector of an expression; the ranges and offsets around a selector are added to its range."""
    if isinstance(node, Selector):
        yield replace(node, range_s=(node.range_s or 0) + earlier_s)
    around = node.range_s + node.offset_s if isinstance(node, Subquery) else 0
    for child in children(node):
        yield from selectors(child, earlier_s=earlier_s + around)
