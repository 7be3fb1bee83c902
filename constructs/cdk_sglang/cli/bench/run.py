"""`cdk-sglang bench run`: send a workload to a component and keep the results."""

from __future__ import annotations

import datetime as dt
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cdk_sglang.cli.aws import client as aws_client
from cdk_sglang.cli.aws import fail, failures_of
from cdk_sglang.cli.bench.environment import history_location, read_environment
from cdk_sglang.cli.bench.options import Aiperf, Api, History, Tokenizer
from cdk_sglang.cli.bench.waking import NoAnswerError, seconds_until_answer
from cdk_sglang.cli.environment_option import env_option, environments_option
from cdk_sglang.environments.location import ENVIRONMENTS
from cdk_sglang.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from cdk_sglang.benchmarking.resolved import ResolvedWorkload
    from cdk_sglang.benchmarking.target import Target

FOLDER: Final = Path(".bench/runs")
"""Folder of AIPerf's own files, one below it for each run."""


def run(
    env: Annotated[str, env_option("Name of an environment, for example dev.")],
    *,
    component: Annotated[str | None, typer.Option(help="Component, such as chat/llama.")] = None,
    workload: Annotated[str | None, typer.Option(help="Workload, from `bench` in the environment's file.")] = None,
    api: Api = "openai",
    history: History = None,
    environments: Annotated[Path | None, environments_option("Folder of the environments.")] = None,
    aiperf: Aiperf = None,
    tokenizer: Tokenizer = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, max=20, help="Number of repeats, instead of the workload's.")
    ] = None,
    max_usd: Annotated[
        float | None, typer.Option(min=0.01, help="Maximum cost in US dollars, instead of the workload's.")
    ] = None,
    max_error_rate: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of requests that may fail, instead of the workload's.")
    ] = None,
    runner: Annotated[str, typer.Option(help="aiperf on this machine, or sagemaker: AI benchmark jobs.")] = "aiperf",
    role: Annotated[str | None, typer.Option(help="With --runner sagemaker: ARN of the jobs' role.")] = None,
    output: Annotated[
        str | None, typer.Option(help="With --runner sagemaker: s3://bucket/prefix for the jobs' files.")
    ] = None,
    job_minutes: Annotated[
        float, typer.Option(min=1, help="With --runner sagemaker: minutes after which a job counts as hung.")
    ] = 120,
    wait_seconds: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for a copy.")] = 900,
) -> None:
    """Wake the component, send the workload with AIPerf, and keep the results; the figures exclude the wake-up.

    Exit code 1: interrupted, throttled, no request or too few were answered, the endpoint ended, the ceiling was reached, or AIPerf
    failed; what was measured is kept and marked. Exit code 2: settings or usage are wrong, and nothing was sent.
    """
    from dataclasses import replace

    from cdk_sglang.benchmarking.history.parquet import duckdb_module
    from cdk_sglang.benchmarking.history.store import History
    from cdk_sglang.benchmarking.result import Outcome
    from cdk_sglang.benchmarking.runner import Setup, run_workload
    from cdk_sglang.cli.bench.report import print_run
    from cdk_sglang.cli.bench.senders import Request, aiperf_sender, check_usage, job_sender

    check_usage(runner=runner, api=api, role=role, output=output)
    duckdb_module()  # rather now than after the run
    bench = read_environment(env, environments)
    target, resolved = bench.choose(workload=workload, component=component)
    resolved = replace(resolved, repeats=repeats or resolved.repeats, max_usd=max_usd or resolved.max_usd)
    if max_error_rate is not None:
        resolved = replace(resolved, max_error_rate=max_error_rate)
    sagemaker = aws_client("sagemaker", region=bench.region)
    target = replace(target, region=sagemaker.meta.region_name)
    identifier = new_identifier()
    request = Request(
        target=target,
        workload=resolved,
        identifier=identifier,
        folder=(FOLDER / identifier).absolute(),
        environments=environments or ENVIRONMENTS,
        tokenizer=tokenizer,
    )
    described = _described(sagemaker, target)
    _check_ceiling(target, resolved, described.instance)
    if runner == "sagemaker":
        assert role is not None
        assert output is not None
        sender = job_sender(request, sagemaker, role=role, output=output, timeout_seconds=job_minutes * 60)
    else:
        sender = aiperf_sender(request, api=api, executable=aiperf, weights=described.model_revision)
    wake_seconds = _wake(target, wait_seconds=wait_seconds)
    setup = Setup(
        send=sender.send,
        tool_version=sender.tool_version,
        folder=request.folder,
        runner=sender.name,
        has_ended=lambda: _ended(sagemaker, target),
        deployed=_described(sagemaker, target),
        wake_seconds=wake_seconds,
        say=lambda line: typer.echo(line, err=True),
        copies=lambda: _copies(sagemaker, target),
    )
    with failures_of("sagemaker:CreateAIBenchmarkJob" if runner == "sagemaker" else "sagemaker:InvokeEndpoint"):
        done = run_workload(target, resolved, setup, identifier=identifier)
    for note in sender.notes:
        typer.echo(note, err=True)
    store = History(location=history_location(history), s3=lambda: aws_client("s3", region=None))
    if done.measurements:
        with failures_of("s3:PutObject"):
            place = store.write(done.measurements)
        print_run(done.measurements)
        typer.echo(f"run {identifier}: {place}")
    if done.outcome is not Outcome.COMPLETED:
        typer.echo(f"bench: {done.outcome}: {done.reason}", err=True)
        raise typer.Exit(1)


def new_identifier() -> str:
    """Return an identifier that sorts by time."""
    return f"{dt.datetime.now(tz=dt.UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


def _described(sagemaker: Any, target: Target) -> Any:
    from cdk_sglang.benchmarking.deployed import describe

    with failures_of(f"sagemaker:DescribeInferenceComponent {target.component_name}"):
        return describe(sagemaker, target)


def _ended(sagemaker: Any, target: Target) -> str | None:
    from cdk_sglang.benchmarking.deployed import has_ended

    return has_ended(sagemaker, target)


def _copies(sagemaker: Any, target: Target) -> int | None:
    from cdk_sglang.benchmarking.deployed import copies_now

    return copies_now(sagemaker, target)


def _wake(target: Target, *, wait_seconds: float) -> float:
    """Ask one short question, which wakes a component at zero copies; return the seconds until the answer."""
    try:
        return seconds_until_answer(target, wait_seconds=wait_seconds)
    except NoAnswerError as error:
        fail(f"bench: {error}", code=1)
    except KeyboardInterrupt:
        fail("bench: interrupted before the first request; nothing was measured", code=1)


def _check_ceiling(target: Target, resolved: ResolvedWorkload, instance: str) -> None:
    if resolved.max_usd is not None and target.usd_per_hour(instance, 1) is None:
        raise ConfigurationError(
            [
                Problem(
                    "max_usd",
                    f"no price of {instance} in {target.region} is known, so no ceiling can be kept; run `cdk-sglang prices update`, "
                    "or leave it out",
                )
            ]
        )
