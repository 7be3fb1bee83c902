"""`cdk-sglang costs`: what an environment cost in the last days, by component, adapter, team or day, and what its plan expected."""

from __future__ import annotations

import csv
import datetime as dt
import enum
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final

import typer

from cdk_sglang.cli.aws import client, fail, failures_of
from cdk_sglang.cli.cost_tables import By, Cost, Costs, add_up, cost_table, read_rows
from cdk_sglang.cli.environment_option import env_option, environments_folder
from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.region import region_of
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.spec.kinds import NAME_PATTERN, NAME_WORDS

REPORTS: Final = "daily/"
"""Prefix of the reports in their bucket."""
_REPORT: Final = re.compile(rf"{REPORTS}(\d{{4}}-\d{{2}}-\d{{2}})\.csv")


class Format(enum.StrEnum):
    """Output formats of costs."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Location of an environment's reports, as its stack published it.

    Attributes:
        bucket: Bucket of the reports.
        function: Name of the function that makes them.
        planned: Minimum, typical and maximum dollars per hour that the plan expected, by endpoint.
    """

    bucket: str
    function: str
    planned: Mapping[str, Sequence[float]]


def costs(
    env: Annotated[str, env_option("Environment, such as prod.")],
    *,
    days: Annotated[
        int, typer.Option("--days", min=1, max=3653, help="Number of days, the last of which is yesterday.")
    ] = 7,
    by: Annotated[By, typer.Option("--by", help="How costs are grouped.")] = By.COMPONENT,
    output: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TABLE,
    today: Annotated[bool, typer.Option("--today", help="Add today's costs so far.")] = False,
    region: Annotated[
        str | None,
        typer.Option(help="Region; by default that of the environment's file, else that of your AWS settings."),
    ] = None,
) -> None:
    """Print what an environment cost, from the reports of its showback; days are in UTC.

    Exit code 1: showback is off, or there is no report of these days.
    """
    if not re.fullmatch(NAME_PATTERN, env):
        raise ConfigurationError([Problem("--env", f"{env!r} is not allowed; use {NAME_WORDS}")])
    region = region_of(env, region)
    place = _place(env, region)
    last = dt.datetime.now(tz=dt.UTC).date() - dt.timedelta(days=1)
    dates = [last - dt.timedelta(days=back) for back in reversed(range(days))]
    reports = dict(_reports(place, dates, region))
    rows = [row for text in reports.values() for row in read_rows(text)]
    if today:
        rows += read_rows(_running_day(place, region))
    elif not reports:
        fail(
            f"{env}: no report of {dates[0]} to {dates[-1]}; a day's report is written after 01:00 UTC of the next day, and --today has the "
            "day that runs",
            code=1,
        )
    _print(add_up(rows, by), place, missing=[date for date in dates if date not in reports], output=output)


def _place(env: str, region: str | None) -> Place:
    name = f"/cdk-sglang/{env}/showback"
    ssm = client("ssm", region=region)
    with failures_of("ssm:GetParameter"):
        try:
            value = ssm.get_parameter(Name=name)["Parameter"]["Value"]
        except ssm.exceptions.ParameterNotFound:
            fail(
                f"{env}: there is no showback in {ssm.meta.region_name}; write `observability: {{showback: {{enabled: true}}}}` in "
                f"{environments_folder() / env}.yaml and deploy, or give another --region",
                code=1,
            )
    content = json.loads(value)
    return Place(bucket=content["bucket"], function=content["function"], planned=content["planned_usd_per_hour"])


def _reports(place: Place, dates: Sequence[dt.date], region: str | None) -> Iterator[tuple[dt.date, str]]:
    """Yield days and texts of the reports that exist."""
    s3 = client("s3", region=region)
    with failures_of("s3:ListBucket"):
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=place.bucket, Prefix=REPORTS, StartAfter=f"{REPORTS}{dates[0] - dt.timedelta(days=1)}.csv"
        )
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
    for key in keys:
        match = _REPORT.fullmatch(key)
        if match is None or (date := dt.date.fromisoformat(match[1])) not in dates:
            continue
        with failures_of("s3:GetObject"):
            yield date, s3.get_object(Bucket=place.bucket, Key=key)["Body"].read().decode()


def _running_day(place: Place, region: str | None) -> str:
    what = "lambda:InvokeFunction"
    with failures_of(what):
        # Once: a second attempt would make the function work twice, and its work takes seconds.
        answer = client("lambda", region=region, attempts=1).invoke(
            FunctionName=place.function, Payload=json.dumps({"do": "today"})
        )
        content = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        fail(f"{what}: {place.function} failed: {content.get('errorMessage', content)}; its log has the reason", code=1)
    return str(content["csv"])


def _print(found: Costs, place: Place, *, missing: Sequence[dt.date], output: Format) -> None:
    expected = _expected(found, place)
    if output is Format.JSON:
        content = {
            "parts": [dict(zip(found.keys, key, strict=True)) | _members(cost) for key, cost in found.parts.items()],
            "total": _members(found.total),
            "expected_usd": expected and dict(zip(("low", "typical", "high"), map(float, expected), strict=True)),
            "missing_days": [date.isoformat() for date in missing],
            "remarks": list(found.remarks),
        }
        typer.echo(json.dumps(content, indent=2))
        return
    if output is Format.CSV:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, [*found.keys, *_members(Cost())], lineterminator="\n")
        writer.writeheader()
        for key, cost in found.parts.items():
            writer.writerow(dict(zip(found.keys, key, strict=True)) | _members(cost))
        typer.echo(text.getvalue(), nl=False)
    else:
        console = stdout()
        console.print(cost_table(found, width=console.width))
        if expected is not None:
            low, typical, high = expected
            console.print(
                f"the plan expected ${typical:,.2f} for these hours: at least ${low:,.2f}, at most ${high:,.2f}",
                soft_wrap=True,
            )
    for remark in found.remarks:
        typer.echo(remark, err=True)
    if missing:
        typer.echo(f"no report of: {', '.join(map(str, missing))}", err=True)


def _expected(found: Costs, place: Place) -> tuple[Decimal, Decimal, Decimal] | None:
    """Return what the plan expected for the hours that were observed; None unless it knows every endpoint."""
    if not found.observed_hours or not set(found.observed_hours) <= set(place.planned):
        return None
    low, typical, high = (
        sum(
            (hours * Decimal(str(place.planned[name][index])) for name, hours in found.observed_hours.items()),
            Decimal(0),
        )
        for index in range(3)
    )
    return low, typical, high


def _members(cost: Cost) -> dict[str, Any]:
    """Return the figures for other programs."""
    return {
        "usd": float(cost.usd),
        "instance_hours": float(cost.instance_hours),
        "gpu_hours": float(cost.gpu_hours),
        "idle_share": None if cost.idle_share is None else round(float(cost.idle_share), 4),
        "requests": cost.requests,
        "tokens_in": cost.tokens_in,
        "tokens_out": cost.tokens_out,
    }
