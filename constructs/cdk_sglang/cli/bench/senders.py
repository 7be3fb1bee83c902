"""The senders of `bench run`, created from its options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from cdk_sglang.benchmarking.aiperf.process import VERSION, Ended, find_aiperf, version_of
from cdk_sglang.benchmarking.dataset import fetch_dataset
from cdk_sglang.benchmarking.jobs.parameters import job_problems
from cdk_sglang.benchmarking.resolved import ResolvedWorkload, Step
from cdk_sglang.benchmarking.target import Target
from cdk_sglang.benchmarking.tokenizer import BUILT_IN, fetch_tokenizer
from cdk_sglang.checks import raise_if_any
from cdk_sglang.cli.aws import client as aws_client
from cdk_sglang.cli.aws import failures_of
from cdk_sglang.errors import Problem
from cdk_sglang.spec.s3 import place_of

APIS = ("openai", "streaming")
RUNNERS = ("aiperf", "sagemaker")
UNKNOWN_JOB_PRICE = "bench: the jobs' own instances are in no figure and not in max_usd: AWS publishes neither their type nor their price; compare the bill"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be measured.

    Args:
        target: The component.
        workload: The workload.
        identifier: Identifier of the run.
        folder: Folder for files.
        environments: Folder of the environments, which datasets are relative to.
        tokenizer: Tokenizer of the command line; None for that of the weights.
    """

    target: Target
    workload: ResolvedWorkload
    identifier: str
    folder: Path
    environments: Path
    tokenizer: str | None


@dataclass(frozen=True, kw_only=True)
class Sender:
    """A sender.

    Args:
        send: Sends one repeat of a step.
        name: Name of the runner in results.
        tool_version: AIPerf's version, where it is known before the run.
        notes: Lines to print after the run.
    """

    send: Callable[[Step, int, Path, Callable[[], str | None]], Ended]
    name: str
    tool_version: str
    notes: Sequence[str] = field(default_factory=list)


def check_usage(*, runner: str, api: str, role: str | None, output: str | None) -> None:
    """Check options that belong together.

    Raises:
        ConfigurationError: An unknown word, or an option without the one that it goes with.
    """
    problems = [
        Problem(option, f"{value!r} is not allowed; use {' or '.join(words)}")
        for option, value, words in (("--api", api, APIS), ("--runner", runner, RUNNERS))
        if value not in words
    ]
    for option, argument in (("--role", role), ("--output", output)):
        if (argument is not None) != (runner == "sagemaker"):
            text = "goes with --runner sagemaker; leave it out" if argument else "missing; --runner sagemaker needs it"
            problems.append(Problem(option, text))
    if output is not None and place_of(output.rstrip("/") + "/") is None:
        problems.append(Problem("--output", f"{output!r} is no place in S3; write s3://bucket/prefix"))
    raise_if_any(problems)


def aiperf_sender(request: Request, *, api: str, executable: Path | None, weights: str) -> Sender:
    """Return a sender with AIPerf on this machine.

    Args:
        request: What is to be measured.
        api: API of SageMaker: openai or streaming.
        executable: AIPerf; located automatically if None.
        weights: Place of the weights, with their tokenizer.
    """
    import boto3

    from cdk_sglang.benchmarking.senders import AiperfSender
    from cdk_sglang.cli.bench.ways import Api, Way

    program = find_aiperf(executable)
    version = version_of(program)
    if version != VERSION:
        known = version or "of an unknown version"
        typer.echo(f"bench: AIPerf {known}; the figures are tested with {VERSION}", err=True)
    workload = request.workload
    way = Way(
        Api(api),
        request.target,
        session=boto3.Session(region_name=request.target.region),
        timeout_seconds=workload.timeout_seconds,
    )
    sender = AiperfSender(
        executable=program,
        workload=workload,
        model=request.target.component_name,
        tokenizer=request.tokenizer
        or tokenizer_of(weights, request.folder / "tokenizer", region=request.target.region),
        dataset=_dataset(request),
        address=way,
    )
    return Sender(send=sender, name=f"aiperf-{api}", tool_version=version, notes=way.notes)


def job_sender(request: Request, sagemaker: Any, *, role: str, output: str, timeout_seconds: float) -> Sender:
    """Return a sender with SageMaker AI benchmark jobs.

    Args:
        request: What is to be measured.
        sagemaker: Client of SageMaker.
        role: ARN of the jobs' role.
        output: Place for their files.
        timeout_seconds: Seconds after which a job counts as hung.

    Raises:
        ConfigurationError: The Region has no such jobs, or they cannot send this workload.
    """
    from cdk_sglang.benchmarking.jobs.runner import JobRunner
    from cdk_sglang.benchmarking.senders import JobSender

    raise_if_any(job_problems(request.workload, request.target.region))
    tokenizer = request.tokenizer or request.target.model
    jobs = JobRunner(
        sagemaker=sagemaker,
        s3=aws_client("s3", region=request.target.region),
        target=request.target,
        role_arn=role,
        output=output,
        timeout_seconds=timeout_seconds,
    )
    sender = JobSender(
        jobs=jobs,
        environment=request.target.environment,
        run=request.identifier,
        workload=request.workload,
        tokenizer=tokenizer,
    )
    return Sender(send=sender, name="sagemaker", tool_version="", notes=[UNKNOWN_JOB_PRICE])


def tokenizer_of(uri: str, folder: Path, *, region: str) -> str:
    """Return the tokenizer of some weights: a folder that it is copied into, or the name of AIPerf's own.

    Args:
        uri: Place of the weights in S3.
        folder: Folder for its files.
        region: Region of S3's client.
    """
    with failures_of(f"s3:GetObject {uri}"):
        found = fetch_tokenizer(aws_client("s3", region=region), uri, folder)
    if found == BUILT_IN:
        typer.echo(
            "bench: the weights have no tokenizer of their own, so AIPerf's makes the prompts, whose length will differ from "
            "input_tokens; name one with --tokenizer",
            err=True,
        )
    return found


def _dataset(request: Request) -> Path | None:
    dataset = request.workload.dataset
    if dataset is None:
        return None
    with failures_of(f"s3:GetObject {dataset.s3}"):
        return fetch_dataset(
            dataset,
            folder=request.environments,
            into=request.folder,
            s3=lambda: aws_client("s3", region=request.target.region),
        )
