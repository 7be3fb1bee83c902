"""Helpers to collect problems: a list that raises once, and "did you mean"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from cdk_sglang.errors import ConfigurationError, Problem


def raise_if_any(problems: Iterable[Problem]) -> None:
    """Raise one `ConfigurationError` with every problem, or return when there is none."""
    found = list(problems)
    if found:
        raise ConfigurationError(found)


def did_you_mean(word: str, known: Iterable[str], *, list_up_to: int = 12) -> str:
    """Return "did you mean 'x'" for a near miss, the known words when they are few, else the nearest three."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}"
    if len(words) <= list_up_to:
        return f"known: {', '.join(words)}"
    nearest = difflib.get_close_matches(word, words, n=3, cutoff=0.0)
    return f"nearest of {len(words)} known: {', '.join(nearest)}"
