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
from typing import Final

from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.scaling.time_zones import Skipped, skipped_hours, zone_problems

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES: Final = 24 * 60
WEEK_MINUTES: Final = 7 * DAY_MINUTES
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]")
_MIDNIGHT: Final = "00:00"
_NOT_BEFORE: Final = dt.datetime(2026, 11, 26)  # noqa: DTZ001  compared with hours of the schedule's own zone
"""This release's day: what lies before it is certainly over. Synth knows no clock, so later days are Application Auto Scaling's to refuse."""

Bounds = tuple[int, int]


@checked_fields
@dataclass(frozen=True, kw_only=True)
class Window:
    """Hours of a week, or one stretch of time, in which other bounds hold.

    Make one with `weekly`, `off` or `once`.

    Args:
        days: Days on which it begins; empty for `once`.
        begins: "HH:MM", or "YYYY-MM-DDTHH:MM" for `once`.
        ends: The same; a weekly window that ends before its beginning ends on the next day. Whole days are "00:00" in both.
        min_copies: The least while it lasts; the component's own when None.
        max_copies: The most while it lasts; the component's own when None.

    Raises:
        ConfigurationError: With every problem.
    """

    days: tuple[str, ...]
    begins: str
    ends: str
    min_copies: int | None
    max_copies: int | None

    def __post_init__(self) -> None:
        problems = [*_time_problems(self), *_bounds_problems(self.min_copies, self.max_copies)]
        if problems:
            raise ConfigurationError(problems)

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

        Args:
            days: Days on which the window begins, for example mon; every day by default.
            begins: Time at which it begins, "HH:MM".
            ends: Time at which it ends, "HH:MM"; on the next day if it is before `begins`.
            min_copies: Fewest copies in these hours; the component's own if None.
            max_copies: Most copies in these hours; the component's own if None.

        Raises:
            ConfigurationError: A day or an hour is none, it never ends, or the bounds contradict each other.
        """
        if not days:
            raise ConfigurationError([Problem("days", f"none given; use some of {', '.join(DAYS)}")])
        return Window(days=tuple(days), begins=begins, ends=ends, min_copies=min_copies, max_copies=max_copies)

    @staticmethod
    @checked()
    def off(*, days: Sequence[str] = DAYS, begins: str, ends: str) -> Window:
        """No copies at all in these hours, whatever is asked: requests fail until the window ends.

        Args:
            days: Days on which the window begins, for example sat; every day by default.
            begins: Time at which it begins, "HH:MM".
            ends: Time at which it ends, "HH:MM"; on the next day if it is before `begins`.
        """
        return Window.weekly(days=days, begins=begins, ends=ends, min_copies=0, max_copies=0)

    @staticmethod
    @checked()
    def once(*, begins: str, ends: str, min_copies: int | None = None, max_copies: int | None = None) -> Window:
        """One stretch of time, such as a launch: begin it a start-up time before the load.

        Args:
            begins: Moment at which it begins, "YYYY-MM-DDTHH:MM".
            ends: Moment at which it ends, "YYYY-MM-DDTHH:MM".
            min_copies: Fewest copies in that time; the component's own if None.
            max_copies: Most copies in that time; the component's own if None.
        """
        return Window(days=(), begins=begins, ends=ends, min_copies=min_copies, max_copies=max_copies)

    @property
    def is_weekly(self) -> bool:
        """Whether it comes again every week."""
        return bool(self.days)

    def bounds(self, own: Bounds) -> Bounds:
        """Return the bounds while it lasts, given the component's own.

        Args:
            own: Bounds of the component outside of its windows.
        """
        low = own[0] if self.min_copies is None else self.min_copies
        high = own[1] if self.max_copies is None else self.max_copies
        return low, max(low, high) if self.max_copies is None else high

    def minutes(self) -> list[tuple[int, int]]:
        """Return its stretches in minutes of the week that begins on Monday; the last may reach into the next week."""
        begins, ends = _minute(self.begins), _minute(self.ends)
        length = (ends - begins) % DAY_MINUTES or DAY_MINUTES
        starts = [DAYS.index(day) * DAY_MINUTES + begins for day in self.days]
        return [(start, start + length) for start in starts]


@checked_fields
@dataclass(frozen=True, kw_only=True)
class NightlyStop:
    """Hours in which a whole endpoint is off: no copies, then no instances, nothing paid for, and every request fails.

    Args:
        begins: "HH:MM".
        ends: "HH:MM"; before the beginning it is the next day's. Copies are asked for then and serve a start-up time later.
        days: On which it begins; every day by default.
        time_zone: Of both; UTC by default.

    Raises:
        ConfigurationError: A day, an hour or the time zone is none, it never ends, or it begins or ends at an hour that clocks skip.
    """

    begins: str
    ends: str
    days: tuple[str, ...] = DAYS
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        problems = zone_problems("time_zone", self.time_zone)
        try:
            problems += skipped_problems("", self.window, self.time_zone)
        except ConfigurationError as error:
            problems += error.problems
        if problems:
            raise ConfigurationError(problem.under("nightly_stop") for problem in problems)

    @property
    def window(self) -> Window:
        """The hours, as a schedule of every component."""
        return Window.off(days=self.days, begins=self.begins, ends=self.ends)


def _minute(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _time_problems(window: Window) -> list[Problem]:
    """Say what is wrong with days and hours."""
    weekly = bool(window.days)
    pattern, shape = (_CLOCK, "HH:MM") if weekly else (_MOMENT, "YYYY-MM-DDTHH:MM")
    problems = []
    unknown = [day for day in window.days if day not in DAYS]
    if unknown:
        problems.append(Problem("days", f"{', '.join(map(repr, unknown))} not allowed; use {', '.join(DAYS)}"))
    odd = [
        (name, value) for name, value in (("begins", window.begins), ("ends", window.ends)) if not _is(value, pattern)
    ]
    for name, value in odd:
        also = "" if weekly or not _is(value, _CLOCK) else ", or give days for hours that come every week"
        problems.append(Problem(name, f"{value!r} is not a time; use {shape}{also}"))
    if odd:
        return problems
    return [*problems, *(_endless(window) if weekly else _past(window))]


def _endless(window: Window) -> list[str]:
    """Say why a weekly window never ends, or hardly can be meant to."""
    if window.begins != window.ends:
        return []
    if set(window.days) >= set(DAYS):
        return [
            Problem("ends", f"{window.ends} is when it begins, on every day, so it would never end; use another hour")
        ]
    if window.begins == _MIDNIGHT:
        return []
    return [
        Problem(
            "ends",
            f"{window.ends} is when it begins, so it would last 24 hours; use another hour, or {_MIDNIGHT} in both for whole days",
        )
    ]


def _past(window: Window) -> list[Problem]:
    """Say which moment of a single stretch of time can come no more."""
    if window.ends <= window.begins:
        return [Problem("ends", f"{window.ends} is not after {window.begins}")]
    if dt.datetime.fromisoformat(window.ends) < _NOT_BEFORE:
        return [Problem("ends", f"{window.ends} is in the past; remove the schedule")]
    if dt.datetime.fromisoformat(window.begins) < _NOT_BEFORE:
        return [
            Problem(
                "begins",
                f"{window.begins} is in the past, where no bounds can be set; begin later, or remove the schedule",
            )
        ]
    return []


def _bounds_problems(low: int | None, high: int | None) -> list[Problem]:
    if low is None and high is None:
        return [Problem("", "neither min_copies nor max_copies is given, so it changes nothing; give one")]
    problems = [
        Problem(name, f"{value} is not allowed; use 0 or more")
        for name, value in (("min_copies", low), ("max_copies", high))
        if value is not None and value < 0
    ]
    if low is not None and high is not None and high < low:
        problems.append(Problem("max_copies", f"{high} is below min_copies {low}"))
    return problems


def _is(value: object, pattern: re.Pattern[str]) -> bool:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        return False
    if pattern is _MOMENT:
        try:
            dt.datetime.fromisoformat(value)
        except ValueError:
            return False
    return True


def skipped_problems(path: str, window: Window, zone: str) -> list[Problem]:
    """Say which of a window's two moments fall into an hour that the zone's clocks skip.

    What EventBridge Scheduler does then is documented: nothing, until the hour comes again
    (https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html, read 2026-11-29). Application Auto Scaling's guide is silent.
    The hour that comes twice does no harm: the same bounds are set twice.
    """
    problems = []
    for name, value, days in (("begins", window.begins, window.days), ("ends", window.ends, _last_days(window))):
        skipped = next((hours for hours in skipped_hours(zone) if _is_in(value, days, hours)), None)
        if skipped is not None:
            problems.append(
                Problem(
                    f"{path}{name}",
                    f"{value} does not exist in {zone} when clocks go forward ({skipped.begins:%Y-%m-%d}, "
                    f"{skipped.begins:%H:%M} to {skipped.ends:%H:%M}), so the bounds would stay as they are; "
                    f"use an hour before {skipped.begins:%H:%M}, or {skipped.ends:%H:%M} or later",
                )
            )
    return problems


def _last_days(window: Window) -> tuple[str, ...]:
    """Return the days on which a weekly window ends."""
    later = window.ends <= window.begins
    return tuple(DAYS[(DAYS.index(day) + later) % len(DAYS)] for day in window.days)


def _is_in(value: str, days: tuple[str, ...], skipped: Skipped) -> bool:
    """Whether "HH:MM" on one of these days, or a moment where there are none, can fall into skipped hours."""
    if not days:
        return skipped.holds(dt.datetime.fromisoformat(value))
    moment = dt.datetime.combine(skipped.begins, dt.time.fromisoformat(value))
    return DAYS[moment.weekday()] in days and skipped.holds(moment)


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
    moments = {minute % WEEK_MINUTES for start, end, _ in spans for minute in (start, end)}
    days_of: dict[tuple[int, Bounds], list[int]] = {}
    for moment in sorted(moments):
        day, minute = divmod(moment, DAY_MINUTES)
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
        after = _bounds_at(last.weekday() * DAY_MINUTES + last.hour * 60 + last.minute, spans, own)
        ends_into = next((other for other in given if not other.is_weekly and other.begins == window.ends), None)
        found.append(_once(window.begins, window.bounds(own)))
        if ends_into is None:
            found.append(_once(window.ends, after))
    return found


def _once(moment: str, bounds: Bounds) -> Action:
    return Action(name=f"once-{moment.replace(':', '')}", schedule=f"at({moment}:00)", bounds=bounds)


def _bounds_at(moment: int, spans: list[tuple[int, int, Bounds]], own: Bounds) -> Bounds:
    for start, end, bounds in spans:
        if start <= moment < end or start <= moment + WEEK_MINUTES < end:
            return bounds
    return own
