"""Scheduled actions of Application Auto Scaling that apply the bounds of a component's windows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cdk_sglang.spec.schedules import DAY_MINUTES, DAYS, WEEK_MINUTES, Bounds, Window

_Span = tuple[int, int, Bounds]
"""First minute of the week, the minute after the last one, and the bounds between them."""


@dataclass(frozen=True, kw_only=True)
class Action:
    """One scheduled action of Application Auto Scaling: the bounds that apply from one moment on.

    Args:
        name: Name, unique on its target.
        schedule: `cron(...)` or `at(...)`, in the time zone of the windows.
        bounds: Minimum and maximum number of copies.
    """

    name: str
    schedule: str
    bounds: Bounds


def actions(windows: Iterable[Window], own: Bounds) -> list[Action]:
    """Return the actions at all moments at which bounds change.

    Each moment has one action: if one window ends when another begins, only the bounds of the second are set, so that nothing depends on the
    order in which two actions of the same minute run.

    Args:
        windows: The windows, none of which overlap.
        own: The component's bounds outside of its windows.
    """
    windows = list(windows)
    spans = [(*span, window.bounds(own)) for window in windows if window.is_weekly for span in window.minutes()]
    return [*_weekly(spans, own), *_once([window for window in windows if not window.is_weekly], spans, own)]


def _weekly(spans: Sequence[_Span], own: Bounds) -> list[Action]:
    days_of: dict[tuple[int, Bounds], list[int]] = {}
    for moment in sorted({minute % WEEK_MINUTES for start, end, _ in spans for minute in (start, end)}):
        day, minute = divmod(moment, DAY_MINUTES)
        days_of.setdefault((minute, _bounds_at(moment, spans, own)), []).append(day)
    return [
        Action(
            name=f"weekly-{minute // 60:02d}{minute % 60:02d}-{'-'.join(DAYS[day] for day in days)}",
            schedule=f"cron({minute % 60} {minute // 60} ? * {','.join(DAYS[day].upper() for day in days)} *)",
            bounds=bounds,
        )
        for (minute, bounds), days in sorted(days_of.items())
    ]


def _once(windows: Sequence[Window], spans: Sequence[_Span], own: Bounds) -> list[Action]:
    beginnings = {window.begins for window in windows}
    found = []
    for window in sorted(windows, key=lambda window: window.begins):
        found.append(_at(window.begins, window.bounds(own)))
        if window.ends not in beginnings:
            last = dt.datetime.fromisoformat(window.ends)
            moment = last.weekday() * DAY_MINUTES + last.hour * 60 + last.minute
            found.append(_at(window.ends, _bounds_at(moment, spans, own)))
    return found


def _at(moment: str, bounds: Bounds) -> Action:
    return Action(name=f"once-{moment.replace(':', '')}", schedule=f"at({moment}:00)", bounds=bounds)


def _bounds_at(moment: int, spans: Sequence[_Span], own: Bounds) -> Bounds:
    for start, end, bounds in spans:
        if start <= moment < end or start <= moment + WEEK_MINUTES < end:
            return bounds
    return own
