"""`cdk-sglang bench report` and `status`: results as a table and as a page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from cdk_sglang.benchmarking.copies import copies_words
from cdk_sglang.benchmarking.figures import (
    FIGURES,
    error_lines,
    held_against_plan,
    interval_of,
    label_of,
    marked_label,
    steps_of,
)
from cdk_sglang.benchmarking.history.store import LAST, History, choose_run, runs_of
from cdk_sglang.cli.aws import client, failures_of
from cdk_sglang.cli.bench.environment import history_location
from cdk_sglang.cli.environment_option import env_option
from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.own import write_text
from cdk_sglang.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from cdk_sglang.benchmarking.result import Measurement
    from cdk_sglang.benchmarking.statistics import Interval

_TENTHS_BELOW = 100
_AHEAD = dt.timedelta(minutes=5)
"""AWS refuses requests from a machine whose clock is further off."""


def read_runs(location: str | None, *, environment: str, component: str | None) -> dict[str, list[Measurement]]:
    """Return the runs of a history; what was left out is said on stderr.

    Args:
        location: Place of the history; the default one if None.
        environment: The environment.
        component: SageMaker's name of a component; all if None.

    Raises:
        ConfigurationError: There are none.
    """
    place = history_location(location)
    with failures_of("s3:GetObject"):
        found, notes = History(location=place, s3=lambda: client("s3", region=None)).read(
            environment=environment, component=component
        )
    for note in [*notes, *_ahead(found)]:
        typer.echo(f"bench: {note}", err=True)
    if not found:
        text = f"{place} has no results of {environment}{f' and {component}' if component else ''}; run `cdk-sglang bench run` first"
        raise ConfigurationError([Problem("--history", text)])
    return runs_of(found)


def _ahead(measurements: Sequence[Measurement]) -> list[str]:
    """Print which runs are dated in the future: they stay the last ones until that time, whatever is measured meanwhile."""
    now = dt.datetime.now(tz=dt.UTC)
    runs = dict.fromkeys(one.run for one in measurements if one.started - now > _AHEAD)
    return [
        f"run {run} is dated in the future: the clock of the machine that measured it was ahead, so previous and last may be other runs than you "
        "mean; name both"
        for run in runs
    ]


def report(
    env: Annotated[str, env_option("Name of an environment.")],
    *,
    run: Annotated[str, typer.Option(help="Run: the beginning of its identifier, last or previous.")] = LAST,
    component: Annotated[str | None, typer.Option(help="SageMaker's name of a component.")] = None,
    history: Annotated[str | None, typer.Option(help="Folder or s3://bucket/prefix of results.")] = None,
    html: Annotated[Path | None, typer.Option(help="File for the page of all runs.")] = None,
) -> None:
    """Print a run, each figure with its interval over repeats and next to the plan's band; --html writes a page with all runs."""
    runs = read_runs(history, environment=env, component=component)
    print_run(choose_run(runs, run, path="--run"))
    if html is not None:
        from cdk_sglang.benchmarking.report.page import report_html

        write_text(html, report_html(env, runs), option="--html")
        typer.echo(f"page: {html}")


def status(
    env: Annotated[str, env_option("Name of an environment.")],
    *,
    component: Annotated[str | None, typer.Option(help="SageMaker's name of a component.")] = None,
    history: Annotated[str | None, typer.Option(help="Folder or s3://bucket/prefix of results.")] = None,
) -> None:
    """List the runs of an environment: when, what, and how each ended."""
    table = Table(
        "run", "component", "workload", "runner", "repeats", "requests", "failed", "outcome", box=box.SIMPLE_HEAD
    )
    for identifier, repeats in read_runs(history, environment=env, component=component).items():
        first = repeats[0]
        table.add_row(
            identifier,
            first.component,
            first.workload,
            first.runner,
            str(len(repeats)),
            str(sum(one.figures.requests for one in repeats)),
            str(sum(one.figures.failed for one in repeats)),
            first.outcome,
        )
    stdout().print(table)


def print_run(measurements: Sequence[Measurement]) -> None:
    """Print a run as tables: what answered, its figures, and the figures next to the plan's."""
    first, console = measurements[0], stdout()
    deployed = first.deployed
    console.print(
        f"{first.component}, workload {first.workload}, run {first.run}: {first.outcome}\n"
        f"{deployed.model} on {deployed.instances} x {deployed.instance}, copies: {copies_words(measurements)}, GPUs a copy: {deployed.gpus}, "
        f"SGLang {deployed.sglang_version}, options {deployed.options_hash}; woken in {first.wake_seconds:.1f} s, which no figure counts",
        markup=False,
        soft_wrap=True,
    )
    table = Table(box=box.SIMPLE_HEAD, title="mean over repeats, and its 95 % interval (Student's t)")
    for heading in ("load", "requests", "failed", *(figure.name for figure in FIGURES)):
        table.add_column(heading, justify="left" if heading == "load" else "right")
    plan = Table(
        "load", "figure", "measured", "planned", "band", "verdict", box=box.SIMPLE_HEAD, title="compared with the plan"
    )
    for repeats in steps_of(measurements).values():
        table.add_row(
            marked_label(repeats),
            str(sum(one.figures.requests for one in repeats)),
            str(sum(one.figures.failed for one in repeats)),
            *(shown(interval_of(figure, repeats)) for figure in FIGURES),
        )
        for held in held_against_plan(repeats):
            plan.add_row(
                label_of(repeats[0]),
                held.figure,
                number(held.measured.mean),
                number(held.band.value),
                f"{number(held.band.low)} to {number(held.band.high)}",
                held.words,
            )
    console.print(table)
    for line in error_lines(measurements):
        console.print(line, markup=False, soft_wrap=True)
    if plan.row_count:
        console.print(plan)
    else:
        console.print(
            "not compared with the plan, since the plan has no figures of this model or this kind of load, copies changed or are unknown, "
            "or no repeat counts",
            soft_wrap=True,
        )


def shown(figure: Interval | None) -> str:
    """Return a figure with its interval."""
    if figure is None:
        return "-"
    if figure.low is None:
        return number(figure.mean)
    return f"{number(figure.mean)} ±{number(figure.mean - figure.low)}"


def number(value: float) -> str:
    """Return a number with its significant digits only."""
    return f"{value:,.0f}" if abs(value) >= _TENTHS_BELOW else f"{value:.3g}"
