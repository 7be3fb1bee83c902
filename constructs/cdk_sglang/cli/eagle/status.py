"""`cdk-sglang eagle status`: what serves, how far a run is, what it has cost, and what to do next."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdk_sglang.cli.eagle.options import Component, Env, Region, check_run
from cdk_sglang.cli.eagle.pipeline import Pipeline, find_pipeline
from cdk_sglang.cli.eagle.show import line_of, progress_json, screen
from cdk_sglang.cli.output import stdout

if TYPE_CHECKING:
    from rich.console import Console

    from cdk_sglang.optimization.progress import Progress

_LEAST_SECONDS = 5.0
"""Shortest pause of --watch: steps wait a minute, and a history is read page by page."""
_LISTED = 10


def status(
    env: Env,
    *,
    component: Component = None,
    run: Annotated[str | None, typer.Option("--run", help="A run; the newest by default.")] = None,
    region: Region = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until the run has ended.")] = False,
    every: Annotated[
        float, typer.Option("--every", min=_LEAST_SECONDS, help="With --watch: seconds between two refreshes.")
    ] = 15.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --watch, one line each time.")] = False,
) -> None:
    """Show what a component serves and how far its run is; read-only.

    Exit code 1: the run has failed, or AWS refuses. A draft that was measured to be slower is no failure.
    """
    check_run(run)
    pipeline = find_pipeline(env, component, region=region)
    served = pipeline.served()
    if not as_json:
        typer.echo(f"{pipeline.place.component} serves {served.text}")
    execution = pipeline.execution_of(run) if run else next(pipeline.executions(), None)
    if execution is None:
        typer.echo(f"no run yet; begin one: cdk-sglang eagle start {pipeline.place.options}")
        return
    arn = execution["executionArn"]
    if watch:
        found = _watch(lambda: pipeline.progress(arn), every, as_json=as_json, place=pipeline.place.options)
    else:
        found = pipeline.progress(arn)
        _print(found, stdout(), as_json=as_json)
        if not as_json:
            _list_others(pipeline, arn)
    raise typer.Exit(1 if found is not None and found.ending is not None and not found.ending.is_good else 0)


def _print(progress: Progress, console: Console, *, as_json: bool) -> None:
    now = dt.datetime.now(tz=dt.UTC)
    if as_json:
        typer.echo(json.dumps(progress_json(progress, now)))
        return
    console.print(screen(progress, now, width=console.width))


def _watch(
    read: Callable[[], Progress],
    every_seconds: float,
    *,
    as_json: bool,
    place: str,
    pause: Callable[[float], None] | None = None,
) -> Progress | None:
    """Show a run until it has ended or Ctrl-C; without a terminal, one line whenever something has changed."""
    from rich.live import Live

    console, wait = stdout(), pause or time.sleep
    found: Progress | None = None
    try:
        if as_json or not console.is_terminal:
            return _lines(read, wait, every_seconds, as_json=as_json)
        found = read()
        with Live(console=console, auto_refresh=False, screen=False) as live:
            while True:
                live.update(screen(found, dt.datetime.now(tz=dt.UTC), width=console.width), refresh=True)
                if not found.is_running:
                    return found
                wait(every_seconds)
                found = _again(read, found)
    except KeyboardInterrupt:
        typer.echo(
            f"\nstopped looking; the run goes on in AWS. Look again: cdk-sglang eagle status {place} --watch. To end the run (what it made is "
            f"cleaned up): cdk-sglang eagle stop {place}",
            err=True,
        )
    return found


def _lines(
    read: Callable[[], Progress], wait: Callable[[float], None], every_seconds: float, *, as_json: bool
) -> Progress:
    found, last = read(), ""
    while True:
        now = dt.datetime.now(tz=dt.UTC)
        line = json.dumps(progress_json(found, now)) if as_json else line_of(found)
        if as_json or line != last:
            typer.echo(line)
            last = line
        if not found.is_running:
            return found
        wait(every_seconds)
        found = _again(read, found)


def _again(read: Callable[[], Progress], last: Progress) -> Progress:
    """Return a new report, or the last one if AWS throttles or is not reached for a moment, which is printed on stderr."""
    try:
        return read()
    except typer.Exit as left:
        if left.exit_code != 1:
            raise
        return last


def _list_others(pipeline: Pipeline, shown: str) -> None:
    others: list[dict[str, Any]] = []
    for execution in pipeline.executions():
        if len(others) == _LISTED:
            break
        if execution["executionArn"] != shown:
            others.append(execution)
    for one in others:
        typer.echo(f"earlier: {one['name']}, {one['startDate']:%Y-%m-%d %H:%M} UTC, {one['status']}")
