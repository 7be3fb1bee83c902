"""One check and its outcome."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass


class Outcome(enum.StrEnum):
    """The outcome of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"
    UNKNOWN = "could not check"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found.

    Attributes:
        outcome: Its outcome.
        text: What was found, in a line.
        next_step: What to do about it; empty if there is nothing to do.
    """

    outcome: Outcome
    text: str
    next_step: str = ""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check.

    Attributes:
        name: Its name, unique among the checks of the environment.
        look: Makes the check and returns what it found; any exception becomes "could not check".
    """

    name: str
    look: Callable[[], Finding]


@dataclass(frozen=True, kw_only=True)
class Result:
    """A check's name with what it found."""

    name: str
    finding: Finding


def ok(text: str) -> Finding:
    """Return a finding with which a deployment succeeds.

    Args:
        text: What was found.
    """
    return Finding(outcome=Outcome.OK, text=text)


def warning(text: str, next_step: str) -> Finding:
    """Return a finding that does not fail a deployment, but that its author should know.

    Args:
        text: What was found.
        next_step: What to do about it.
    """
    return Finding(outcome=Outcome.WARNING, text=text, next_step=next_step)


def failure(text: str, next_step: str) -> Finding:
    """Return a finding with which a deployment fails.

    Args:
        text: What was found.
        next_step: What to do about it.
    """
    return Finding(outcome=Outcome.FAILURE, text=text, next_step=next_step)


def unknown(text: str, next_step: str) -> Finding:
    """Return a finding that something could not be checked.

    Args:
        text: Why not.
        next_step: What to do about it.
    """
    return Finding(outcome=Outcome.UNKNOWN, text=text, next_step=next_step)
