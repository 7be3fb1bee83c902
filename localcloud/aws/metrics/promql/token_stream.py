"""Tokens of a query as its parser consumes them, and the elementary parts of a query: labels, matchers, durations."""

from __future__ import annotations

import re

from localcloud.aws.metrics.promql.lexer import Token, number, seconds, tokens, unquoted
from localcloud.aws.metrics.promql.nodes import Matcher, QueryError


class TokenStream:
    """Tokens of one query."""

    def __init__(self, query: str) -> None:
        self._tokens = tokens(query)
        self._next = 0

    def peek(self) -> Token:
        """Next token."""
        return self._tokens[self._next]

    def take(self) -> Token:
        """Take the next token."""
        token = self._tokens[self._next]
        self._next += token.kind != "end"
        return token

    def accept(self, *texts: str) -> Token | None:
        """Take the next token if it is one of these symbols or words; words have no case."""
        token = self.peek()
        matches = token.kind in ("symbol", "name") and (token.text.lower() if token.kind == "name" else token.text)
        return self.take() if matches in texts else None

    def expect(self, text: str) -> Token:
        """Take a required symbol or word."""
        token = self.accept(text)
        if token is None:
            raise self.unexpected(self.peek(), expected=text)
        return token

    @staticmethod
    def unexpected(token: Token, *, expected: str = "") -> QueryError:
        """Error about a token in an invalid place."""
        found = "end of input" if token.kind == "end" else repr(token.text)
        return QueryError(
            f"1:{token.position}: parse error: unexpected {found}" + (f", expected {expected!r}" if expected else "")
        )

    def duration(self) -> float:
        """Take a duration, or a number of seconds."""
        token = self.take()
        if token.kind not in ("duration", "number"):
            raise self.unexpected(token, expected="duration")
        return seconds(token.text) if token.kind == "duration" else number(token.text)

    def instant(self) -> float | str:
        """Take what follows `@`: a time, `start()` or `end()`."""
        if (word := self.accept("start", "end")) is not None:
            self.expect("(")
            self.expect(")")
            return word.text.lower()
        sign = -1 if self.accept("-") else 1
        token = self.take()
        if token.kind != "number":
            raise self.unexpected(token, expected="timestamp")
        return sign * number(token.text)

    def labels(self) -> tuple[str, ...]:
        """Take labels in parentheses."""
        self.expect("(")
        found: list[str] = []
        while not self.accept(")"):
            if found:
                self.expect(",")
                if self.accept(")"):
                    break
            found.append(self.label())
        return tuple(found)

    def label(self) -> str:
        """Take a label, which may be quoted."""
        token = self.take()
        if token.kind == "string":
            return unquoted(token.text)
        if token.kind != "name":
            raise self.unexpected(token, expected="label")
        return token.text

    def matcher(self) -> Matcher:
        """Take one matcher of a selector; a quoted name alone is the metric's."""
        token = self.peek()
        label = self.label()
        operator = self.accept("=", "!=", "=~", "!~")
        if operator is None:
            if token.kind == "string":
                return Matcher(label="__name__", operator="=", value=label)
            raise self.unexpected(self.peek(), expected="label matching operator")
        value = self.take()
        if value.kind != "string":
            raise self.unexpected(value, expected="string")
        text = unquoted(value.text)
        if operator.text in ("=~", "!~"):
            try:
                re.compile(text)
            except re.error as error:
                raise QueryError(f"1:{value.position}: parse error: error parsing regexp: {error}") from error
        return Matcher(label=label, operator=operator.text, value=text)
