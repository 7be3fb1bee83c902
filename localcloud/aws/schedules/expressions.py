"""Schedule expressions of Application Auto Scaling and EventBridge Scheduler: at(), rate(), cron() in a time zone.

cron() has six fields (minutes hours day-of-month month day-of-week year) with ``* ? , - /`` and English names. AWS's ``L``, ``W``
and ``#`` are refused, and so are ranges that wrap: nothing in this project uses them. When clocks are set forward, a time within the
gap is skipped; when they are set back, an hour that occurs twice counts once.
"""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.zoneinfo import get_zonefile_instance

_MINUTE_S = 60
_UNITS_S = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}
_CRON_FIELDS = 6


class ScheduleError(ValueError):
    """The expression or the time zone is one that AWS refuses, or that the embedded AWS does not evaluate."""


@dataclass(frozen=True, kw_only=True)
class Cron:
    """Values of each field of a cron expression; days of the week count from 1, a Sunday."""

    minutes: frozenset[int]
    hours: frozenset[int]
    month_days: frozenset[int]
    months: frozenset[int]
    week_days: frozenset[int]
    years: frozenset[int]

    def on(self, when: datetime) -> bool:
        """Whether the expression is due in the minute of this local time."""
        return (
            when.minute in self.minutes
            and when.hour in self.hours
            and when.day in self.month_days
            and when.month in self.months
            and when.isoweekday() % 7 + 1 in self.week_days
            and when.year in self.years
        )


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Times at which a schedule is due: once `at` a moment, every `rate_s` seconds, or by `cron`."""

    zone: tzinfo
    at: float | None = None
    rate_s: int = 0
    cron: Cron | None = None

    def due(self, after: float, until: float, *, anchor: float) -> list[float]:
        """Moments after `after` and up to `until`, in seconds since the epoch; a rate counts from `anchor`."""
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
    """Parse an expression.

    Args:
        expression: at(...), rate(...) or cron(...).
        timezone: IANA time zone, for example Europe/Berlin. Default: UTC.

    Raises:
        ScheduleError: The expression or the time zone is invalid.
    """
    zone = _zone(timezone or "UTC")
    match = re.fullmatch(r"(at|rate|cron)\((.+)\)", expression.strip())
    if not match:
        raise ScheduleError(f"Invalid Schedule Expression {expression}. Must be at(...), rate(...) or cron(...)")
    kind, body = match[1], match[2].strip()
    if kind == "at":
        return Schedule(zone=zone, at=_at(body, zone))
    if kind == "rate":
        return Schedule(zone=zone, rate_s=_rate(body))
    return Schedule(zone=zone, cron=_cron(body))


def _zone(name: str) -> tzinfo:
    """Time zone from this machine's database, or from the copy that dateutil ships."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        fallback: tzinfo | None = get_zonefile_instance().get(name)
        if fallback is None:
            raise ScheduleError(f"Invalid time zone: {name}") from error
        return fallback


def _at(body: str, zone: tzinfo) -> float:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", body):
        raise ScheduleError(f"Invalid Schedule Expression at({body}). Must be at(yyyy-mm-ddThh:mm:ss)")
    try:
        return datetime.fromisoformat(body).replace(tzinfo=zone).timestamp()
    except ValueError as error:
        raise ScheduleError(f"Invalid Schedule Expression at({body}): {error}") from error


def _rate(body: str) -> int:
    match = re.fullmatch(r"([1-9]\d*)\s+(minute|hour|day)s?", body)
    if not match:
        raise ScheduleError(f"Invalid Schedule Expression rate({body}). Must be rate(value minutes|hours|days)")
    return int(match[1]) * _UNITS_S[match[2]]


def _cron(body: str) -> Cron:
    fields = body.upper().split()
    if len(fields) != _CRON_FIELDS:
        raise ScheduleError(
            f"Invalid Schedule Expression cron({body}). It has {len(fields)} fields, not {_CRON_FIELDS}"
        )
    minutes, hours, month_days, months, week_days, years = fields
    if (month_days == "?") == (week_days == "?"):
        raise ScheduleError(f"Invalid Schedule Expression cron({body}). One of the two day fields must be ?")
    return Cron(
        minutes=_values(minutes, 0, 59),
        hours=_values(hours, 0, 23),
        month_days=_values(month_days, 1, 31),
        months=_values(months, 1, 12, _MONTHS),
        week_days=_values(week_days, 1, 7, _DAYS),
        years=_values(years, 1970, 2199),
    )


def _number(text: str, low: int, high: int, names: Mapping[str, int]) -> int:
    if re.fullmatch(r"L|LW|\w+L|\d+W|\w+#\d", text):
        raise ScheduleError(f"Invalid Schedule Expression: the embedded AWS does not evaluate L, W and #, got {text}")
    number = names.get(text, int(text) if text.isdigit() else -1)
    if not low <= number <= high:
        raise ScheduleError(f"Invalid Schedule Expression: {text} is not between {low} and {high}")
    return number


def _values(field: str, low: int, high: int, names: Mapping[str, int] = MappingProxyType({})) -> frozenset[int]:
    values: set[int] = set()
    for part in field.split(","):
        body, slash, step = part.partition("/")
        if slash and not (step.isdigit() and int(step)):
            raise ScheduleError(f"Invalid Schedule Expression: {part} has no step")
        if body in ("*", "?"):
            start, end = low, high
        elif "-" in body:
            start, end = (_number(side, low, high, names) for side in body.split("-", 1))
        else:
            start = _number(body, low, high, names)
            end = high if slash else start
        if start > end:
            raise ScheduleError(f"Invalid Schedule Expression: {body} ends before it begins")
        values.update(range(start, end + 1, int(step) if slash else 1))
    return frozenset(values)


def seconds(value: object) -> float | None:
    """Convert a start or end time to seconds since the epoch: APIs have numbers, templates have text."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, int | float) or re.fullmatch(r"\d+(\.\d+)?", str(value)):
        return float(str(value))
    return seconds(datetime.fromisoformat(str(value)))
