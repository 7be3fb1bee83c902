"""`cdk-sglang bench gate`: the last run against the last release, as a step of a pipeline."""

from __future__ import annotations

from typing import Annotated

import typer

from cdk_sglang.benchmarking.compare import TOLERANCE
from cdk_sglang.benchmarking.history.store import LAST, History, choose_run
from cdk_sglang.benchmarking.result import Measurement, Outcome
from cdk_sglang.cli.aws import client, failures_of
from cdk_sglang.cli.bench.compare import print_comparison, too_few_good
from cdk_sglang.cli.bench.environment import history_location
from cdk_sglang.cli.bench.report import read_runs
from cdk_sglang.errors import ConfigurationError, Problem


def gate(
    run: Annotated[str, typer.Argument(help="Run to judge: the beginning of its identifier, or last.")] = LAST,
    *,
    env: Annotated[str, typer.Option("--env", help="Name of an environment.")],
    component: Annotated[str | None, typer.Option(help="SageMaker's name of a component.")] = None,
    history: Annotated[str | None, typer.Option(help="Folder or s3://bucket/prefix of results.")] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, max=1, help="Relative difference up to which nothing is a regression.")
    ] = TOLERANCE,
    min_good: Annotated[
        float | None, typer.Option(min=0, max=1, help="Minimum share of good requests at every load.")
    ] = None,
) -> None:
    """Compare a run with the newest earlier one of the same workload that passed this gate, and keep the verdict with the results.

    A run that fails is never a baseline, so a second try is not compared with the first. Without such a run, the first one passes if
    enough requests are good. Exit code 1: a figure is worse by more than noise and tolerance, fewer requests than --min-good are good, or
    the run is not complete. Exit code 2: there is no such run.
    """
    runs = read_runs(history, environment=env, component=component)
    later = choose_run(runs, run, path="RUN")
    first = later[0]
    if component is None and len({one[0].component for one in runs.values()}) > 1:
        names = ", ".join(sorted({one[0].component for one in runs.values()}))
        raise ConfigurationError([Problem("--component", f"missing; the history has results of several: {names}")])
    store = History(location=history_location(history), s3=lambda: client("s3", region=None))
    with failures_of("s3:GetObject"):
        passed = store.passed(environment=env, component=first.component)
    baseline = _baseline(runs, later, passed)
    failures = [] if first.outcome is Outcome.COMPLETED else [f"run {first.run} is not complete: {first.outcome}"]
    if baseline is not None and not failures:
        failures += print_comparison(baseline, later, tolerance=tolerance)
    failures += [] if min_good is None else too_few_good(later, min_good)
    verdict = {
        "run": first.run,
        "passed": not failures,
        "failures": failures,
        "against": None if baseline is None else baseline[0].run,
    }
    with failures_of("s3:PutObject"):
        store.write_verdict(later, verdict)
    for failure in failures:
        typer.echo(f"bench: {failure}", err=True)
    against = "no earlier run of this workload has passed" if baseline is None else f"against {baseline[0].run}"
    typer.echo(f"gate: {first.run} {'failed' if failures else 'passed'}, {against}")
    raise typer.Exit(1 if failures else 0)


def _baseline(
    runs: dict[str, list[Measurement]], later: list[Measurement], passed: set[str]
) -> list[Measurement] | None:
    """Return the newest run before another one that passed and sent the same requests to the same component."""
    first = later[0]
    found = [
        one
        for name, one in runs.items()
        if name in passed
        and name != first.run
        and one[0].started < first.started
        and (one[0].component, one[0].workload_hash) == (first.component, first.workload_hash)
    ]
    return found[-1] if found else None
