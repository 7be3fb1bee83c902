"""Number of copies that answered, as SageMaker reports it during a repeat, since copies may start and end meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from cdk_sglang.benchmarking.result import Measurement

LOOK_SECONDS: Final = 15.0
"""Seconds between two checks: a copy takes longer to start, and each check is one request to SageMaker."""
UNKNOWN: Final = "unknown"


class CopiesSeen:
    """Copies that were reported during one repeat.

    Args:
        copies: Returns the current number of copies; None if SageMaker reports none.
        clock: Seconds of a monotonic clock.

    Attributes:
        fewest: Minimum number of copies; None if none were reported.
        most: Maximum number of copies.
    """

    def __init__(self, copies: Callable[[], int | None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._copies, self._clock = copies, clock
        self.fewest: int | None = None
        self.most: int | None = None
        self._next = clock()
        self.look()

    def look(self, *, now: bool = False) -> None:
        """Query SageMaker, unless the last check was only recently.

        Args:
            now: Whether to query in any case.
        """
        if not now and self._clock() < self._next:
            return
        self._next = self._clock() + LOOK_SECONDS
        found = self._copies()
        if found:
            self.fewest = found if self.fewest is None else min(self.fewest, found)
            self.most = found if self.most is None else max(self.most, found)

    def constant(self, before: int) -> int:
        """Return the number of copies during the whole repeat; 0 if it changed or is unknown.

        Args:
            before: Copies reported before the run, used if none were reported during it.
        """
        if self.fewest is None:
            return before
        return self.fewest if self.fewest == self.most else 0


def copies_of(one: Measurement) -> tuple[int, int] | None:
    """Return the minimum and maximum number of copies of a repeat; None if unknown. Rows from before 2026-12-02 use the number before the run."""
    if one.copies_min is not None and one.copies_max is not None:
        return one.copies_min, one.copies_max
    return (one.deployed.copies, one.deployed.copies) if one.deployed.copies >= 1 else None


def copies_words(repeats: Sequence[Measurement]) -> str:
    """Return the copies of some repeats in words: "2", "1 to 3", or "unknown" if SageMaker reported none."""
    found = [copies for one in repeats if (copies := copies_of(one)) is not None]
    if not found:
        return UNKNOWN
    fewest, most = min(low for low, _ in found), max(high for _, high in found)
    words = str(fewest) if fewest == most else f"{fewest} to {most}"
    return (
        words
        if len(found) == len(repeats)
        else f"{words}, {UNKNOWN} in {len(repeats) - len(found)} of {len(repeats)} repeats"
    )
