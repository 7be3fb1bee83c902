"""What `bench scan` does on AWS: the endpoints that it makes, and the measurement of each with the runner of `bench run`."""

from __future__ import annotations

import dataclasses
import datetime as dt
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from cdk_sglang.benchmarking.scan import LADDER, Scanned, scan_plan
from cdk_sglang.benchmarking.scan_run import Candidate
from cdk_sglang.benchmarking.scan_stacks import ScanStacks
from cdk_sglang.checks import raise_if_any
from cdk_sglang.cli.aws import FailedError, failures_of
from cdk_sglang.cli.aws import client as aws_client
from cdk_sglang.cli.bench.senders import Request, aiperf_sender
from cdk_sglang.cli.bench.waking import NoAnswerError, seconds_until_answer
from cdk_sglang.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from cdk_sglang.benchmarking.result import Measurement
    from cdk_sglang.benchmarking.target import Target
    from cdk_sglang.hardware import GpuInstance, PriceTable
    from cdk_sglang.planning import ComponentRequest
    from cdk_sglang.spec.slo import Slo

ENVIRONMENT: Final = "scan"
"""Environment of a scan's results in the history."""
_AROUND: Final = 1
"""Steps of the ladder on each side of the planned load that are measured."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a scan that measures.

    Args:
        component: The model and its load.
        slo: Objectives; None if there are none.
        region: Region.
        prices: Prices that take precedence over the package's.
        weights: Place of the model's files.
        api: API of SageMaker: openai or streaming.
        aiperf: AIPerf; located automatically if None.
        tokenizer: Folder or name of the tokenizer.
        repeats: How often each load is measured.
        wait_seconds: Seconds to wait for the first answer.
        folder: Folder for AIPerf's files.
        history: Place of the results.
    """

    component: ComponentRequest
    slo: Slo | None
    region: str
    prices: PriceTable | None
    weights: str
    api: str
    aiperf: Path | None
    tokenizer: str
    repeats: int
    wait_seconds: float
    folder: Path
    history: str


def scan_stacks(region: str) -> ScanStacks:
    """Return the stacks of scans in a Region of the account that the user is signed in to.

    Args:
        region: The Region.
    """
    return ScanStacks(
        cloudformation=aws_client("cloudformation", region=region),
        now=lambda: dt.datetime.now(tz=dt.UTC),
        elapsed=time.monotonic,
        sleep=time.sleep,
        say=lambda line: typer.echo(f"bench: {line}", err=True),
    )


def candidates(
    identifier: str, instances: Sequence[GpuInstance], planned: Sequence[Scanned], options: Options
) -> list[Candidate]:
    """Return the endpoints of the types on which the model fits, those that the plan finds cheapest first.

    Args:
        identifier: Identifier of the scan, in lower case.
        instances: Instance types.
        planned: What the plan says of them.
        options: Options of the scan.

    Raises:
        ConfigurationError: No price of a type is known, or a value is not allowed.
    """
    from cdk_sglang.benchmarking.scan_stack import scan_endpoint
    from cdk_sglang.engine import SglangOptions
    from cdk_sglang.hardware import price_usd_per_hour
    from cdk_sglang.planning import start_up
    from cdk_sglang.planning.parallel import GIB

    by_name = {instance.name: instance for instance in instances}
    component = options.component
    whatever = {
        one.instance: one for one in scan_plan(component, instances, None, region=options.region, prices=options.prices)
    }
    found, problems = [], []
    for one in planned:
        # For a type that meets the objectives at no load according to the plan, the measurement decides.
        known = one if one.answer is not None else whatever[one.instance]
        if known.answer is None:
            continue
        instance = by_name[one.instance]
        price = price_usd_per_hour(instance, options.region, table=options.prices)
        if price is None:
            text = f"no price of {instance.name} in {options.region} is known, so no budget can be kept; run `cdk-sglang prices update`"
            problems.append(Problem("--types", text))
            continue
        if one.answer is None:
            known = dataclasses.replace(known, concurrency=1)
        server = SglangOptions(context_length=component.context_length, tp_size=component.split(known.gpus).tensor)
        endpoint = scan_endpoint(
            identifier,
            instance.name,
            facts=component.facts,
            weights=options.weights,
            server=server,
            region=options.region,
        )
        seconds = start_up(component.facts.weights_gib * GIB / 1e9, instance).from_zero
        found.append(
            Candidate(planned=known, endpoint=endpoint, usd_per_hour=price.usd_per_hour, start_seconds=seconds)
        )
    raise_if_any(problems)
    return found


def measurer(identifier: str, options: Options) -> Callable[[Candidate, float], tuple[Sequence[Measurement], str]]:
    """Return what measures an endpoint that answers.

    Args:
        identifier: Identifier of the scan.
        options: Options of the scan.
    """

    def measure(candidate: Candidate, usd: float) -> tuple[Sequence[Measurement], str]:
        try:
            return _measured(identifier, candidate, options, usd=usd)
        except FailedError as error:
            return [], error.text
        except (NoAnswerError, ConfigurationError) as error:
            return [], str(error)

    return measure


def levels(planned: int) -> tuple[int, ...]:
    """Return the requests in flight that are measured: the planned load, and its neighbours on the ladder.

    Args:
        planned: Requests in flight that the plan finds best, one of the ladder.
    """
    at = LADDER.index(planned)
    return LADDER[max(0, at - _AROUND) : at + _AROUND + 1]


def _measured(
    identifier: str, candidate: Candidate, options: Options, *, usd: float
) -> tuple[Sequence[Measurement], str]:
    from cdk_sglang.benchmarking.deployed import copies_now, describe, has_ended
    from cdk_sglang.benchmarking.history.store import History
    from cdk_sglang.benchmarking.resolved import resolve_workload
    from cdk_sglang.benchmarking.result import Outcome
    from cdk_sglang.benchmarking.runner import Setup, run_workload
    from cdk_sglang.spec.workload import Workload

    target = _target(candidate, options)
    workload = Workload(concurrency=levels(candidate.planned.concurrency), repeats=options.repeats)
    resolved = dataclasses.replace(
        resolve_workload(ENVIRONMENT, workload, load=target.load, slo=options.slo), max_usd=usd
    )
    sagemaker: Any = aws_client("sagemaker", region=options.region)
    run = f"{identifier}-{candidate.planned.instance.removeprefix('ml.').replace('.', '-')}"
    request = Request(
        target=target,
        workload=resolved,
        identifier=run,
        folder=(options.folder / run).absolute(),
        environments=options.folder,
        tokenizer=options.tokenizer,
    )
    sender = aiperf_sender(request, api=options.api, executable=options.aiperf, weights=options.weights)
    wake_seconds = seconds_until_answer(target, wait_seconds=options.wait_seconds)
    with failures_of(f"sagemaker:DescribeInferenceComponent {target.component_name}"):
        deployed = describe(sagemaker, target)
    setup = Setup(
        send=sender.send,
        tool_version=sender.tool_version,
        folder=request.folder,
        runner=sender.name,
        has_ended=lambda: has_ended(sagemaker, target),
        deployed=deployed,
        wake_seconds=wake_seconds,
        say=lambda line: typer.echo(f"{candidate.planned.instance}: {line}", err=True),
        copies=lambda: copies_now(sagemaker, target),
    )
    done = run_workload(target, resolved, setup, identifier=run)
    if done.measurements:
        store = History(location=options.history, s3=lambda: aws_client("s3", region=None))
        with failures_of("s3:PutObject"):
            typer.echo(f"run {run}: {store.write(done.measurements)}", err=True)
    if done.outcome is Outcome.INTERRUPTED:
        raise KeyboardInterrupt
    reason = "" if done.outcome is Outcome.COMPLETED else f"{done.outcome}: {done.reason}"
    return done.measurements, reason


def _target(candidate: Candidate, options: Options) -> Target:
    from cdk_sglang.benchmarking.target import Target
    from cdk_sglang.hardware import GpuInstance
    from cdk_sglang.spec.load import Load

    component = options.component
    return Target(
        environment=ENVIRONMENT,
        path=candidate.planned.instance,
        endpoint_name=candidate.endpoint.endpoint_name,
        component_name=candidate.endpoint.component_name,
        region=options.region,
        load=Load(input_tokens=component.input_tokens, output_tokens=component.output_tokens),
        slo=options.slo,
        model=component.facts.id,
        model_revision=options.weights,
        sglang_version=candidate.endpoint.sglang_version,
        instance=GpuInstance.named(candidate.planned.instance),
        gpus=candidate.planned.gpus,
        request=component,
        prices=options.prices,
    )


@contextmanager
def ended_as_interrupted() -> Iterator[None]:
    """Make SIGTERM and SIGHUP end the command as Ctrl-C does, so that it cleans up."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {name: signal.signal(name, interrupt) for name in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def confirm(question: str, *, yes: bool) -> None:
    """Ask once before something is spent or deleted; end the command with exit code 1 if the answer is no.

    Args:
        question: The question.
        yes: Whether the user has answered beforehand.

    Raises:
        ConfigurationError: There is no terminal to ask in, and no --yes.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigurationError([Problem("--yes", f"missing; there is no terminal to ask in: {question}")])
    if not typer.confirm(question):
        raise typer.Exit(1)
