"""One option of SGLang's argument parser, and whether it takes a value."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from cdk_sglang.checks import did_you_mean

# argparse actions that take no value; the deprecated ones still work.
_SWITCH_KINDS = frozenset({"StoreTrueAction", "DeprecatedStoreTrueAction", "BooleanOptionalAction"})
_LIST_NARGS = frozenset({"+", "*"})
_JSON_TYPES = frozenset({"loads", "json_list_type"})

ExtraScalar = bool | int | float | str


@dataclass(frozen=True, kw_only=True)
class FlagSpec:
    """One option of SGLang's parser.

    Args:
        flags: Its spellings; the first is the one rendered.
        dest: The name SGLang stores it under, our `extra` key.
        kind: The argparse action's class name.
        value_type: The name of the function argparse converts with; `None` for a switch.
        nargs: "+", "*" or "?" for several or optional values, else `None`.
        default: SGLang's default.
        choices: Allowed values; empty if any value is allowed.
    """

    flags: tuple[str, ...]
    dest: str
    kind: str
    value_type: str | None = None
    nargs: str | None = None
    default: Any = None
    choices: tuple[ExtraScalar, ...] = ()

    @property
    def is_switch(self) -> bool:
        """Whether the option takes no value."""
        return self.kind in _SWITCH_KINDS

    @property
    def can_be_negated(self) -> bool:
        """Whether there is a `--no-…` spelling; other switches can only be left out."""
        return self.kind == "BooleanOptionalAction"

    @property
    def takes_list(self) -> bool:
        """Whether several values may follow the flag."""
        return self.nargs in _LIST_NARGS

    def problem_with(self, value: ExtraScalar | list[Any]) -> str | None:
        """Return why SGLang would not accept a value; `None` if it would.

        Args:
            value: What the user wrote; a list only where several values may follow.
        """
        if self.is_switch:
            return None if isinstance(value, bool) else f"is a switch, got {value!r}; write true or leave it out"
        if isinstance(value, list):
            if not self.takes_list:
                return f"takes one {self._type_words}, got a list of {len(value)}"
            if not value:
                return "got an empty list; name at least one value or leave it out"
            return next((why for item in value if (why := self._problem_with_one(item)) is not None), None)
        return self._problem_with_one(value)

    @property
    def _type_words(self) -> str:
        words = {"int": "whole number", "human_readable_int": "whole number", "float": "number"}
        return "JSON text" if self.value_type in _JSON_TYPES else words.get(self.value_type or "", "text")

    def _problem_with_one(self, value: ExtraScalar) -> str | None:
        right_type = {
            "int": isinstance(value, int),
            "human_readable_int": isinstance(value, int),
            "float": isinstance(value, int | float),
        }.get(self.value_type or "", isinstance(value, int | float | str))
        if isinstance(value, bool) or not right_type:
            return f"takes a {self._type_words}, got {value!r}"
        if self.choices and value not in self.choices:
            if isinstance(value, str):
                return f"does not take {value!r}; {did_you_mean(value, map(str, self.choices))}"
            return f"does not take {value!r}; allowed: {', '.join(map(str, self.choices))}"
        if self.value_type in _JSON_TYPES:
            return _json_problem(str(value), is_list=self.value_type == "json_list_type")
        return None


def _json_problem(text: str, *, is_list: bool) -> str | None:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return f"takes JSON text, got {text!r} ({error.msg} at character {error.pos})"
    if is_list and not isinstance(value, list):
        return f"takes a JSON list, got {text!r}"
    return None
