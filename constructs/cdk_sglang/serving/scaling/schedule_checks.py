"""Which schedules of a component contradict each other, or leave it no hour to run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from cdk_sglang.errors import Problem
from cdk_sglang.serving.scaling.schedules import DAY_MINUTES, DAYS, WEEK_MINUTES, Bounds, Window


def window_problems(path: str, windows: Mapping[str, Window], own: Bounds) -> list[Problem]:
    """Say which windows contradict each other or the component's own bounds."""
    problems = []
    for name, window in windows.items():
        low, high = window.bounds(own)
        if high < low:
            problems.append(
                Problem(
                    f"{path}.{name}",
                    f"min_copies {low} is above max_copies {high}, which the component brings; give both here",
                )
            )
    names = list(windows)
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            meeting = _meeting(windows[first], windows[second])
            if meeting:
                problems.append(
                    Problem(f"{path}.{second}", f"overlaps {first} ({meeting}); give one of them other hours")
                )
    return problems or _asleep(path, windows, own)


def _asleep(path: str, windows: Mapping[str, Window], own: Bounds) -> list[Problem]:
    """Say that windows, none of which overlap, leave no hour of the week in which a copy may run."""
    off = {name: window for name, window in windows.items() if window.is_weekly and window.bounds(own)[1] == 0}
    minutes = sum(end - start for window in off.values() for start, end in window.minutes())
    if minutes < WEEK_MINUTES:
        return []
    return [
        (
            Problem(
                path,
                f"{' and '.join(off)} leave no hour of the week in which a copy may run; shorten one of them, "
                "or remove the component",
            )
        )
    ]


def _meeting(one: Window, other: Window) -> str | None:
    """Return where two windows meet, or None."""
    if one.is_weekly and other.is_weekly:
        for start, end in one.minutes():
            for begin, stop in other.minutes():
                for shift in (-WEEK_MINUTES, 0, WEEK_MINUTES):
                    at = max(start, begin + shift)
                    if at < min(end, stop + shift):
                        return _spoken(at)
        return None
    if not one.is_weekly and not other.is_weekly:
        return max(one.begins, other.begins) if one.begins < other.ends and other.begins < one.ends else None
    once, weekly = (other, one) if one.is_weekly else (one, other)
    for minute in _changes_in(once):
        at = minute % WEEK_MINUTES
        for start, end in weekly.minutes():
            # The last minute too: there the weekly window's own end would be set at the same moment.
            if start <= at <= end or start <= at + WEEK_MINUTES <= end:
                return _spoken(at)
    return None


def _changes_in(window: Window) -> Iterable[int]:
    begins, ends = dt.datetime.fromisoformat(window.begins), dt.datetime.fromisoformat(window.ends)
    start = begins.weekday() * DAY_MINUTES + begins.hour * 60 + begins.minute
    length = min(int((ends - begins).total_seconds() // 60), WEEK_MINUTES)
    return range(start, start + length)


def _spoken(minute: int) -> str:
    day, rest = divmod(minute % WEEK_MINUTES, DAY_MINUTES)
    return f"{DAYS[day]} {rest // 60:02d}:{rest % 60:02d}"
