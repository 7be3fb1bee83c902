"""The examples that Hypothesis draws: a property's own, whatever else was imported into the process.

Hypothesis (6.170, `hypothesis.internal.conjecture.providers`) takes up to one in twenty values from constants in the sources of all modules of
this repository that are imported by then, with `derandomize` too. A file run alone would then have other examples than in the whole suite, and
those of a worker would depend on the files it ran before.
"""

from __future__ import annotations

from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider
from hypothesis.internal.constants_ast import Constants


class _SameExamples(HypothesisProvider):
    """Hypothesis's own provider, without the constants of imported modules."""

    _local_constants = Constants()


def draw_same_examples() -> None:
    """Draw no constants of imported modules in this process from here on: with `derandomize` or a seed, the same examples in every run."""
    AVAILABLE_PROVIDERS["hypothesis"] = _SameExamples
