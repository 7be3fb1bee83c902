"""`cdk-sglang eagle stop`: end the run that is in progress."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from cdk_sglang.cli.aws import fail, failures_of
from cdk_sglang.cli.eagle.decide import caller
from cdk_sglang.cli.eagle.options import Component, Env, Region, Yes, check_run, confirm
from cdk_sglang.cli.eagle.pipeline import Pipeline, find_pipeline
from cdk_sglang.cli.eagle.show import end_lines
from cdk_sglang.optimization.steps import STOPPED

if TYPE_CHECKING:
    from cdk_sglang.optimization.progress import Progress

_PROMOTION = "promotion"


def stop(
    env: Env,
    *,
    component: Component = None,
    run: Annotated[str | None, typer.Option("--run", help="The run; the one in progress by default.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Reason, stored with the run.")] = "",
    region: Region = None,
    yes: Yes = False,
) -> None:
    """Stop a run: what it made is cleaned up, what serves continues to serve, and its cost so far is printed.

    Exit code 1: no run is in progress, or AWS refuses.
    """
    check_run(run)
    pipeline = find_pipeline(env, component, region=region)
    execution = pipeline.execution_of(run) if run else next(pipeline.executions(status="RUNNING"), None)
    if execution is None:
        fail(f"no run of {pipeline.place.component} is in progress; nothing was stopped", code=1)
    found = pipeline.progress(execution["executionArn"])
    if not found.is_running:
        fail(f"{found.run} has ended already: {'; '.join(end_lines(found))}", code=1)
    where = found.step or "its beginning"
    typer.echo(f"{found.run} is at {where}; about {found.spent_usd:,.2f} $ so far")
    if found.step == _PROMOTION:
        typer.echo(
            "its version is being rolled out: CloudFormation rolls the update back unless it is nearly over, and then the version serves"
        )
    confirm(f"Stop {found.run}?", yes=yes, otherwise="The run goes on")
    _stop(pipeline, found, where=where, reason=reason)
    ended = pipeline.progress(found.execution)
    if ended.ending is None or ended.ending.state != STOPPED:
        fail(
            f"{found.run} has ended by itself meanwhile: {'; '.join(end_lines(ended)) or ended.status}; see cdk-sglang eagle status "
            f"{pipeline.place.options}",
            code=1,
        )
    spent = ended.ending.spent_usd or 0.0
    typer.echo(f"{found.run}: {STOPPED}, about {spent:,.2f} $ spent until then")
    typer.echo(
        "its training job, copies and files are removed by the pipeline itself within minutes, and are billed until then; what serves: "
        f"cdk-sglang eagle status {pipeline.place.options}"
    )


def _stop(pipeline: Pipeline, found: Progress, *, where: str, reason: str) -> None:
    """Abort the execution, with the end that a run has as its error and cause; a run that has ended meanwhile stays as it is."""
    ending = {
        "state": STOPPED,
        "reason": f"{caller(pipeline)} stopped it at {where}{f': {reason}' if reason else ''}",
        "next": f"start again: cdk-sglang eagle start {pipeline.place.options}",
        "run": found.run,
        "spent_usd": round(found.spent_usd, 2),
        "report": None,
    }
    with failures_of("states:StopExecution"):
        pipeline.states.stop_execution(executionArn=found.execution, error=STOPPED, cause=json.dumps(ending))
