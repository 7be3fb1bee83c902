"""`cdk-sglang eagle start`: start a run, after its cost ceilings were shown."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from typing import TYPE_CHECKING

import typer

from cdk_sglang.cli.aws import fail, failures_of
from cdk_sglang.cli.eagle.options import Component, Env, Region, Yes, confirm
from cdk_sglang.cli.eagle.pipeline import Pipeline, find_pipeline
from cdk_sglang.hardware.optimization import ASSUMED_JOB_PRICE
from cdk_sglang.optimization.evidence import ASSUMED_PRICE

if TYPE_CHECKING:
    from cdk_sglang.cli.eagle.place import Place


def start(
    env: Env,
    *,
    component: Component = None,
    region: Region = None,
    yes: Yes = False,
) -> None:
    """Train (where the settings say so), measure and, if it is faster, promote a draft: runs in AWS, for hours.

    Exit code 1: another run is in progress, or AWS refuses. Exit code 2: wrong usage; nothing was started.
    """
    pipeline = find_pipeline(env, component, region=region)
    running = next(pipeline.executions(status="RUNNING"), None)
    if running is not None:
        fail(
            f"{running['name']} is running since {running['startDate']:%Y-%m-%d %H:%M} UTC, and one run of a component excludes another; "
            f"see cdk-sglang eagle status {pipeline.place.options}",
            code=1,
        )
    for line in ceiling_lines(pipeline.place):
        typer.echo(line)
    confirm(f"Start a run for {pipeline.place.component}?", yes=yes, otherwise="Nothing was started")
    run = new_run()
    _begin(pipeline, run)
    typer.echo(f"run {run} has begun; it goes on in AWS, whatever happens here")
    typer.echo(f"see it: cdk-sglang eagle status {pipeline.place.options} --watch")


def ceiling_lines(place: Place) -> list[str]:
    """Return the maximum cost of a run, in dollars."""
    lines = []
    gate = (
        "an unknown ceiling; deploy again to see it"
        if place.gate_max_usd is None
        else f"at most {place.gate_max_usd:,.2f} $"
    )
    if place.kind == "eagle":
        known = place.training_max_usd is not None
        usd = f"at most {place.training_max_usd:,.2f} $" if known else "an unknown ceiling; deploy again to see it"
        lines.append(f"training on {place.training_instance or 'its instance type'}: {usd}, then the job is stopped")
        if place.training_usd_per_hour is not None:
            source = "named in the settings" if place.is_price_given else ASSUMED_PRICE
            lines.append(f"counted at {place.training_usd_per_hour:,.2f} $/h, {source}")
    lines.append(f"measurement on two copies in addition to the endpoint's: {gate}, then it is stopped")
    lines.append(ASSUMED_JOB_PRICE)
    total = [one for one in (place.training_max_usd, place.gate_max_usd) if one is not None]
    if total and place.gate_max_usd is not None:
        lines.append(f"in all: at most {sum(total):,.2f} $ on demand")
    after = "a person is asked" if place.approval else "the draft is rolled out"
    lines.append(f"if it is faster by what the settings ask, {after}; otherwise nothing changes")
    return lines


def new_run() -> str:
    """Return a name that sorts by time."""
    return f"r{dt.datetime.now(tz=dt.UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


def _begin(pipeline: Pipeline, run: str) -> None:
    place = pipeline.place
    with failures_of("states:StartExecution"):
        try:
            pipeline.states.start_execution(
                stateMachineArn=place.state_machine, name=run, input=json.dumps({"run": run, "reason": "start"})
            )
        except pipeline.states.exceptions.StateMachineDoesNotExist:
            fail(f"{place.state_machine} no longer exists; deploy {place.environment} again", code=1)
