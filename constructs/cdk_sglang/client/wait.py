"""Limits of a request's wait, and its clock."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import Final, Protocol

from .errors import WaitCancelledError

_GROWTH: Final = 1.5
_JITTER: Final = 0.25
_MAX_PAUSE_SECONDS: Final = 30


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Limits of a wait.

    The attempts themselves wake a component: each adds to NoCapacityInvocationFailures. The alarm of AWS's example fires if a
    minute has more than one of them, so pauses are short enough for several attempts a minute.

    Args:
        up_to_seconds: Seconds from the first attempt to the last. AWS measured about 5 minutes from zero to the first answer for
            models of 8B and 6 for 70B ("Unlock cost savings with the new scale down to zero feature", read 2026-11-26).
        first_pause_seconds: Pause after the first refusal; each later pause is half as long again, with a quarter of jitter.
        longest_pause_seconds: Longest pause; 30 at most.
        unreachable_up_to_seconds: Seconds of attempts without a connection: a wrong Region or a missing VPC endpoint does not
            recover.
        describe_every_seconds: Shortest interval between calls of DescribeInferenceComponent; 0 for no calls.
    """

    up_to_seconds: float = 900
    first_pause_seconds: float = 2
    longest_pause_seconds: float = 15
    unreachable_up_to_seconds: float = 30
    describe_every_seconds: float = 10

    def __post_init__(self) -> None:
        problems = [
            f"{name}: {value!r} is not allowed; use a number of seconds of 0 or more"
            for name, value in vars(self).items()
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf")
        ]
        if not problems and not 0 < self.first_pause_seconds <= self.longest_pause_seconds <= _MAX_PAUSE_SECONDS:
            problems.append(
                f"first_pause_seconds, longest_pause_seconds: got {self.first_pause_seconds} and {self.longest_pause_seconds}; "
                f"use 0 < first <= longest <= {_MAX_PAUSE_SECONDS}, so that a minute has the two attempts that wake a component"
            )
        if problems:
            raise ValueError("; ".join(problems))

    def pause_seconds(self, refusals: int) -> float:
        """Return the pause in seconds after some refusals, with jitter.

        Args:
            refusals: Refusals so far, 1 or more.
        """
        pause = self.first_pause_seconds * _GROWTH ** min(refusals - 1, 32)
        return min(pause, self.longest_pause_seconds) * random.uniform(1 - _JITTER, 1)  # noqa: S311  spreads load


class Clock(Protocol):
    """A clock and its pauses; tests use their own."""

    def now(self) -> float:
        """Return the seconds of a monotonic clock."""

    def sleep(self, seconds: float, cancel: threading.Event | None) -> None:
        """Pause.

        Raises:
            WaitCancelledError: `cancel` was set, before or during the pause.
        """

    async def asleep(self, seconds: float) -> None:
        """Pause in an event loop."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Return the seconds of a monotonic clock."""
        return time.monotonic()

    def sleep(self, seconds: float, cancel: threading.Event | None) -> None:
        """Pause; end at once when `cancel` is set or Ctrl-C is pressed."""
        if cancel is None:
            time.sleep(seconds)
        elif cancel.wait(seconds):
            raise WaitCancelledError("cancelled while the request waited for a copy; no copy has seen it")

    async def asleep(self, seconds: float) -> None:
        """Pause in an event loop; cancelling the task ends the pause at once."""
        import anyio

        await anyio.sleep(seconds)
