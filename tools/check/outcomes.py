"""One line per check, what is wrong below it, a summary at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

_NAME_WIDTH = 44


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one check found.

    Args:
        figures: What was looked at, in numbers; stands on the check's line.
        problems: One line each: where, what, and what to do. None when the check passed.
    """

    figures: str
    problems: list[str] = field(default_factory=list)


class Checks:
    """Runs checks one after another and keeps count."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._passed: list[str] = []
        self._failed: list[str] = []

    def run(self, name: str, check: Callable[[], Outcome]) -> bool:
        """Run one check and print its line; return whether it passed."""
        started = time.monotonic()
        outcome = check()
        took = time.monotonic() - started
        word = "FAIL" if outcome.problems else "ok"
        print(f"{word:5}{name:{_NAME_WIDTH}}{took:6.1f} s  {outcome.figures}", flush=True)
        for problem in outcome.problems:
            print(f"       {problem}", flush=True)
        (self._failed if outcome.problems else self._passed).append(name)
        return not outcome.problems

    def summary(self) -> int:
        """Print the last line and return the exit status: 0, or 1 when anything failed."""
        took = time.monotonic() - self._started
        total = len(self._passed) + len(self._failed)
        failed = f"; failed: {', '.join(self._failed)}" if self._failed else ""
        print(f"{len(self._passed)} of {total} checks passed in {took:.0f} s{failed}")
        return 1 if self._failed else 0
