"""The function's three jobs: take a sample, report completed days, and report the current day so far."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from . import observation, scaling, usage
from .report import Day, Facts, observe, report, total_usd, usd_per_hour
from .rows import text
from .samples import Sample
from .store import Store

BACKLOG_DAYS = 7
"""Number of past days for which a missing report is created; samples are kept longer."""
ENOUGH_SECONDS = 60
"""Seconds that must be left to start another day."""
_DATA = 1000
"""Maximum number of metrics in a PutMetricData call
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html, read 2026-11)."""

_log = logging.getLogger()


@dataclass(frozen=True, kw_only=True)
class Aws:
    """Clients of boto3, their session, and the bucket."""

    sagemaker: Any
    cloudwatch: Any
    session: Any
    store: Store
    scaling: Any


def sample(
    aws: Aws,
    settings: Mapping[str, Any],
    *,
    due: dt.datetime,
    now: dt.datetime,
    seconds_left: Callable[[], float],
) -> dict[str, Any]:
    """Take and store a sample; endpoints that could not be read are left out of it and counted in a metric.

    Args:
        aws: Clients.
        settings: Settings of the function.
        due: Scheduled time; a second sample for the same time is dropped.
        now: Current time.
        seconds_left: Returns the remaining time.

    Raises:
        RuntimeError: No endpoint could be read.
    """
    watched = [observation.Watched.parse(one) for one in settings["endpoints"]]
    taken, unread = observation.take(aws.sagemaker, watched, at=now)
    for name, error in unread.items():
        _log.error(json.dumps({"unread": name, "error": str(error)}))
    if not taken.endpoints:
        _publish(aws, settings, now, [("UnreadEndpoints", {}, float(len(unread)))])
        raise RuntimeError(f"no endpoint could be read: {next(iter(unread.values()))}")
    kept = aws.store.add(taken, due=due)
    rates = usd_per_hour(taken, Facts.parse(settings))
    names = {one.name: one.endpoint for one in watched}
    data = [("UsdPerHour", {"Endpoint": names[name]}, usd) for name, usd in rates.items()]
    _publish(aws, settings, now, [("UnreadEndpoints", {}, float(len(unread))), *data])
    scaled = _publish_scaling(aws, settings, taken, watched, due=due, seconds_left=seconds_left)
    return {"at": taken.at.isoformat(), "kept": kept, "unread": sorted(unread), "scaling": scaled}


def _publish_scaling(
    aws: Aws,
    settings: Mapping[str, Any],
    taken: Sample,
    watched: Iterable[observation.Watched],
    *,
    due: dt.datetime,
    seconds_left: Callable[[], float],
) -> str:
    """Publish desired and running copies, and what scaled them; costs are sampled even if this cannot be read.

    Counts are those of whole windows, at the windows' beginnings, and are read with the statistic Maximum: a second run counts nothing twice.
    """
    known = {member.name for one in watched for member in one.members.values() if not member.adapter}
    names = settings["scaling_namespace"]
    _publish(aws, settings, due, scaling.copies(taken, known), namespace=names, unit="Count")
    try:
        windows = scaling.decisions(
            aws.scaling,
            known,
            due=due,
            seconds=int(settings["sample_minutes"]) * 60,
            seconds_left=seconds_left,
            enough=ENOUGH_SECONDS,
        )
    except (ClientError, BotoCoreError, scaling.TooManyPagesError) as error:
        _log.error(json.dumps({"unread": "scaling decisions", "error": str(error)}))
        return "unread"
    for window in windows:
        _publish(aws, settings, window.began, scaling.data(window, known), namespace=names, unit="Count")
    return "read"


def report_days(
    aws: Aws, settings: Mapping[str, Any], *, today: dt.date, seconds_left: Callable[[], float]
) -> dict[str, Any]:
    """Report yesterday, and earlier days that have samples but no report; reporting the same day twice gives the same bytes.

    A day that fails does not prevent reports of the others.

    Args:
        aws: Clients.
        settings: Settings of the function.
        today: The current day, in UTC.
        seconds_left: Returns the remaining time.

    Raises:
        RuntimeError: A day could not be reported; the next run tries again.
    """
    there = aws.store.reported()
    days = [today - dt.timedelta(days=back) for back in range(1, BACKLOG_DAYS + 1)]
    missing = [date for date in days if date == days[0] or date.isoformat() not in there]
    written: list[str] = []
    failed: dict[str, str] = {}
    for date in missing:
        if written and seconds_left() < ENOUGH_SECONDS:
            failed[date.isoformat()] = "no time was left; the next run continues"
            continue
        try:
            if aws.store.has_samples(date):
                _report(aws, settings, date)
                written.append(date.isoformat())
        except Exception as error:  # noqa: BLE001  whatever it is, the other days are reported
            failed[date.isoformat()] = repr(error)
    _log.info(json.dumps({"reported": written, "failed": failed}))
    if failed:
        raise RuntimeError(f"not reported: {json.dumps(failed)}")
    return {"reported": written}


def running_day(aws: Aws, settings: Mapping[str, Any], *, now: dt.datetime) -> dict[str, Any]:
    """Return the CSV of the current day so far, without storing it."""
    day, found = _rows(aws, settings, now.date(), until=now)
    return {"date": day.date.isoformat(), "csv": text(found)}


def _report(aws: Aws, settings: Mapping[str, Any], date: dt.date) -> None:
    _, found = _rows(aws, settings, date)
    content = text(found)
    if aws.store.has_report(date, content):
        return
    by_component = total_usd(found, "endpoint", "component")
    by_team = total_usd(found, "team")
    start = dt.datetime.combine(date, dt.time(), tzinfo=dt.UTC)
    data = [
        *(("CostUsd", {"Endpoint": one, "Component": other}, usd) for (one, other), usd in by_component.items()),
        *(("CostUsd", {"Team": team}, usd) for (team,), usd in by_team.items() if team),
    ]
    # Before the report, whose presence marks the day as done: a second run then repeats what the first did not finish.
    _publish(aws, settings, start, data)
    aws.store.report(date, content)


def _rows(
    aws: Aws, settings: Mapping[str, Any], date: dt.date, *, until: dt.datetime | None = None
) -> tuple[Day, list[dict[str, str]]]:
    facts = Facts.parse(settings)
    day = observe(aws.store.samples(date), date, facts, until=until)
    start = dt.datetime.combine(date, dt.time(), tzinfo=dt.UTC)
    end = until or start + dt.timedelta(days=1)
    served = usage.of_day(aws.cloudwatch, aws.session, day.names, settings, start=start, end=end)
    return day, report(day, served, facts)


def _publish(
    aws: Aws,
    settings: Mapping[str, Any],
    at: dt.datetime,
    data: Iterable[tuple[str, Mapping[str, str], float]],
    *,
    namespace: str | None = None,
    unit: str = "None",
) -> None:
    points = [
        {
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            "Timestamp": at,
            "Value": value,
            "Unit": unit,
        }
        for name, dimensions, value in data
    ]
    for first in range(0, len(points), _DATA):
        aws.cloudwatch.put_metric_data(
            Namespace=namespace or settings["namespace"], MetricData=points[first : first + _DATA]
        )
