"""`cdk-sglang eagle promote`, `reject` and `rollback`: which version serves."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdk_sglang.cli.aws import client, fail, failures_of
from cdk_sglang.cli.eagle.options import Component, Env, Region, Yes, check_run, confirm
from cdk_sglang.cli.eagle.pipeline import Pipeline, find_pipeline, name_of
from cdk_sglang.cli.eagle.update import check_at_rest, set_version
from cdk_sglang.optimization.evidence import verdict_line
from cdk_sglang.optimization.report import read_report
from cdk_sglang.optimization.versions import BASE, Served, Version, previous_of, servable_problems

if TYPE_CHECKING:
    from cdk_sglang.optimization.progress import Progress

Run = Annotated[
    str | None,
    typer.Option("--run", help="The run that waits for approval (default), or an earlier one."),
]


def promote(env: Env, *, component: Component = None, run: Run = None, region: Region = None, yes: Yes = False) -> None:
    """Let a draft serve: approve the run that waits for a person, or switch to a version that was approved before.

    Exit code 1: there is nothing to promote, the version was refused, or its update was rolled back.
    """
    check_run(run)
    pipeline = find_pipeline(env, component, region=region)
    waiting = _waiting(pipeline, run)
    if waiting is not None:
        _show_verdict(pipeline, waiting.run)
        confirm(f"Let {waiting.run} serve?", yes=yes, otherwise="The run keeps waiting")
        _answer(pipeline, waiting, approved=True, reason="")
        typer.echo(
            f"{waiting.run} is approved, and its pipeline rolls it out: cdk-sglang eagle status {pipeline.place.options} --watch"
        )
        return
    if run is None:
        fail(
            f"no run of {pipeline.place.component} waits for an answer; name an earlier version with --run, or begin a run: "
            f"cdk-sglang eagle start {pipeline.place.options}",
            code=1,
        )
    version = _servable(pipeline, run)
    stack = pipeline.stack()
    check_at_rest(pipeline, stack)
    served = pipeline.served(stack)
    if served.version == run:
        typer.echo(f"{run} serves already")
        return
    _roll_out(pipeline, version, served, yes=yes)


def reject(
    env: Env,
    *,
    component: Component = None,
    run: Run = None,
    reason: Annotated[str, typer.Option("--reason", help="Reason, stored with the version.")] = "",
    region: Region = None,
    yes: Yes = False,
) -> None:
    """Reject the run that waits for a person; its version is deleted, and what serves continues to serve.

    Exit code 1: no run waits for approval.
    """
    check_run(run)
    pipeline = find_pipeline(env, component, region=region)
    waiting = _waiting(pipeline, run)
    if waiting is None:
        fail(
            f"{run or 'no run'} {'does not wait' if run else 'waits'} for an answer; see cdk-sglang eagle status {pipeline.place.options}",
            code=1,
        )
    confirm(f"Refuse {waiting.run}?", yes=yes, otherwise="The run keeps waiting")
    _answer(pipeline, waiting, approved=False, reason=reason)
    typer.echo(f"{waiting.run} is refused; what serves goes on serving")


def rollback(
    env: Env,
    *,
    component: Component = None,
    to: Annotated[
        str | None, typer.Option("--to", help="A run, or base for the model alone; by default the previous version.")
    ] = None,
    region: Region = None,
    yes: Yes = False,
) -> None:
    """Go back to the version that was approved before, or to the model alone, and follow the rollout to its end.

    Exit code 1: there is nothing to go back to, or the update was rolled back.
    """
    check_run(None if to == BASE else to)
    pipeline = find_pipeline(env, component, region=region)
    stack = pipeline.stack()
    check_at_rest(pipeline, stack)
    served = pipeline.served(stack)
    if to == BASE:
        target: Version | None = None
    elif to is not None:
        target = _servable(pipeline, to)
    else:
        if served.is_base:
            fail(f"{pipeline.place.component} serves the model alone; there is nothing before it", code=1)
        target = previous_of(pipeline.versions(), served=served.version, parameter=pipeline.place.parameter)
        if target is not None and not pipeline.is_whole(Served.parse(target.value)):
            typer.echo(f"{target.run} is no longer complete, so the rollback goes to the model alone", err=True)
            target = None
    if name_of(target) == served.version:
        typer.echo(f"{pipeline.place.component} serves {served.text} already")
        return
    _roll_out(pipeline, target, served, yes=yes)


def _roll_out(pipeline: Pipeline, version: Version | None, served: Served, *, yes: bool) -> None:
    value = pipeline.value_of(version)
    target = Served.parse(value)
    typer.echo(f"{pipeline.place.component} serves {served.text}; then: {target.text}")
    confirm("Roll it out?", yes=yes, otherwise="Nothing was changed")
    set_version(pipeline, value, token=f"{name_of(version)}-{secrets.token_hex(4)}")
    typer.echo(f"{pipeline.place.component} serves {target.text}")


def _servable(pipeline: Pipeline, run: str) -> Version:
    """Return an approved version; end the command if there is none, or if it cannot serve."""
    version = next((one for one in pipeline.versions() if one.run == run), None)
    if version is None:
        fail(
            f"{run}: no version of {pipeline.place.component} in the model registry; its run has not reached a verdict",
            code=1,
        )
    problems = servable_problems(version, parameter=pipeline.place.parameter)
    if problems:
        fail("; ".join(problems), code=1)
    if not pipeline.is_whole(Served.parse(version.value)):
        fail(
            f"{run}: its files were deleted from s3://{pipeline.place.bucket}; start another run (cdk-sglang eagle start)",
            code=1,
        )
    return version


def _waiting(pipeline: Pipeline, run: str | None) -> Progress | None:
    """Return the run that waits for a person; None if none does, or if it is not the one asked for."""
    for execution in pipeline.executions(status="RUNNING"):
        found = pipeline.progress(execution["executionArn"])
        if found.step == "approval" and run in {None, found.run}:
            return found
    return None


def _show_verdict(pipeline: Pipeline, run: str) -> None:
    key = pipeline.place.run_key(run, "report.json")
    text = pipeline.file(key)
    if text is not None:
        typer.echo(verdict_line(read_report(text, place=f"s3://{pipeline.place.bucket}/{key}")))
        typer.echo(f"all of it: cdk-sglang eagle report {pipeline.place.options} --run {run}")


def _answer(pipeline: Pipeline, waiting: Progress, *, approved: bool, reason: str) -> None:
    """Send the answer with the token of the question, which is in the weights bucket and not in any mail."""
    key = pipeline.place.run_key(waiting.run, "approval.json")
    token = _token(pipeline.file(key))
    if token is None:
        fail(f"s3://{pipeline.place.bucket}/{key} has no question yet; try again in a minute", code=1)
    answer: dict[str, Any] = {"approved": approved, "by": caller(pipeline), **({"reason": reason} if reason else {})}
    gone = pipeline.states.exceptions
    with failures_of("states:SendTaskSuccess"):
        try:
            pipeline.states.send_task_success(taskToken=token, output=json.dumps(answer))
        except (gone.TaskTimedOut, gone.TaskDoesNotExist, gone.InvalidToken):
            fail(
                f"the question of {waiting.run} was answered already, or its time is over; see cdk-sglang eagle status {pipeline.place.options}",
                code=1,
            )


def _token(text: str | None) -> str | None:
    try:
        content = json.loads(text or "")
    except ValueError:
        return None
    found = content.get("token") if isinstance(content, dict) else None
    return found if isinstance(found, str) and found else None


def caller(pipeline: Pipeline) -> str:
    """Return the ARN of whoever signs the commands' requests."""
    with failures_of("sts:GetCallerIdentity"):
        return str(client("sts", region=pipeline.region).get_caller_identity()["Arn"])
