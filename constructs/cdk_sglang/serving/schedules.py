"""Hours with bounds of their own: business hours, a peak that is known beforehand, off at night.

A schedule moves the bounds between which the scaling policy works, never the copies themselves: inside a window the policy still
adds and removes copies, but not below the window's minimum nor above its maximum. Copies outside new bounds are brought inside at
once. Where windows end, the component's own bounds hold again.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.checks import did_you_mean
from cdk_sglang.errors import ConfigurationError

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES: Final = 24 * 60
_WEEK_MINUTES: Final = 7 * _DAY_MINUTES
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T([01][0-9]|2[0-3]):[0-5][0-9]")
_NOT_BEFORE: Final = dt.datetime(2026, 11, 26)  # noqa: DTZ001  compared with hours of the schedule's own zone
"""This release's day: what lies before it is certainly over. Synth knows no clock, so later days are Application Auto Scaling's to refuse."""
_ZONES: Final = Path(__file__).parent / "data" / "time_zones.txt"

Bounds = tuple[int, int]


@cache
def time_zones() -> frozenset[str]:
    """Return the names of time zones; a file of the package, since many machines have no time zone database."""
    lines = _ZONES.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


def zone_problems(path: str, zone: str) -> list[str]:
    """Say what is wrong with a time zone."""
    if zone in time_zones():
        return []
    return [f"{path}: unknown time zone {zone!r}; {did_you_mean(zone, time_zones())}, as in the IANA database"]


@checked_fields
@dataclass(frozen=True, kw_only=True)
class Window:
    """Hours of a week, or one stretch of time, in which other bounds hold.

    Make one with `weekly`, `off` or `once`.

    Args:
        days: Days on which it begins; empty for `once`.
        begins: "HH:MM", or "YYYY-MM-DDTHH:MM" for `once`.
        ends: The same; a weekly window that ends at or before its beginning ends on the next day.
        min_copies: The least while it lasts; the component's own when None.
        max_copies: The most while it lasts; the component's own when None.
    """

    days: tuple[str, ...]
    begins: str
    ends: str
    min_copies: int | None
    max_copies: int | None

    @staticmethod
    @checked()
    def weekly(
        *,
        days: Sequence[str] = DAYS,
        begins: str,
        ends: str,
        min_copies: int | None = None,
        max_copies: int | None = None,
    ) -> Window:
        """The same hours every week, such as business hours.

        Raises:
            ConfigurationError: A day or an hour is none, or the bounds contradict each other.
        """
        return _checked(
            Window(days=tuple(days), begins=begins, ends=ends, min_copies=min_copies, max_copies=max_copies)
        )

    @staticmethod
    @checked()
    def off(*, days: Sequence[str] = DAYS, begins: str, ends: str) -> Window:
        """No copies at all in these hours, whatever is asked: requests fail until the window ends."""
        return Window.weekly(days=days, begins=begins, ends=ends, min_copies=0, max_copies=0)

    @staticmethod
    @checked()
    def once(*, begins: str, ends: str, min_copies: int | None = None, max_copies: int | None = None) -> Window:
        """One stretch of time, such as a launch: begin it a start-up time before the load."""
        return _checked(Window(days=(), begins=begins, ends=ends, min_copies=min_copies, max_copies=max_copies))

    @property
    def is_weekly(self) -> bool:
        """Whether it comes again every week."""
        return bool(self.days)

    def bounds(self, own: Bounds) -> Bounds:
        """Return the bounds while it lasts, given the component's own."""
        low = own[0] if self.min_copies is None else self.min_copies
        high = own[1] if self.max_copies is None else self.max_copies
        return low, max(low, high) if self.max_copies is None else high

    def minutes(self) -> list[tuple[int, int]]:
        """Return its stretches in minutes of the week that begins on Monday; the last may reach into the next week."""
        begins, ends = _minute(self.begins), _minute(self.ends)
        length = (ends - begins) % _DAY_MINUTES or _DAY_MINUTES
        starts = [DAYS.index(day) * _DAY_MINUTES + begins for day in self.days]
        return [(start, start + length) for start in starts]


@checked_fields
@dataclass(frozen=True, kw_only=True)
class NightlyStop:
    """Hours in which a whole endpoint is off: no copies, then no instances, nothing paid for, and every request fails.

    Args:
        begins: "HH:MM".
        ends: "HH:MM"; at or before the beginning it is the next day's. Copies are asked for then and serve a start-up time later.
        days: On which it begins; every day by default.
        time_zone: Of both; UTC by default.

    Raises:
        ConfigurationError: A day, an hour or the time zone is none.
    """

    begins: str
    ends: str
    days: tuple[str, ...] = DAYS
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        problems = zone_problems("time_zone", self.time_zone)
        try:
            _ = self.window
        except ConfigurationError as error:
            problems += error.problems
        if problems:
            raise ConfigurationError([f"nightly_stop.{problem}" for problem in problems])

    @property
    def window(self) -> Window:
        """The hours, as a schedule of every component."""
        return Window.off(days=self.days, begins=self.begins, ends=self.ends)


def _minute(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _checked(window: Window) -> Window:
    problems = []
    pattern, shape = (_CLOCK, "HH:MM") if window.days else (_MOMENT, "YYYY-MM-DDTHH:MM")
    unknown = [day for day in window.days if day not in DAYS]
    if unknown:
        problems.append(f"days: {', '.join(map(repr, unknown))} not allowed; use {', '.join(DAYS)}")
    odd = [
        (name, value) for name, value in (("begins", window.begins), ("ends", window.ends)) if not _is(value, pattern)
    ]
    problems += [f"{name}: {value!r} is not a time; use {shape}" for name, value in odd]
    if not window.days and not odd:
        if window.ends <= window.begins:
            problems.append(f"ends: {window.ends} is not after {window.begins}")
        elif dt.datetime.fromisoformat(window.ends) < _NOT_BEFORE:
            problems.append(f"ends: {window.ends} is in the past; remove the schedule")
    low, high = window.min_copies, window.max_copies
    if low is None and high is None:
        problems.append("neither min_copies nor max_copies is given, so it changes nothing; give one")
    problems += [
        f"{name}: {value} is not allowed; use 0 or more"
        for name, value in (("min_copies", low), ("max_copies", high))
        if value is not None and value < 0
    ]
    if low is not None and high is not None and high < low:
        problems.append(f"max_copies: {high} is below min_copies {low}")
    if problems:
        raise ConfigurationError(problems)
    return window


def _is(value: str, pattern: re.Pattern[str]) -> bool:
    if not pattern.fullmatch(value):
        return False
    if pattern is _MOMENT:
        try:
            dt.datetime.fromisoformat(value)
        except ValueError:
            return False
    return True


def window_problems(path: str, windows: dict[str, Window], own: Bounds) -> list[str]:
    """Say which windows contradict each other or the component's own bounds."""
    problems = []
    for name, window in windows.items():
        low, high = window.bounds(own)
        if high < low:
            problems.append(
                f"{path}.{name}: min_copies {low} is above max_copies {high}, which the component brings; give both here"
            )
    names = list(windows)
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            meeting = _meeting(windows[first], windows[second])
            if meeting:
                problems.append(f"{path}.{second}: overlaps {first} ({meeting}); give one of them other hours")
    return problems


def _meeting(one: Window, other: Window) -> str | None:
    """Return where two windows meet, or None."""
    if one.is_weekly and other.is_weekly:
        for start, end in one.minutes():
            for begin, stop in other.minutes():
                for shift in (-_WEEK_MINUTES, 0, _WEEK_MINUTES):
                    at = max(start, begin + shift)
                    if at < min(end, stop + shift):
                        return _spoken(at)
        return None
    if not one.is_weekly and not other.is_weekly:
        return max(one.begins, other.begins) if one.begins < other.ends and other.begins < one.ends else None
    once, weekly = (other, one) if one.is_weekly else (one, other)
    for minute in _changes_in(once):
        at = minute % _WEEK_MINUTES
        for start, end in weekly.minutes():
            # The last minute too: there the weekly window's own end would be set at the same moment.
            if start <= at <= end or start <= at + _WEEK_MINUTES <= end:
                return _spoken(at)
    return None


def _changes_in(window: Window) -> Iterable[int]:
    begins, ends = dt.datetime.fromisoformat(window.begins), dt.datetime.fromisoformat(window.ends)
    start = begins.weekday() * _DAY_MINUTES + begins.hour * 60 + begins.minute
    length = min(int((ends - begins).total_seconds() // 60), _WEEK_MINUTES)
    return range(start, start + length)


def _spoken(minute: int) -> str:
    day, rest = divmod(minute % _WEEK_MINUTES, _DAY_MINUTES)
    return f"{DAYS[day]} {rest // 60:02d}:{rest % 60:02d}"


@dataclass(frozen=True, kw_only=True)
class Action:
    """One scheduled action of Application Auto Scaling: from this moment on, these bounds.

    Args:
        name: Unique on its target.
        schedule: `cron(...)` or `at(...)`, in the time zone of the windows.
        bounds: Fewest and most copies.
    """

    name: str
    schedule: str
    bounds: Bounds


def actions(windows: Iterable[Window], own: Bounds) -> list[Action]:
    """Return the moments at which bounds change, given the component's own bounds outside of windows.

    One action a moment: where one window ends and another begins, only the bounds of the second are set, so that nothing depends on the order in
    which two actions of the same minute run.
    """
    given = list(windows)
    spans = [(*span, window.bounds(own)) for window in given if window.is_weekly for span in window.minutes()]
    moments = {minute % _WEEK_MINUTES for start, end, _ in spans for minute in (start, end)}
    days_of: dict[tuple[int, Bounds], list[int]] = {}
    for moment in sorted(moments):
        day, minute = divmod(moment, _DAY_MINUTES)
        days_of.setdefault((minute, _bounds_at(moment, spans, own)), []).append(day)
    found = [
        Action(
            name=f"weekly-{minute // 60:02d}{minute % 60:02d}-{'-'.join(DAYS[day] for day in days)}",
            schedule=f"cron({minute % 60} {minute // 60} ? * {','.join(DAYS[day].upper() for day in days)} *)",
            bounds=bounds,
        )
        for (minute, bounds), days in sorted(days_of.items())
    ]
    for window in sorted((window for window in given if not window.is_weekly), key=lambda once: once.begins):
        last = dt.datetime.fromisoformat(window.ends)
        after = _bounds_at(last.weekday() * _DAY_MINUTES + last.hour * 60 + last.minute, spans, own)
        ends_into = next((other for other in given if not other.is_weekly and other.begins == window.ends), None)
        found.append(_once(window.begins, window.bounds(own)))
        if ends_into is None:
            found.append(_once(window.ends, after))
    return found


def _once(moment: str, bounds: Bounds) -> Action:
    return Action(name=f"once-{moment.replace(':', '')}", schedule=f"at({moment}:00)", bounds=bounds)


def _bounds_at(moment: int, spans: list[tuple[int, int, Bounds]], own: Bounds) -> Bounds:
    for start, end, bounds in spans:
        if start <= moment < end or start <= moment + _WEEK_MINUTES < end:
            return bounds
    return own
