"""Tokens of PromQL."""

from __future__ import annotations

import re
from dataclasses import dataclass

from localcloud.aws.metrics.promql.nodes import QueryError

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_DURATION = r"(?:[0-9]+(?:ms|[smhdwy]))+"
_TOKEN = re.compile(
    rf"""
    (?P<space>\s+|\#[^\n]*)
  | (?P<duration>{_DURATION})(?![a-zA-Z0-9_.])
  | (?P<number>0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
  | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
  | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
  | (?P<symbol>=~|!~|==|!=|<=|>=|[-+*/%^(){{}}\[\],=<>@:])
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\\"'])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL
)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "'": "'"}


@dataclass(frozen=True)
class Token:
    """A token: its kind, its text, and the position of its first character, counted from 1."""

    kind: str
    text: str
    position: int


def tokens(query: str) -> list[Token]:
    """Split a query into tokens; the last one is of the kind `end`. Raises QueryError at a character that fits nothing."""
    found: list[Token] = []
    position, in_brackets = 0, 0
    while position < len(query):
        match = _TOKEN.match(query, position)
        if match is None:
            raise QueryError(f"1:{position + 1}: parse error: unexpected character: {query[position]!r}")
        kind, text = str(match.lastgroup), match[0]
        if kind == "name" and in_brackets and text.startswith(":"):  # the colon of a subquery, not of a name
            kind, text = "symbol", ":"
        in_brackets += (text == "[") - (text == "]") if kind == "symbol" else 0
        if kind != "space":
            found.append(Token(kind, text, position + 1))
        position += len(text)
    return [*found, Token("end", "", len(query) + 1)]


def seconds(duration: str) -> float:
    """Convert a duration such as 1h30m into seconds."""
    return sum(int(number) * _UNITS_S[unit] for number, unit in re.findall(r"([0-9]+)(ms|[smhdwy])", duration))


def number(text: str) -> float:
    """Value of a number in decimal or hexadecimal digits."""
    return float(int(text, 16)) if text[:2].lower() == "0x" else float(text)


def unquoted(text: str) -> str:
    """Value of a string with its quotes and escapes, which are Go's; raises QueryError for an unknown escape."""
    if text.startswith("`"):
        return text[1:-1]

    def value(match: re.Match[str]) -> str:
        simple, octal, two, four, eight, other = match.groups()
        if other is not None:
            raise QueryError(f"parse error: unknown escape sequence U+{ord(other):04X} {other!r}")
        if simple is not None:
            return _SIMPLE[simple]
        return chr(int(octal, 8) if octal else int(two or four or eight, 16))

    return _ESCAPE.sub(value, text[1:-1])
