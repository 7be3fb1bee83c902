"""Schedule expressions of Application Auto Scaling and EventBridge Scheduler: at(), rate(), cron() in a time zone.

cron() has six fields (minutes hours day-of-month month day-of-week year) with ``* ? , - /``, ``L`` and ``W`` in the
day of the month, ``L`` and ``#`` in the day of the week, and English names. Left out: ``LW``, ranges that wrap.
Clocks that are set forward skip what falls into the gap; set back, an hour that comes twice counts once.
"""

from __future__ import annotations

import calendar
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.zoneinfo import get_zonefile_instance  # type: ignore[import-untyped]

_MINUTE_S = 60
_UNITS_S = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}
_SATURDAY = 7
_MOST_OF_A_WEEKDAY = 5


class ScheduleError(ValueError):
    """An expression or a time zone that AWS would refuse."""


@dataclass(frozen=True, kw_only=True)
class Cron:
    """The fields of a cron expression; days stay text where they depend on the month."""

    minutes: frozenset[int]
    hours: frozenset[int]
    month_days: str
    months: frozenset[int]
    week_days: str
    years: frozenset[int]

    def on(self, when: datetime) -> bool:
        """Whether it is due in the minute of this local time."""
        return (
            when.minute in self.minutes
            and when.hour in self.hours
            and when.month in self.months
            and when.year in self.years
            and (when.day in _month_days(self.month_days, when) if self.week_days == "?" else self._on_week_day(when))
        )

    def _on_week_day(self, when: datetime) -> bool:
        day = when.isoweekday() % 7 + 1
        last = when.day + 7 > calendar.monthrange(when.year, when.month)[1]
        for part in self.week_days.split(","):
            if found := re.fullmatch(r"(\w+)#([1-5])", part):
                if day == _number(found[1], _DAYS, 1, 7) and (when.day - 1) // 7 + 1 == int(found[2]):
                    return True
            elif part == "L":
                if day == _SATURDAY:
                    return True
            elif part.endswith("L"):
                if last and day == _number(part[:-1], _DAYS, 1, 7):
                    return True
            elif day in _values(part, 1, 7, _DAYS):
                return True
        return False


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When something is due: `at` once, every `rate_s` seconds, or by `cron`."""

    zone: tzinfo
    at: float | None = None
    rate_s: int = 0
    cron: Cron | None = None

    def due(self, after: float, until: float, *, anchor: float) -> list[float]:
        """The moments later than `after` and not later than `until`; a rate counts from `anchor`. Epoch seconds."""
        if self.at is not None:
            return [self.at] if after < self.at <= until else []
        if self.cron is not None:
            first, last = math.floor(after / _MINUTE_S) + 1, math.floor(until / _MINUTE_S)
            return [float(minute * _MINUTE_S) for minute in range(first, last + 1) if self._on(minute * _MINUTE_S)]
        first, last = math.floor((after - anchor) / self.rate_s) + 1, math.floor((until - anchor) / self.rate_s)
        return [anchor + index * self.rate_s for index in range(max(first, 0), last + 1)]

    def _on(self, second: float) -> bool:
        assert self.cron is not None
        local = datetime.fromtimestamp(second, self.zone)
        return local.fold == 0 and self.cron.on(local)


def parse(expression: str, timezone: str | None = None) -> Schedule:
    """Read an expression; raises ScheduleError with what is wrong with it."""
    zone = _zone(timezone or "UTC")
    found = re.fullmatch(r"(at|rate|cron)\((.+)\)", expression.strip())
    if not found:
        raise ScheduleError(f"Invalid Schedule Expression {expression}. Must be at(...), rate(...) or cron(...)")
    kind, body = found[1], found[2].strip()
    if kind == "at":
        return Schedule(zone=zone, at=_at(body, zone))
    if kind == "rate":
        return Schedule(zone=zone, rate_s=_rate(body))
    return Schedule(zone=zone, cron=_cron(body))


def _zone(name: str) -> tzinfo:
    """A time zone of this machine, or of the copy that dateutil brings along."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        found: tzinfo | None = get_zonefile_instance().get(name)
        if found is None:
            raise ScheduleError(f"Invalid time zone: {name}") from error
        return found


def _at(body: str, zone: tzinfo) -> float:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", body):
        raise ScheduleError(f"Invalid Schedule Expression at({body}). Must be at(yyyy-mm-ddThh:mm:ss)")
    try:
        return datetime.fromisoformat(body).replace(tzinfo=zone).timestamp()
    except ValueError as error:
        raise ScheduleError(f"Invalid Schedule Expression at({body}): {error}") from error


def _rate(body: str) -> int:
    found = re.fullmatch(r"([1-9]\d*)\s+(minute|hour|day)s?", body)
    if not found:
        raise ScheduleError(f"Invalid Schedule Expression rate({body}). Must be rate(value minutes|hours|days)")
    return int(found[1]) * _UNITS_S[found[2]]


def _cron(body: str) -> Cron:
    fields = body.upper().split()
    if len(fields) != 6:  # noqa: PLR2004
        raise ScheduleError(f"Invalid Schedule Expression cron({body}). It has {len(fields)} fields, not 6")
    minutes, hours, month_days, months, week_days, years = fields
    if (month_days == "?") == (week_days == "?"):
        raise ScheduleError(f"Invalid Schedule Expression cron({body}). One of the two day fields must be ?")
    cron = Cron(
        minutes=_values(minutes, 0, 59, {}),
        hours=_values(hours, 0, 23, {}),
        month_days=month_days,
        months=_values(months, 1, 12, _MONTHS),
        week_days=week_days,
        years=_values(years, 1970, 2199, {}),
    )
    some_month = datetime(2026, 1, 1, tzinfo=UTC)
    _month_days(month_days, some_month)
    if week_days != "?":
        cron._on_week_day(some_month)
    return cron


def _number(text: str, names: dict[str, int], low: int, high: int) -> int:
    number = names.get(text, int(text) if text.isdigit() else -1)
    if not low <= number <= high:
        raise ScheduleError(f"Invalid Schedule Expression: {text} is not between {low} and {high}")
    return number


def _values(field: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    values: set[int] = set()
    for part in field.split(","):
        body, slash, step = part.partition("/")
        if slash and not (step.isdigit() and int(step)):
            raise ScheduleError(f"Invalid Schedule Expression: {part} has no step")
        if body in ("*", "?"):
            start, end = low, high
        elif "-" in body:
            start, end = (_number(side, names, low, high) for side in body.split("-", 1))
        else:
            start = _number(body, names, low, high)
            end = high if slash else start
        if start > end:
            raise ScheduleError(f"Invalid Schedule Expression: {body} ends before it begins")
        values.update(range(start, end + 1, int(step) if slash else 1))
    return frozenset(values)


def _month_days(field: str, when: datetime) -> frozenset[int]:
    last = calendar.monthrange(when.year, when.month)[1]
    days: set[int] = set()
    for part in field.split(","):
        if part == "L":
            days.add(last)
        elif found := re.fullmatch(r"(\d+)W", part):
            days.add(_nearest_weekday(when, _number(found[1], {}, 1, 31), last))
        else:
            days |= _values(part, 1, 31, {})
    return frozenset(days)


def _nearest_weekday(when: datetime, day: int, last: int) -> int:
    """The working day nearest to a day, in the same month."""
    if day > last:
        return 0
    weekday = (when.replace(day=1) + timedelta(days=day - 1)).isoweekday()
    if weekday <= _MOST_OF_A_WEEKDAY:
        return day
    if weekday == 6:  # noqa: PLR2004 -- Saturday: Friday before, or Monday after the first
        return day - 1 if day > 1 else day + 2
    return day + 1 if day < last else day - 2


def seconds(value: object) -> float | None:
    """A start or end time as epoch seconds: APIs give numbers, templates give text."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, int | float) or re.fullmatch(r"\d+(\.\d+)?", str(value)):
        return float(str(value))
    return seconds(datetime.fromisoformat(str(value)))
