"""What keeps a change from being merged or deployed: bounds of its cost, and whether something stops serving."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cdk_sglang.cli.diff.comparison import FULL_SCALE, Comparison

_CENT = 0.005
"""Differences below half a cent are those of sums."""


@dataclass(frozen=True, kw_only=True)
class Gates:
    """What a change may do.

    Attributes:
        budget: Maximum cost of the environment, dollars per hour at full scale; None for no bound.
        max_rise: By how much that may rise; None for no bound.
        no_replacement: Whether nothing may be replaced or removed.
    """

    budget: float | None = None
    max_rise: float | None = None
    no_replacement: bool = False

    def crossed(self, comparison: Comparison) -> list[str]:
        """Return the bounds that a change crosses, each with its figures.

        Args:
            comparison: The change.
        """
        return [*self._costs(comparison), *self._replacements(comparison)]

    def _costs(self, comparison: Comparison) -> Iterator[str]:
        cost = comparison.full_scale
        if self.budget is not None:
            if cost.after is None:
                yield f"the budget of {self.budget:,.2f} $/h cannot be checked: a price is unknown"
            elif cost.after > self.budget + _CENT:
                yield f"up to {cost.after:,.2f} $/h at {FULL_SCALE}, {self.budget:,.2f} allowed by --budget"
        if self.max_rise is not None:
            if cost.rise is None:
                yield f"the rise of at most {self.max_rise:,.2f} $/h cannot be checked: a price is unknown"
            elif cost.rise > self.max_rise + _CENT:
                yield f"{cost.rise:,.2f} $/h more at {FULL_SCALE}, {self.max_rise:,.2f} allowed by --max-rise"

    def _replacements(self, comparison: Comparison) -> Iterator[str]:
        if self.no_replacement and comparison.report is not None:
            yield from (f"{one}, not allowed by --no-replacement" for one in comparison.report.interruptions())
