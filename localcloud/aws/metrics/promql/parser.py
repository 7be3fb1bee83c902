"""Parser of PromQL: from a query to its syntax tree, with the types of its parts checked."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Literal

from localcloud.aws.metrics.promql.lexer import Token, number, seconds, unquoted
from localcloud.aws.metrics.promql.nodes import (
    Aggregation,
    Binary,
    Call,
    Kind,
    Matcher,
    Negation,
    Node,
    Number,
    QueryError,
    Selector,
    Subquery,
    Text,
)
from localcloud.aws.metrics.promql.signatures import FUNCTIONS
from localcloud.aws.metrics.promql.token_stream import TokenStream

_LEVELS: tuple[tuple[str, ...], ...] = (
    ("or",),
    ("and", "unless"),
    ("==", "!=", "<=", "<", ">=", ">"),
    ("+", "-"),
    ("*", "/", "%", "atan2"),
)
_POWER = len(_LEVELS)
COMPARISONS = frozenset(_LEVELS[2])
SETS = frozenset({"and", "or", "unless"})
_WITH_PARAMETER = {"topk": "scalar", "bottomk": "scalar", "quantile": "scalar", "count_values": "string"}
_AGGREGATIONS = {"sum", "min", "max", "avg", "count", "group", "stddev", "stdvar", *_WITH_PARAMETER}
_KIND_NAMES = {"scalar": "scalar", "vector": "instant vector", "matrix": "range vector", "string": "string"}


@lru_cache(maxsize=1024)
def parse(query: str) -> Node:
    """Parse a query. Raises QueryError, with position and reason, for one that Prometheus refuses."""
    return _Parser(query).whole()


class _Parser(TokenStream):
    def whole(self) -> Node:
        if self.peek().kind == "end":
            raise QueryError("unknown position: parse error: no expression found in input")
        node = self._expression(0)
        if self.peek().kind != "end":
            raise self.unexpected(self.peek())
        return node

    # --- operators ---

    def _expression(self, level: int) -> Node:
        if level == _POWER:
            return self._unary()
        left = self._expression(level + 1)
        while (token := self.accept(*_LEVELS[level])) is not None:
            left = self._binary(token, left, level + 1)
        return left

    def _unary(self) -> Node:
        if (sign := self.accept("+", "-")) is not None:
            inner = self._unary()
            if inner.kind not in ("scalar", "vector"):
                raise QueryError(
                    f"1:{sign.position}: parse error: unary expression only allowed on expressions of type scalar or instant vector"
                )
            if isinstance(inner, Number):
                return Number(value=-inner.value if sign.text == "-" else inner.value)
            return Negation(kind=inner.kind, inner=inner) if sign.text == "-" else inner
        base = self._postfix()
        token = self.accept("^")
        return base if token is None else self._power(token, base)

    def _power(self, token: Token, base: Node) -> Node:
        return self._checked(token, self._matching(token, base, self._unary))

    def _binary(self, token: Token, left: Node, level: int) -> Node:
        return self._checked(token, self._matching(token, left, lambda: self._expression(level)))

    def _matching(self, token: Token, left: Node, right: Callable[[], Node]) -> Binary:
        operator = token.text.lower() if token.kind == "name" else token.text
        returns_bool = operator in COMPARISONS and self.accept("bool") is not None
        labels: tuple[str, ...] = ()
        include: tuple[str, ...] = ()
        group: Literal["left", "right"] | None = None
        how = self.accept("on", "ignoring")
        if how is not None:
            labels = self.labels()
            side = self.accept("group_left", "group_right")
            if side is not None:
                group = "left" if side.text.lower() == "group_left" else "right"
                include = self.labels() if self.peek().text == "(" and not self._opens_operand() else ()
        operand = right()
        kind: Kind = "scalar" if left.kind == operand.kind == "scalar" else "vector"
        return Binary(
            kind=kind, operator=operator, left=left, right=operand, returns_bool=returns_bool, labels=labels,
            on=how is not None and how.text.lower() == "on", group=group, include=include,
        )  # fmt: skip

    def _opens_operand(self) -> bool:
        """Whether the parenthesis after group_left begins the operand instead of a list of labels."""
        depth = 0
        for index in range(self._next, len(self._tokens)):
            token = self._tokens[index]
            depth += (token.text == "(") - (token.text == ")") if token.kind == "symbol" else 0
            if depth == 0:
                following = self._tokens[index + 1]
                return (
                    following.kind == "end" or following.text in (")", ",", "[") or following.text in sum(_LEVELS, ())
                )
            if token.kind not in ("name", "string") and token.text not in ("(", ",", ")"):
                return True
        return False

    @staticmethod
    def _checked(token: Token, node: Binary) -> Node:
        problem = ""
        for side in (node.left, node.right):
            if side.kind not in ("scalar", "vector"):
                problem = "binary expression must contain only scalar and instant vector types"
        if node.operator in SETS and "scalar" in (node.left.kind, node.right.kind):
            problem = f"set operator {node.operator!r} not allowed in binary scalar expression"
        if node.operator in COMPARISONS and node.kind == "scalar" and not node.returns_bool:
            problem = "comparisons between scalars must use BOOL modifier"
        if (node.labels or node.on) and "scalar" in (node.left.kind, node.right.kind):
            problem = "vector matching only allowed between instant vectors"
        if node.group and node.operator in SETS:
            problem = f"no grouping allowed for {node.operator!r} operation"
        if node.on and set(node.labels) & set(node.include):
            problem = "label must not occur in ON and GROUP clause at once"
        if problem:
            raise QueryError(f"1:{token.position}: parse error: {problem}")
        return node

    # --- operands ---

    def _postfix(self) -> Node:
        node = self._primary()
        while True:
            if (bracket := self.accept("[")) is not None:
                node = self._ranged(bracket, node)
            elif (word := self.accept("offset")) is not None:
                sign = -1 if self.accept("-") else 1
                node = self._shifted(word, node, offset_s=sign * self.duration())
            elif (word := self.accept("@")) is not None:
                node = self._shifted(word, node, at=self.instant())
            else:
                return node

    def _ranged(self, bracket: Token, node: Node) -> Node:
        range_s = self.duration()
        if self.accept(":"):
            step_s = None if self.peek().text == "]" else self.duration()
            self.expect("]")
            if node.kind not in ("vector", "scalar"):
                raise QueryError(f"1:{bracket.position}: parse error: subquery is only allowed on instant vector")
            return Subquery(inner=node, range_s=range_s, step_s=step_s)
        self.expect("]")
        if not isinstance(node, Selector) or node.range_s is not None or node.offset_s or node.at is not None:
            raise QueryError(f"1:{bracket.position}: parse error: ranges only allowed for vector selectors")
        return replace(node, range_s=range_s, kind="matrix")

    @staticmethod
    def _shifted(word: Token, node: Node, *, offset_s: float = 0, at: float | str | None = None) -> Node:
        if not isinstance(node, Selector | Subquery):
            raise QueryError(
                f"1:{word.position}: parse error: {word.text} modifier must be preceded by an instant vector selector or range vector selector or a subquery"
            )
        return replace(node, offset_s=offset_s) if at is None else replace(node, at=at)

    def _primary(self) -> Node:
        token = self.peek()
        if token.kind == "number":
            return Number(value=number(self.take().text))
        if token.kind == "duration":  # Prometheus 3 reads a duration as a number of seconds
            return Number(value=seconds(self.take().text))
        if token.kind == "string":
            return Text(value=unquoted(self.take().text))
        if self.accept("("):
            inner = self._expression(0)
            self.expect(")")
            return inner
        if token.text == "{":
            return self._selector(None)
        if token.kind == "name":
            return self._named(self.take())
        raise self.unexpected(token)

    def _named(self, token: Token) -> Node:
        word, following = token.text.lower(), self.peek().text
        if word in _AGGREGATIONS and following in ("(", "by", "without", "BY", "WITHOUT"):
            return self._aggregation(token)
        if following == "(":
            return self._call(token)
        if word in ("inf", "nan"):
            return Number(value=math.inf if word == "inf" else math.nan)
        return self._selector(token.text)

    def _aggregation(self, token: Token) -> Node:
        operator = token.text.lower()
        clause = self._clause()
        arguments = self._arguments()
        clause = clause or self._clause()
        labels, without = clause or ((), False)
        parameter = arguments.pop(0) if operator in _WITH_PARAMETER and len(arguments) > 1 else None
        if len(arguments) != 1 or (operator in _WITH_PARAMETER) != (parameter is not None):
            raise QueryError(
                f"1:{token.position}: parse error: wrong number of arguments for aggregate expression provided"
            )
        self._expect_kind(token, arguments[0], "vector", "aggregation expression")
        if parameter is not None:
            self._expect_kind(token, parameter, _WITH_PARAMETER[operator], "aggregation parameter")
        return Aggregation(operator=operator, inner=arguments[0], parameter=parameter, labels=labels, without=without)

    def _clause(self) -> tuple[tuple[str, ...], bool] | None:
        word = self.accept("by", "without")
        return None if word is None else (self.labels(), word.text.lower() == "without")

    def _call(self, token: Token) -> Node:
        signature = FUNCTIONS.get(token.text)
        if signature is None:
            raise QueryError(f'1:{token.position}: parse error: unknown function with name "{token.text}"')
        arguments = self._arguments()
        if not signature.least <= len(arguments) <= signature.most:
            raise QueryError(
                f'1:{token.position}: parse error: expected {signature.least} argument(s) in call to "{token.text}", got {len(arguments)}'
            )
        for index, argument in enumerate(arguments):
            kind = signature.arguments[min(index, len(signature.arguments) - 1)]
            self._expect_kind(token, argument, kind, f'call to function "{token.text}"')
        return Call(kind=signature.result, function=token.text, arguments=tuple(arguments))

    @staticmethod
    def _expect_kind(token: Token, node: Node, kind: str, where: str) -> None:
        if node.kind != kind:
            expected, got = _KIND_NAMES[kind], _KIND_NAMES[node.kind]
            raise QueryError(f"1:{token.position}: parse error: expected type {expected} in {where}, got {got}")

    def _arguments(self) -> list[Node]:
        self.expect("(")
        found: list[Node] = []
        while not self.accept(")"):
            if found:
                self.expect(",")
            found.append(self._expression(0))
        return found

    def _selector(self, name: str | None) -> Node:
        start = self.peek()
        matchers = [] if name is None else [Matcher(label="__name__", operator="=", value=name)]
        if self.accept("{"):
            first = True
            while not self.accept("}"):
                if not first:
                    self.expect(",")
                    if self.accept("}"):
                        break
                first = False
                matchers.append(self.matcher())
        if all(_matches_empty(matcher) for matcher in matchers):
            raise QueryError(
                f"1:{start.position}: parse error: vector selector must contain at least one non-empty matcher"
            )
        if sum(matcher.label == "__name__" and matcher.operator == "=" for matcher in matchers) > 1:
            raise QueryError(f"1:{start.position}: parse error: metric name must not be set twice")
        return Selector(matchers=tuple(matchers))


def _matches_empty(matcher: Matcher) -> bool:
    if matcher.operator in ("=", "!="):
        return (matcher.value == "") == (matcher.operator == "=")
    return (re.fullmatch(matcher.value, "") is not None) == (matcher.operator == "=~")
