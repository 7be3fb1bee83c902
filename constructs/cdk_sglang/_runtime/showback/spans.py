"""From moments to stretches of time: which sample covers which seconds of a day, and which seconds no sample covers.

A sample covers the time around it, halfway to its neighbours. What starts or ends between two samples is thus dated to within half
their distance, in either direction. Only UTC is used: its days have 24 hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600
LONGEST_GAP_SECONDS = 6 * HOUR_SECONDS
"""Longest gap without a sample that is filled from both sides; of a longer gap only the ends are filled, half a period each. A service outage
is shorter; a schedule that was switched off is longer."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Span(Generic[T]):
    """Seconds of one hour that one sample stands for.

    Attributes:
        start: First second, since 1970.
        end: Second after the last one.
        value: What was sampled.
        interpolated: Whether the sample is further away than expected.
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
    """Return the stretches of a period, in order and without overlap; time that no sample covers is left out.

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
