"""Rules of composite alarms: ALARM(), OK(), INSUFFICIENT_DATA() and AT_LEAST() of other alarms, joined by AND, OR and NOT.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html (read 2026-11)
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Rule: TypeAlias = Callable[[Mapping[str, str]], bool]
"""Whether a rule holds, given the states of alarms."""
_STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")
_TOKEN = re.compile(
    r"\s*(?:(?P<symbol>[(),])|\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|'(?P<single>[^']*)'|(?P<word>[^\s(),\"']+))"
)
_CHILDREN_MAX = 100  # "can reference as many as 100 children", same page


class RuleError(ValueError):
    """A rule that CloudWatch refuses."""


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """A rule, and the names of the alarms in it."""

    holds: Rule
    names: frozenset[str]


def parse(rule: str) -> Parsed:
    """Parse a rule. Raises RuleError if it is malformed."""
    parser = _Parser(rule)
    holds = parser.disjunction()
    parser.expect("end")
    if len(parser.names) > _CHILDREN_MAX:
        raise RuleError(f"AlarmRule names {len(parser.names)} alarms, at most {_CHILDREN_MAX} are allowed")
    return Parsed(holds=holds, names=frozenset(parser.names))


class _Parser:
    def __init__(self, text: str) -> None:
        self.names: set[str] = set()
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while text[position:].strip():
            found = _TOKEN.match(text, position)
            if found is None:
                raise RuleError(f"AlarmRule cannot be read from {text[position:][:40]!r}")
            kind = str(found.lastgroup)
            value = re.sub(r"\\(.)", r"\1", found["quoted"]) if kind == "quoted" else found[kind]
            self._tokens.append(("name" if kind in ("quoted", "single") else kind, value))
            position = found.end()
        self._tokens.append(("end", ""))

    def _accept(self, *words: str) -> str | None:
        kind, value = self._tokens[0]
        word = "end" if kind == "end" else value.upper() if kind == "word" else value if kind == "symbol" else None
        if word not in words:
            return None
        if kind != "end":
            self._tokens.pop(0)
        return word

    def expect(self, word: str) -> None:
        if self._accept(word) is None:
            raise RuleError(f"AlarmRule has {self._tokens[0][1] or 'its end'!r} where {word!r} is needed")

    def disjunction(self) -> Rule:
        rules = [self._conjunction()]
        while self._accept("OR"):
            rules.append(self._conjunction())
        return rules[0] if len(rules) == 1 else lambda states: any(rule(states) for rule in rules)

    def _conjunction(self) -> Rule:
        rules = [self._term()]
        while self._accept("AND"):
            rules.append(self._term())
        return rules[0] if len(rules) == 1 else lambda states: all(rule(states) for rule in rules)

    def _term(self) -> Rule:
        if self._accept("NOT"):
            inner = self._term()
            return lambda states: not inner(states)
        if self._accept("("):
            inner = self.disjunction()
            self.expect(")")
            return inner
        if (constant := self._accept("TRUE", "FALSE")) is not None:
            return lambda _: constant == "TRUE"
        if self._accept("AT_LEAST"):
            return self._at_least()
        state = self._accept(*_STATES)
        if state is None:
            raise RuleError(f"AlarmRule has {self._tokens[0][1] or 'its end'!r} where a condition is needed")
        self.expect("(")
        name = self._name()
        self.expect(")")
        return lambda states: states.get(name) == state

    def _name(self) -> str:
        kind, value = self._tokens.pop(0)
        if kind not in ("name", "word"):
            raise RuleError(f"AlarmRule has {value or 'its end'!r} where the name of an alarm is needed")
        name = value.rpartition(":alarm:")[2] if value.startswith("arn:") else value
        self.names.add(name)
        return name

    def _at_least(self) -> Rule:
        self.expect("(")
        kind, number = self._tokens.pop(0)
        match = re.fullmatch(r"([0-9]+)(%?)", number) if kind == "word" else None
        if match is None:
            raise RuleError(f"AlarmRule has {number!r} where AT_LEAST needs a number or a percentage")
        self.expect(",")
        negated = self._accept("NOT") is not None
        state = self._accept(*_STATES)
        if state is None:
            raise RuleError("AlarmRule: AT_LEAST needs a state, such as ALARM or NOT OK")
        self.expect(",")
        self.expect("(")
        names = [self._name()]
        while self._accept(","):
            names.append(self._name())
        self.expect(")")
        self.expect(")")
        least = math.ceil(int(match[1]) / 100 * len(names)) if match[2] else int(match[1])
        return lambda states: sum((states.get(name) == state) != negated for name in names) >= least
