"""Schedules with their own copy bounds: business hours, a peak that is known in advance, off at night.

A schedule changes the bounds within which the scaling policy works, never the number of copies directly. Inside a window the policy still
adds and removes copies, but not below the window's minimum or above its maximum. If the number of copies is outside the new bounds, it is
adjusted at once. When a window ends, the component's own bounds apply again.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Annotated, ClassVar, Final, Literal, Self, cast, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.spec.time_zones import Skipped, TimeZone, skipped_hours
from cdk_sglang.validation import Spec
from cdk_sglang.wording import written

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: Final[tuple[Day, ...]] = get_args(Day)
DAY_MINUTES: Final = 24 * 60
WEEK_MINUTES: Final = 7 * DAY_MINUTES
COPIES_MAX: Final = 1000
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]")
_MIDNIGHT: Final = "00:00"
NOT_BEFORE: Final = dt.datetime(2026, 11, 26)  # noqa: DTZ001  compared with hours of the schedule's own zone
"""Date of this release: an earlier moment is certainly in the past. Synth does not read the clock, so later moments that have passed are refused
only by Application Auto Scaling."""

Bounds = tuple[int, int]
"""Minimum and maximum number of copies."""

Copies = Annotated[int, Field(ge=0, le=COPIES_MAX)]


def _clock(value: str) -> str:
    if not _CLOCK.fullmatch(value):
        raise ValueError(f"{value!r} is not a time; use HH:MM, from 00:00 to 23:59")
    return value


Clock = Annotated[str, AfterValidator(_clock)]
"""Time of a day, "HH:MM"."""


def _days(value: object) -> object:
    """Reject a range of days, and suggest the equivalent list."""
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list | tuple) or not (
        value is not entries or any(len(_range(one)) > 1 for one in entries)
    ):
        return value
    meant = [day for one in entries for day in _range(one)]
    if not meant:
        return value
    raise ValueError(f"{written(value)} is not a list of days; write [{', '.join(dict.fromkeys(meant))}]")


def _range(text: object) -> tuple[Day, ...]:
    """Return the days that a text such as mon-fri, "sat, sun" or Monday names; empty if it names none."""
    words = re.findall(r"[a-z]+", text.lower()) if isinstance(text, str) else []
    found = [day for word in words for day in DAYS if word.startswith(day)]
    if len(found) == _ENDS and isinstance(text, str) and not re.search("[,;/]", text):
        first, last = (DAYS.index(day) for day in found)
        return tuple(DAYS[(first + step) % len(DAYS)] for step in range((last - first) % len(DAYS) + 1))
    return tuple(found)


_ENDS: Final = 2
"""Number of days that a range names: its first and its last."""


class Window(Spec):
    """Hours with their own copy bounds: every week if `days` is given, otherwise once."""

    _noun: ClassVar[str] = "window"

    days: Annotated[tuple[Day, ...], BeforeValidator(_days)] = Field(default=(), max_length=7, strict=False)
    """Days on which the hours begin, for example [mon, tue, wed, thu, fri]; omit it for a one-time window."""
    begins: str
    """Start: "HH:MM" in quotes; without `days` YYYY-MM-DDTHH:MM. Start early enough for copies to be up before the load arrives."""
    ends: str
    """End, in the same format as the start; a time before the start means the next day. "00:00" in both means whole days."""
    min_copies: Copies | None = None
    """Minimum number of copies in these hours; the component's own by default."""
    max_copies: Copies | None = None
    """Maximum number of copies in these hours; the component's own by default. 0 turns the component off."""

    @classmethod
    def weekly(
        cls,
        *,
        days: Sequence[Day] = DAYS,
        begins: str,
        ends: str,
        min_copies: int | None = None,
        max_copies: int | None = None,
    ) -> Self:
        """Return hours that recur every week, such as business hours.

        Args:
            days: Days on which the hours begin; every day by default.
            begins: Start, "HH:MM".
            ends: End, "HH:MM"; a time before the start means the next day. "00:00" in both means whole days.
            min_copies: Minimum number of copies in these hours; the component's own by default.
            max_copies: Maximum number of copies in these hours; the component's own by default.

        Raises:
            ConfigurationError: A day or a time does not exist, the hours never end, or the bounds contradict each other.
        """
        raise_if_any(problem.under(cls._noun) for problem in _no_days_problems(days))
        several = cast("tuple[Day, ...]", days)  # validation makes a tuple of any list
        return cls(days=several, begins=begins, ends=ends, min_copies=min_copies, max_copies=max_copies)

    @classmethod
    def off(cls, *, days: Sequence[Day] = DAYS, begins: str, ends: str) -> Self:
        """Return weekly hours without any copy: requests fail until the hours end, regardless of load.

        Args:
            days: Days on which the window begins, for example sat; every day by default.
            begins: Time at which it begins, "HH:MM".
            ends: Time at which it ends, "HH:MM"; on the next day if it is before `begins`.
        """
        return cls.weekly(days=days, begins=begins, ends=ends, min_copies=0, max_copies=0)

    @classmethod
    def once(cls, *, begins: str, ends: str, min_copies: int | None = None, max_copies: int | None = None) -> Self:
        """Return a one-time window, such as a launch. Start it early enough for copies to be up before the load arrives.

        Args:
            begins: Start, "YYYY-MM-DDTHH:MM".
            ends: End, "YYYY-MM-DDTHH:MM".
            min_copies: Minimum number of copies in this time; the component's own by default.
            max_copies: Maximum number of copies in this time; the component's own by default.

        Raises:
            ConfigurationError: A time does not exist or is in the past, or the bounds contradict each other.
        """
        return cls(begins=begins, ends=ends, min_copies=min_copies, max_copies=max_copies)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        raise_if_any([*_time_problems(self), *_bounds_problems(self.min_copies, self.max_copies)])
        return self

    @property
    def is_weekly(self) -> bool:
        """Whether the hours recur every week."""
        return bool(self.days)

    def bounds(self, own: Bounds) -> Bounds:
        """Return the bounds in these hours, given the component's own.

        Args:
            own: Bounds of the component outside of its windows.
        """
        low = own[0] if self.min_copies is None else self.min_copies
        high = own[1] if self.max_copies is None else self.max_copies
        return low, max(low, high) if self.max_copies is None else high

    def minutes(self) -> list[tuple[int, int]]:
        """Return the weekly windows in minutes of the week that begins on Monday; the last may extend into the next week."""
        begins, ends = _minute(self.begins), _minute(self.ends)
        length = (ends - begins) % DAY_MINUTES or DAY_MINUTES
        starts = [DAYS.index(day) * DAY_MINUTES + begins for day in self.days]
        return [(start, start + length) for start in starts]


class NightlyStop(Spec):
    """Hours during which a whole endpoint is off and costs nothing: no copies, then no instances, and every request fails."""

    _noun: ClassVar[str] = "nightly_stop"

    begins: Clock
    """Start, "HH:MM" in quotes."""
    ends: Clock
    """End, "HH:MM" in quotes; a time before the start means the next day. "00:00" in both means whole days. Copies are requested at the end, and
    serve once they have started."""
    days: Annotated[tuple[Day, ...], BeforeValidator(_days)] = Field(
        default=DAYS, max_length=7, strict=False, json_schema_extra={"minItems": 1}
    )
    """Days on which the hours begin; every day by default."""
    time_zone: TimeZone = "UTC"
    """IANA time zone of the hours, for example Europe/Berlin."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        raise_if_any(_no_days_problems(self.days) or _endless_problems(self.days, self.begins, self.ends))
        raise_if_any(skipped_problems(self.window, self.time_zone))
        return self

    @property
    def window(self) -> Window:
        """The hours as a schedule for every component of the endpoint."""
        return Window.off(days=self.days, begins=self.begins, ends=self.ends)


def _no_days_problems(days: Sequence[Day]) -> list[Problem]:
    return [] if days else [Problem("days", f"none given; use some of {', '.join(DAYS)}")]


def _minute(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _time_problems(window: Window) -> list[Problem]:
    """Return the problems of a window's two times: a wrong format, hours that never end, or hours in the past."""
    is_time, shape = (_is_clock, "HH:MM, from 00:00 to 23:59") if window.is_weekly else (_is_moment, "YYYY-MM-DDTHH:MM")
    problems = []
    for name, value in (("begins", window.begins), ("ends", window.ends)):
        if not is_time(value):
            hint = "" if window.is_weekly or not _is_clock(value) else ", or give days for hours that come every week"
            problems.append(Problem(name, f"{value!r} is not a time; use {shape}{hint}"))
    if problems:
        return problems
    return _endless_problems(window.days, window.begins, window.ends) if window.is_weekly else _past_problems(window)


def _is_clock(value: str) -> bool:
    return _CLOCK.fullmatch(value) is not None


def _is_moment(value: str) -> bool:
    if not _MOMENT.fullmatch(value):
        return False
    try:
        dt.datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _endless_problems(days: Sequence[Day], begins: str, ends: str) -> list[Problem]:
    """Return why weekly hours never end, or last a day although whole days were not requested."""
    if begins != ends:
        return []
    if set(days) >= set(DAYS):
        text = f"{ends} is when it begins, on every day, so it would never end; use another hour"
        return [Problem("ends", text)]
    if begins == _MIDNIGHT:
        return []
    text = (
        f"{ends} is when it begins, so it would last 24 hours; use another hour, or {_MIDNIGHT} in both for whole days"
    )
    return [Problem("ends", text)]


def _past_problems(window: Window) -> list[Problem]:
    """Return why a one-time window can no longer take effect."""
    if window.ends <= window.begins:
        return [Problem("ends", f"{window.ends} is not after {window.begins}; let it end later, or begin earlier")]
    if dt.datetime.fromisoformat(window.ends) < NOT_BEFORE:
        return [Problem("ends", f"{window.ends} is in the past; remove the schedule")]
    if dt.datetime.fromisoformat(window.begins) < NOT_BEFORE:
        text = f"{window.begins} is in the past, where no bounds can be set; begin later, or remove the schedule"
        return [Problem("begins", text)]
    return []


def _bounds_problems(low: int | None, high: int | None) -> list[Problem]:
    if low is None and high is None:
        return [Problem("", "neither min_copies nor max_copies is given, so it changes nothing; give one")]
    if low is not None and high is not None and high < low:
        return [Problem("max_copies", f"{high} is below min_copies {low}")]
    return []


def skipped_problems(window: Window, zone: str) -> list[Problem]:
    """Return which of a window's two times fall into an hour that the zone's clocks skip.

    EventBridge Scheduler documents that it then does nothing until the hour next occurs
    (https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html, read 2026-11-29). Application Auto Scaling's guide does not say.
    An hour that occurs twice is harmless: the same bounds are set twice.
    """
    problems = []
    for name, value, days in (("begins", window.begins, window.days), ("ends", window.ends, _last_days(window))):
        skipped = next((hours for hours in skipped_hours(zone) if _is_in(value, days, hours)), None)
        if skipped is not None:
            problems.append(
                Problem(
                    name,
                    f"{value} does not exist in {zone} when clocks go forward ({skipped.begins:%Y-%m-%d}, "
                    f"{skipped.begins:%H:%M} to {skipped.ends:%H:%M}), so the bounds would stay as they are; "
                    f"use an hour before {skipped.begins:%H:%M}, or {skipped.ends:%H:%M} or later",
                )
            )
    return problems


def _last_days(window: Window) -> tuple[Day, ...]:
    """Return the days on which a weekly window ends."""
    later = window.ends <= window.begins
    return tuple(DAYS[(DAYS.index(day) + later) % len(DAYS)] for day in window.days)


def _is_in(value: str, days: Sequence[Day], skipped: Skipped) -> bool:
    """Whether "HH:MM" on one of these days, or a moment if there are no days, can fall into skipped hours."""
    if not days:
        return skipped.holds(dt.datetime.fromisoformat(value))
    moment = dt.datetime.combine(skipped.begins, dt.time.fromisoformat(value))
    return DAYS[moment.weekday()] in days and skipped.holds(moment)
