"""Checks for schedules of a component that contradict each other, or leave it no hour to run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from cdk_sglang.errors import Problem
from cdk_sglang.spec.schedules import DAY_MINUTES, DAYS, WEEK_MINUTES, Bounds, Window


def window_problems(windows: Mapping[str, Window], own: Bounds) -> list[Problem]:
    """Return which windows contradict each other or the component's own bounds.

    Args:
        windows: The windows by name; paths of problems begin with the name.
        own: The component's bounds outside of its windows.
    """
    problems = []
    for name, window in windows.items():
        low, high = window.bounds(own)
        if high < low:
            text = f"min_copies {low} is above the component's max_copies {high}; give both here"
            problems.append(Problem(name, text))
    names = list(windows)
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            overlap = _overlap(windows[first], windows[second])
            if overlap is not None:
                problems.append(Problem(second, f"overlaps {first} ({overlap}); give one of them other hours"))
    return problems or _always_off(windows, own)


def _always_off(windows: Mapping[str, Window], own: Bounds) -> list[Problem]:
    """Return a problem if windows, none of which overlap, leave no hour of the week in which a copy may run."""
    off = {name: window for name, window in windows.items() if window.is_weekly and window.bounds(own)[1] == 0}
    minutes = sum(end - start for window in off.values() for start, end in window.minutes())
    if minutes < WEEK_MINUTES:
        return []
    text = f"{' and '.join(off)} leave no hour of the week in which a copy may run; shorten one of them, or remove the component"
    return [Problem("", text)]


def _overlap(one: Window, other: Window) -> str | None:
    """Return the first time at which both windows apply; None if they never do."""
    if one.is_weekly and other.is_weekly:
        for start, end in one.minutes():
            for begin, stop in other.minutes():
                for shift in (-WEEK_MINUTES, 0, WEEK_MINUTES):
                    at = max(start, begin + shift)
                    if at < min(end, stop + shift):
                        return _in_words(at)
        return None
    if not one.is_weekly and not other.is_weekly:
        return max(one.begins, other.begins) if one.begins < other.ends and other.begins < one.ends else None
    once, weekly = (other, one) if one.is_weekly else (one, other)
    for minute in _minutes_of(once):
        at = minute % WEEK_MINUTES
        for start, end in weekly.minutes():
            # Include the last minute: the end of the weekly window would otherwise be set at the same moment.
            if start <= at <= end or start <= at + WEEK_MINUTES <= end:
                return _in_words(at)
    return None


def _minutes_of(window: Window) -> Iterable[int]:
    """Return the minutes of a one-time window, counted from Monday of its first week; one week is enough."""
    begins, ends = dt.datetime.fromisoformat(window.begins), dt.datetime.fromisoformat(window.ends)
    start = begins.weekday() * DAY_MINUTES + begins.hour * 60 + begins.minute
    length = min(int((ends - begins).total_seconds() // 60), WEEK_MINUTES)
    return range(start, start + length)


def _in_words(minute: int) -> str:
    day, rest = divmod(minute % WEEK_MINUTES, DAY_MINUTES)
    return f"{DAYS[day]} {rest // 60:02d}:{rest % 60:02d}"
