"""Output of checks: a line per check, its problems below the line, and a summary at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

_NAME_WIDTH = 44


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Result of a check.

    Args:
        figures: Numbers of checked items, printed on the check's line.
        problems: One line per problem: the place, the problem and the next step. Empty if the check passed.
    """

    figures: str
    problems: list[str] = field(default_factory=list)


class Checks:
    """Runs checks one after another and counts the failures."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._passed: list[str] = []
        self._failed: list[str] = []

    def run(self, name: str, check: Callable[[], Outcome]) -> bool:
        """Run one check and print its line; return whether it passed."""
        start = time.monotonic()
        outcome = check()
        seconds = time.monotonic() - start
        word = "FAIL" if outcome.problems else "ok"
        print(f"{word:5}{name:{_NAME_WIDTH}}{seconds:6.1f} s  {outcome.figures}", flush=True)
        for problem in outcome.problems:
            print(f"       {problem}", flush=True)
        (self._failed if outcome.problems else self._passed).append(name)
        return not outcome.problems

    def summary(self) -> int:
        """Print the last line and return the exit status: 0, or 1 if any check failed."""
        seconds = time.monotonic() - self._start
        total = len(self._passed) + len(self._failed)
        failed = f"; failed: {', '.join(self._failed)}" if self._failed else ""
        print(f"{len(self._passed)} of {total} checks passed in {seconds:.0f} s{failed}")
        return 1 if self._failed else 0
