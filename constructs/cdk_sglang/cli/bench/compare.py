"""`cdk-sglang bench compare`: the gate of a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from cdk_sglang.benchmarking.compare import TOLERANCE, Comparison
from cdk_sglang.benchmarking.compare import compare as compared
from cdk_sglang.benchmarking.figures import label_of, steps_of
from cdk_sglang.benchmarking.history.store import LAST, PREVIOUS, choose_run
from cdk_sglang.cli.bench.report import number, read_runs
from cdk_sglang.cli.environment_option import env_option
from cdk_sglang.cli.output import stdout

if TYPE_CHECKING:
    from cdk_sglang.benchmarking.result import Measurement


def compare(
    before: Annotated[
        str, typer.Argument(help="Earlier run: the beginning of its identifier, or previous.")
    ] = PREVIOUS,
    after: Annotated[str, typer.Argument(help="Later run: the beginning of its identifier, or last.")] = LAST,
    *,
    env: Annotated[str, env_option("Name of an environment.")],
    component: Annotated[str | None, typer.Option(help="SageMaker's name of a component.")] = None,
    history: Annotated[str | None, typer.Option(help="Folder or s3://bucket/prefix of results.")] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, max=1, help="Relative difference up to which nothing is a regression.")
    ] = TOLERANCE,
    min_good: Annotated[
        float | None, typer.Option(min=0, max=1, help="Minimum share of good requests at every load of the later run.")
    ] = None,
) -> None:
    """Print what changed between two runs and which figures differ by more than noise.

    Exit code 1: a figure is worse by more than noise and tolerance, too many requests fail at a load where they did not, or fewer
    requests than --min-good are good. Exit code 2: the runs
    cannot be compared.
    """
    runs = read_runs(history, environment=env, component=component)
    earlier, later = (choose_run(runs, before, path="BEFORE"), choose_run(runs, after, path="AFTER"))
    failures = print_comparison(earlier, later, tolerance=tolerance)
    failures += [] if min_good is None else too_few_good(later, min_good)
    for failure in failures:
        typer.echo(f"bench: {failure}", err=True)
    raise typer.Exit(1 if failures else 0)


def print_comparison(earlier: list[Measurement], later: list[Measurement], *, tolerance: float) -> list[str]:
    """Print what changed between two runs; return the regressions and the loads at which requests fail, one line each.

    Args:
        earlier: The earlier run.
        later: The later run.
        tolerance: Relative difference that is no regression whatever the noise.
    """
    comparison = compared(earlier, later, tolerance=tolerance)
    _print(comparison, earlier[0], later[0])
    return [
        f"{one.figure.name} at {one.load}: {number(one.before)} became {number(one.after)}"
        for one in comparison.regressions
    ] + list(comparison.failing)


def _print(comparison: Comparison, before: Measurement, after: Measurement) -> None:
    console = stdout()
    console.print(f"{before.run} and {after.run}: {after.component}, workload {after.workload}", markup=False)
    for change in comparison.changes:
        console.print(f"changed: {change.what}: {change.before} became {change.after}", markup=False, soft_wrap=True)
    if not comparison.changes:
        console.print("changed: nothing that the results record")
    table = Table(
        box=box.SIMPLE_HEAD, title="change, and its interval over repeats (Student's t, 95 % for all together)"
    )
    for heading in ("load", "figure", "before", "after", "change", "interval", "verdict"):
        table.add_column(heading, justify="left" if heading in {"load", "figure", "verdict"} else "right")
    for one in comparison.differences:
        has_interval = one.change is not None and one.change.low is not None and one.change.high is not None
        table.add_row(
            one.load,
            one.figure.name,
            number(one.before),
            number(one.after),
            "-" if one.change is None else f"{one.change.mean:+.1%}",
            f"{one.change.low:+.1%} to {one.change.high:+.1%}" if has_interval and one.change is not None else "-",
            one.verdict,
        )
    console.print(table)
    for note in comparison.notes:
        console.print(note, markup=False, soft_wrap=True)


def too_few_good(measurements: list[Measurement], bound: float) -> list[str]:
    """Return the loads at which too few requests are good, one line each.

    Args:
        measurements: A run.
        bound: Minimum share of good requests.
    """
    found = []
    for repeats in steps_of(measurements).values():
        shares = [one.figures.good for one in repeats if one.figures.good is not None]
        if not shares:
            found.append(
                f"{label_of(repeats[0])}: --min-good needs bounds; give the workload goodput, or the component slo"
            )
        elif sum(shares) / len(shares) < bound:
            found.append(
                f"{label_of(repeats[0])}: {sum(shares) / len(shares):.1%} of requests are good, below {bound:.1%}"
            )
    return found
