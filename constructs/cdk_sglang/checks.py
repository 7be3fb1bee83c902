"""Helpers for collecting problems: raising all of them at once, and "did you mean"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

from cdk_sglang.errors import ConfigurationError, Problem

_SHORTEST_BEGINNING: Final = 3
"""Minimum number of letters for a word to count as the beginning of another, such as `fp8` of `fp8_e4m3`."""


def raise_if_any(problems: Iterable[Problem]) -> None:
    """Raise one `ConfigurationError` with every problem, or return if there is none."""
    found = list(problems)
    if found:
        raise ConfigurationError(found)


def did_you_mean(word: str, known: Iterable[str], *, list_up_to: int = 16) -> str:
    """Return "did you mean 'x'" for a near miss, else the known words if they are few, else the three nearest."""
    words = sorted(known)
    near = nearest(word, words)
    if near is not None:
        return f"did you mean {near!r}"
    if len(words) <= list_up_to:
        return f"known: {', '.join(words)}"
    three = difflib.get_close_matches(word, words, n=3, cutoff=0.0)
    return f"nearest of {len(words)} known: {', '.join(three)}"


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the likely intended word: one with the same beginning, else one with the same letters, else the most similar; None if none is near."""
    words = sorted(words)
    begin = [other for other in words if len(word) >= _SHORTEST_BEGINNING and other.startswith(word)]
    if begin:
        return min(begin, key=len)
    near = difflib.get_close_matches(word, words, n=5, cutoff=0.6)
    swapped = [other for other in near if sorted(other) == sorted(word)]
    return next(iter([*swapped, *near]), None)
