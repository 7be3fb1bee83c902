"""From moments to stretches of time: which sample stands for which seconds of a day, and which of them nobody saw.

A sample stands for the time around it, to half the way to its neighbours. What starts or ends between two samples is so dated within half
of their distance, in either direction. UTC alone: its days have 24 hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600
LONGEST_GAP_SECONDS = 6 * HOUR_SECONDS
"""Longest time without a sample that is filled from both sides; of a longer one only the ends are, half a period each. An outage of a service
is shorter, a schedule that was switched off is longer."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Span(Generic[T]):
    """Seconds of one hour that one sample stands for.

    Attributes:
        start: First second, since 1970.
        end: Second after the last one.
        value: What was sampled.
        interpolated: Whether the sample is further away than a sample should be.
    """

    start: int
    end: int
    value: T
    interpolated: bool

    @property
    def seconds(self) -> int:
        """Length in seconds."""
        return self.end - self.start


def spans(samples: Sequence[tuple[int, T]], *, start: int, end: int, period: int) -> list[Span[T]]:
    """Return the stretches of a time, in order and without overlap; what no sample stands for is left out.

    Args:
        samples: Moments in seconds since 1970 and what was seen then, in order; those before `start` and after `end` matter at the ends.
        start: First second.
        end: Second after the last one.
        period: Seconds between two samples when none is missing.
    """
    found = []
    half, near = period // 2, period * 3 // 4  # a quarter of a period for schedules that are late
    for index, (moment, value) in enumerate(samples):
        before = samples[index - 1][0] if index else None
        after = samples[index + 1][0] if index + 1 < len(samples) else None
        first = moment - half if before is None or _apart(before, moment, period) else (before + moment) // 2
        last = moment + half if after is None or _apart(moment, after, period) else (moment + after) // 2
        for begin, stop, interpolated in (
            (first, min(moment - near, last), True),
            (max(first, moment - near), min(last, moment + near), False),
            (max(moment + near, first), last, True),
        ):
            for one, other in _hours(max(begin, start), min(stop, end)):
                found.append(Span(start=one, end=other, value=value, interpolated=interpolated))
    return found


def _apart(one: int, other: int, period: int) -> bool:
    return other - one > max(LONGEST_GAP_SECONDS, period)


def _hours(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a stretch at full hours."""
    while start < end:
        stop = min(end, (start // HOUR_SECONDS + 1) * HOUR_SECONDS)
        yield start, stop
        start = stop
