"""Time zones by name, and the hours that their clocks skip. They are files of the package, because many machines have no time zone database."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator

from cdk_sglang.checks import did_you_mean

_DATA: Final = Path(__file__).parent / "data"
_OFFSET: Final = re.compile(r"^[A-Za-z]*[+-]?\d")
"""Offsets such as UTC+2, +02:00 and CET-1CEST; a suggestion of the most similar zone name would be a zone with another offset."""


@cache
def time_zones() -> frozenset[str]:
    """Return the names of all time zones."""
    return frozenset(_lines("time_zones.txt"))


def _known(zone: str) -> str:
    if zone not in time_zones():
        if _OFFSET.search(zone):
            text = f"{zone!r} is an offset, which has no daylight saving time; use a name from the IANA database, such as Europe/Berlin, or UTC"
            raise ValueError(text)
        raise ValueError(f"unknown time zone {zone!r}; {did_you_mean(zone, time_zones())}, as in the IANA database")
    return zone


TimeZone = Annotated[str, AfterValidator(_known)]
"""Name of an IANA time zone, for example Europe/Berlin."""


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """Hours of one day that do not exist because clocks go forward."""

    begins: dt.datetime
    ends: dt.datetime

    def holds(self, moment: dt.datetime) -> bool:
        """Whether a time on the zone's own clock does not exist."""
        return self.begins <= moment < self.ends


@cache
def skipped_hours(zone: str) -> tuple[Skipped, ...]:
    """Return the hours that the clocks of a time zone skip, in order; empty where they never go forward."""
    for line in _lines("clock_changes.txt"):
        minutes, moments, zones = line.split(" ")
        if zone in zones.split(","):
            begins = [dt.datetime.fromisoformat(moment) for moment in moments.split(",")]
            return tuple(Skipped(begins=at, ends=at + dt.timedelta(minutes=int(minutes))) for at in begins)
    return ()


def _lines(name: str) -> list[str]:
    lines = (_DATA / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]
