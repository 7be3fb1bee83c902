"""Filter patterns of CloudWatch Logs: terms, phrases, alternatives and exclusions, regular expressions, and conditions on JSON.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html (read 2026-11). A term matches anywhere in a line. Not
evaluated: patterns for space-delimited fields (`[ip, user, ...]`).
"""

from __future__ import annotations

import fnmatch
import json
import operator
import re
from collections.abc import Callable
from typing import Any, TypeAlias

Matches: TypeAlias = Callable[[str], bool]
"""Whether a line matches a pattern."""
_Condition: TypeAlias = Callable[[Any], bool]
_TERM = re.compile(
    r"\s*(?P<sign>[?-]?)(?:\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|%(?P<regex>[^%]*)%|(?P<word>[^\s\"%]+))(?=\s|$)"
)
_JSON = re.compile(
    r"\s*(?:(?P<symbol>\(|\)|&&|\|\||!=|<=|>=|=|<|>)"
    r"|(?P<path>\$(?:\.[A-Za-z0-9_\-]+|\[[0-9*]+\]|\.?\[['\"][^'\"]+['\"]\])+)"
    r"|\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|%(?P<regex>[^%]*)%|(?P<word>[^\s()&|=<>!\"%]+))"
)
_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MISSING = object()


class PatternError(ValueError):
    """A pattern that CloudWatch Logs refuses, or that is not evaluated here."""


def compiled(pattern: str) -> Matches:
    """Return a function that decides whether a line matches. Raises PatternError for a malformed pattern."""
    text = pattern.strip()
    if text.startswith("{"):
        if not text.endswith("}"):
            raise PatternError(f"Invalid metric filter pattern: no closing brace in {text!r}")
        condition = _JsonPattern(text[1:-1]).whole()
        return lambda line: _json_holds(condition, line)
    if text.startswith("["):
        raise PatternError("Patterns of space-delimited fields are not evaluated by the embedded AWS")
    return _terms(text)


def _json_holds(condition: _Condition, line: str) -> bool:
    try:
        content = json.loads(line)
    except ValueError:
        return False
    return isinstance(content, dict) and condition(content)


def _regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise PatternError(f"Invalid metric filter pattern: {error} in {text!r}") from error


def _terms(text: str) -> Matches:
    groups: dict[str, list[Matches]] = {"": [], "?": [], "-": []}
    position = 0
    while position < len(text.rstrip()):
        found = _TERM.match(text, position)
        if found is None:
            raise PatternError(
                f"Invalid metric filter pattern: cannot read {text[position:]!r}; other characters than letters need quotes"
            )
        groups[found["sign"]].append(_term(found))
        position = found.end()
    required, alternatives, excluded = groups[""], groups["?"], groups["-"]
    if required:  # next to required terms, CloudWatch ignores alternatives
        alternatives = []
    return lambda line: (
        all(term(line) for term in required)
        and (not alternatives or any(term(line) for term in alternatives))
        and not any(term(line) for term in excluded)
    )


def _term(found: re.Match[str]) -> Matches:
    if found["regex"] is not None:
        expression = _regex(found["regex"])
        return lambda line: expression.search(line) is not None
    word = found["word"] or re.sub(r"\\(.)", r"\1", found["quoted"] or "")
    return lambda line: word in line


def field(content: Any, path: str) -> Any:
    """Value at a path such as `$.error.code` or `$.items[0]`; None if there is none."""
    value = _at(content, path)
    return None if value is _MISSING else value


def _at(content: Any, path: str) -> Any:
    for name, index, quoted in re.findall(r"\.([A-Za-z0-9_\-]+)|\[([0-9]+)\]|\.?\[['\"]([^'\"]+)['\"]\]", path):
        if index and isinstance(content, list) and int(index) < len(content):
            content = content[int(index)]
        elif not index and isinstance(content, dict) and (name or quoted) in content:
            content = content[name or quoted]
        else:
            return _MISSING
    return content


class _JsonPattern:
    """Parser of the conditions between the braces of a pattern."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            found = _JSON.match(text, position)
            if found is None:
                raise PatternError(f"Invalid metric filter pattern: cannot read {text[position:]!r}")
            self._tokens.append((str(found.lastgroup), str(found[str(found.lastgroup)])))
            position = found.end()
        self._tokens.append(("end", ""))

    def whole(self) -> _Condition:
        condition = self._either()
        if self._tokens[0][0] != "end":
            raise self._unexpected()
        return condition

    def _unexpected(self) -> PatternError:
        return PatternError(f"Invalid metric filter pattern: unexpected {self._tokens[0][1] or 'end'!r}")

    def _accept(self, *words: str) -> str | None:
        kind, value = self._tokens[0]
        word = value.upper() if kind == "word" else value if kind == "symbol" else None
        if word not in words:
            return None
        self._tokens.pop(0)
        return word

    def _either(self) -> _Condition:
        conditions = [self._both()]
        while self._accept("||"):
            conditions.append(self._both())
        return lambda content: any(condition(content) for condition in conditions)

    def _both(self) -> _Condition:
        conditions = [self._one()]
        while self._accept("&&"):
            conditions.append(self._one())
        return lambda content: all(condition(content) for condition in conditions)

    def _one(self) -> _Condition:
        if self._accept("("):
            inner = self._either()
            if not self._accept(")"):
                raise self._unexpected()
            return inner
        kind, path = self._tokens.pop(0)
        if kind != "path":
            raise PatternError(f"Invalid metric filter pattern: {path or 'end'!r} is no path such as $.error.code")
        if self._accept("IS"):
            return self._is(path)
        if self._accept("NOT"):
            if not self._accept("EXISTS"):
                raise self._unexpected()
            return lambda content: _at(content, path) is _MISSING
        comparison = self._accept("=", "!=", "<", "<=", ">", ">=")
        if comparison is None:
            raise self._unexpected()
        return self._compared(path, comparison)

    def _is(self, path: str) -> _Condition:
        word = self._accept("TRUE", "FALSE", "NULL")
        if word is None:
            raise self._unexpected()
        literal = {"TRUE": True, "FALSE": False, "NULL": None}[word]
        return lambda content: _at(content, path) is literal

    def _compared(self, path: str, comparison: str) -> _Condition:
        kind, value = self._tokens.pop(0)
        if comparison in _ORDER:
            return self._ordered(path, _ORDER[comparison], value)
        if kind == "regex":
            equal = _matching(_regex(value))
        elif kind in ("quoted", "word"):
            equal = _equal_to(value)
        else:
            raise PatternError(f"Invalid metric filter pattern: {value or 'end'!r} is no value")

        def holds(content: Any) -> bool:
            found = _at(content, path)
            return found is not _MISSING and equal(found) == (comparison == "=")

        return holds

    @staticmethod
    def _ordered(path: str, order: Callable[[float, float], bool], value: str) -> _Condition:
        try:
            bound = float(value)
        except ValueError as error:
            raise PatternError(f"Invalid metric filter pattern: {value!r} is no number") from error

        def holds(content: Any) -> bool:
            found = _at(content, path)
            return isinstance(found, int | float) and not isinstance(found, bool) and order(found, bound)

        return holds


def _matching(expression: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda found: isinstance(found, str) and expression.search(found) is not None


def _equal_to(value: str) -> Callable[[Any], bool]:
    def equal(found: Any) -> bool:
        if isinstance(found, str):
            return fnmatch.fnmatchcase(found, value.replace("[", "[[]").replace("?", "[?]"))
        if isinstance(found, int | float) and not isinstance(found, bool):
            try:
                return found == float(value)
            except ValueError:
                return False
        return False

    return equal
