"""Scheduled actions of Application Auto Scaling as windows with bounds of their own: the inverse of `serving.scaling.actions`."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from cdk_sglang.spec.schedules import DAY_MINUTES, DAYS, WEEK_MINUTES, Bounds

_CRON: Final = re.compile(r"cron\((\d{1,2}) (\d{1,2}) (\S+) (\S+) (\S+) (\S+)\)")
_AT: Final = re.compile(r"at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2})(?::\d{2})?\)")
_ANY: Final = frozenset({"*", "?"})
_NAMED: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
"""Days as cron numbers them, from 1 (https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html)."""


@dataclass(frozen=True, kw_only=True)
class Schedules:
    """Bounds of copies over time.

    Attributes:
        own: Bounds outside of the windows.
        windows: Windows by name, as a file states them.
        time_zone: Time zone of all of them.
        refused: Actions that cannot be expressed: the name and the reason.
    """

    own: Bounds
    windows: Mapping[str, Mapping[str, Any]]
    time_zone: str
    refused: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class _Change:
    """One moment at which bounds change: a minute of the week, or a date."""

    name: str
    minutes: tuple[int, ...]
    moment: str
    low: int | None
    high: int | None


def imported_schedules(actions: Sequence[Mapping[str, Any]], now: Bounds, *, today: dt.date) -> Schedules:
    """Return scheduled actions as windows.

    Args:
        actions: Descriptions of the actions.
        now: Bounds of the scalable target, which the last action has set.
        today: Day from which moments count: earlier ones are over.
    """
    refused: dict[str, str] = {}
    zones = {action.get("Timezone") or "UTC" for action in actions}
    if len(zones) > 1:
        names = {action["ScheduledActionName"]: "actions of several time zones" for action in actions}
        return Schedules(own=now, windows={}, time_zone="UTC", refused=names)
    weekly: list[_Change] = []
    once: list[_Change] = []
    for action in actions:
        read = _read(action)
        if isinstance(read, str):
            refused[action["ScheduledActionName"]] = read
        elif read.minutes:
            weekly.append(read)
        elif read.moment[:10] >= today.isoformat():
            once.append(read)
    if refused:  # the others mean something else without it
        refused |= {one.name: "goes with one that no window says" for one in (*weekly, *once)}
        return Schedules(own=now, windows={}, time_zone="UTC", refused=refused)
    spans = _spans(weekly, now)
    own = _own(spans, now)
    windows = _weekly_windows(spans, own)
    ended, left = _once_windows(sorted(once, key=lambda one: one.moment), own)
    return Schedules(own=own, windows={**windows, **ended}, time_zone=next(iter(zones), "UTC"), refused=left)


def _read(action: Mapping[str, Any]) -> _Change | str:
    bounds, name = action.get("ScalableTargetAction") or {}, action["ScheduledActionName"]
    low, high = bounds.get("MinCapacity"), bounds.get("MaxCapacity")
    if action.get("StartTime") or action.get("EndTime"):
        return f"{action['Schedule']} begins or ends at a date"
    at = _AT.fullmatch(action["Schedule"])
    if at is not None:
        return _Change(name=name, minutes=(), moment=at[1], low=low, high=high)
    cron = _CRON.fullmatch(action["Schedule"])
    if cron is None:
        return f"{action['Schedule']} is no hour of days of the week"
    minute, hour, day_of_month, month, week_days, year = cron.groups()
    days = _days(week_days)
    if day_of_month not in _ANY or month != "*" or year != "*" or days is None:
        return f"{action['Schedule']} is no hour of days of the week"
    minutes = tuple(day * DAY_MINUTES + int(hour) * 60 + int(minute) for day in days)
    return _Change(name=name, minutes=minutes, moment="", low=low, high=high)


def _days(text: str) -> list[int] | None:
    """Return the days of a cron expression, 0 for Monday; None if it is not a list of days."""
    found: set[int] = set()
    for part in text.upper().split(","):
        if part in _ANY:
            return list(range(7))
        first, _, last = part.partition("-")
        numbers = [_day(first), _day(last or first)]
        if None in numbers:
            return None
        start, end = (int(number or 0) for number in numbers)
        found |= {(start + step - 1) % 7 for step in range((end - start) % 7 + 1)}  # cron's Sunday is the first
    return sorted(found)


def _day(text: str) -> int | None:
    if text in _NAMED:
        return _NAMED.index(text)
    return int(text) - 1 if text in {str(number) for number in range(1, 8)} else None


def _spans(changes: Iterable[_Change], now: Bounds) -> list[tuple[int, int, Bounds]]:
    """Return the bounds of a week: first minute, the minute after the last, and the bounds between."""
    moments = sorted(
        ((minute, change) for change in changes for minute in change.minutes), key=lambda moment: moment[0]
    )
    bounds = now
    spans: list[tuple[int, int, Bounds]] = []
    begin: list[tuple[int, Bounds]] = []
    for _ in range(2):  # what the first moment leaves as it is comes from the last
        begin = []
        for minute, change in moments:
            low = bounds[0] if change.low is None else change.low
            high = bounds[1] if change.high is None else change.high
            bounds = (low, high)
            begin.append((minute, bounds))
    if begin:
        begin.append((begin[0][0] + WEEK_MINUTES, begin[0][1]))
    for (start, held), (end, _) in pairwise(begin):
        if spans and spans[-1][2] == held:
            spans[-1] = (spans[-1][0], end, held)
        elif end > start:
            spans.append((start, end, held))
    return spans


def _own(spans: Sequence[tuple[int, int, Bounds]], now: Bounds) -> Bounds:
    """Return the bounds outside of windows: those that apply for most of the week."""
    if not spans:
        return now
    minutes: dict[Bounds, int] = {}
    for start, end, bounds in spans:
        minutes[bounds] = minutes.get(bounds, 0) + end - start
    return max(minutes, key=lambda bounds: (minutes[bounds], bounds == now))


def _weekly_windows(spans: Sequence[tuple[int, int, Bounds]], own: Bounds) -> dict[str, dict[str, Any]]:
    days_of: dict[tuple[int, int, Bounds], list[int]] = {}
    for start, end, bounds in spans:
        if bounds == own:
            continue
        for first, last in _within_days(start, end):
            day, minute = divmod(first % WEEK_MINUTES, DAY_MINUTES)
            days_of.setdefault((minute, (minute + last - first) % DAY_MINUTES, bounds), []).append(day)
    windows = {}
    for number, ((begins, ends, bounds), days) in enumerate(sorted(days_of.items()), start=1):
        named = [DAYS[day] for day in sorted(set(days))]
        windows[f"hours-{number}"] = {
            "days": named,
            "begins": _clock(begins),
            "ends": _clock(ends),
            **_bounds(bounds, own),
        }
    return windows


def _within_days(start: int, end: int) -> Iterable[tuple[int, int]]:
    """Yield a stretch in pieces of at most a day; longer ones are cut at midnight."""
    if end - start < DAY_MINUTES:
        yield start, end
        return
    while start < end:
        cut = min(end, (start // DAY_MINUTES + 1) * DAY_MINUTES)
        yield start, cut
        start = cut


def _once_windows(changes: Sequence[_Change], own: Bounds) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return single stretches of time, and the actions that none of them expresses."""
    windows: dict[str, dict[str, Any]] = {}
    held: list[tuple[_Change, Bounds]] = []
    bounds = own
    for change in changes:
        bounds = (
            bounds[0] if change.low is None else change.low,
            bounds[1] if change.high is None else change.high,
        )
        held.append((change, bounds))
    for (begin, own_bounds), (end, _) in pairwise(held):
        if own_bounds != own:
            name = f"once-{len(windows) + 1}"
            windows[name] = {"begins": begin.moment, "ends": end.moment, **_bounds(own_bounds, own)}
    if held and held[-1][1] != own:
        return windows, {held[-1][0].name: "sets bounds that no later action resets"}
    return windows, {}


def _bounds(bounds: Bounds, own: Bounds) -> dict[str, int]:
    low, high = bounds
    found = {} if low == own[0] else {"min_copies": low}
    if high != max(low, own[1]) or not found:
        found["max_copies"] = high
    return found


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
