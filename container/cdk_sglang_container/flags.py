"""What SGLang's command line accepts, read from its own argparse parser: the container has no copy that could become outdated."""

from __future__ import annotations

import argparse
import difflib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PREFIX = "SM_SGLANG_"


class Arity(Enum):
    """How many values a flag takes."""

    SWITCH = "none"
    VALUE = "one"
    OPTIONAL = "none or one"
    VALUES = "several"


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One option of SGLang.

    Args:
        dest: Field that it sets; aliases share it.
        options: Its spellings, `--no-x` forms included.
        arity: How many values it takes.
        choices: Allowed values, if SGLang lists them.
    """

    dest: str
    options: tuple[str, ...]
    arity: Arity
    choices: tuple[str, ...] = ()

    @property
    def negation(self) -> str | None:
        """The spelling that switches it off, if there is one."""
        return next((option for option in self.options if option.startswith("--no-")), None)

    def says_no(self, option: str) -> bool:
        """Whether this spelling switches the flag off."""
        return self.arity is Arity.SWITCH and option == self.negation and len(self.options) > 1


class Flags:
    """SGLang's options by spelling.

    Args:
        flags: All of them.
    """

    def __init__(self, flags: Iterable[Flag]) -> None:
        self._by_option = {option: flag for flag in flags for option in flag.options}
        self._dests = frozenset(flag.dest for flag in self._by_option.values())

    @classmethod
    def from_parser(cls, parser: argparse.ArgumentParser) -> Flags:
        """Read a parser that SGLang has filled (`ServerArgs.add_cli_args`)."""
        actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
        return cls(
            Flag(
                dest=action.dest,
                options=tuple(option for option in action.option_strings if option.startswith("--")),
                arity=_arity(action.nargs),
                choices=tuple(str(choice) for choice in action.choices or ()),
            )
            for action in actions
        )

    def has(self, dest: str) -> bool:
        """Whether any option sets a field."""
        return dest in self._dests

    def find(self, variable: str) -> tuple[str, Flag] | str:
        """Return the option that an environment variable names.

        SGLang's parser takes unambiguous beginnings (`--tp`), so `SM_SGLANG_TP` works; where a beginning is ambiguous
        (`--pp`), the one called `<beginning>-size` is meant.

        Args:
            variable: With its prefix.

        Returns:
            The spelling and its flag, or the problem in words.
        """
        option = "--" + variable.removeprefix(PREFIX).lower().replace("_", "-")
        if option in self._by_option:
            return option, self._by_option[option]
        matches = sorted(known for known in self._by_option if known.startswith(option))
        if f"{option}-size" in matches:
            matches = [f"{option}-size"]
        if len({self._by_option[match].dest for match in matches}) == 1:
            return matches[0], self._by_option[matches[0]]
        if matches:
            return f"{variable}: is the beginning of several flags; name one of {_variables(matches)}"
        close = difflib.get_close_matches(option, self._by_option, n=3)
        hint = f"; did you mean {_variables(close)}" if close else ""
        return f"{variable}: SGLang has no flag {option}{hint}"


def _arity(nargs: int | str | None) -> Arity:
    if nargs == 0:
        return Arity.SWITCH
    if nargs == "?":
        return Arity.OPTIONAL
    return Arity.VALUE if nargs is None else Arity.VALUES


def _variables(options: Sequence[str]) -> str:
    return ", ".join(PREFIX + option.removeprefix("--").replace("-", "_").upper() for option in options)
