"""Runs a workload from this machine: every repeat of every step with AIPerf, with named outcomes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from cdk_sglang.benchmarking.aiperf.process import INTERRUPTED, Ended
from cdk_sglang.benchmarking.aiperf.records import figures_of, read_records
from cdk_sglang.benchmarking.copies import CopiesSeen
from cdk_sglang.benchmarking.outcomes import OF_ONE_LOAD, Found, error_rate, outcome_of
from cdk_sglang.benchmarking.resolved import ResolvedWorkload, Step
from cdk_sglang.benchmarking.result import SCHEMA_VERSION, Deployed, Measurement, Outcome
from cdk_sglang.benchmarking.target import Target

CLOCK_SET_SECONDS: Final = 1.0
"""Seconds by which the time of day and a monotonic clock may differ over a repeat; a time server that is off by less
than 128 ms is followed at 0.5 ms a second, and otherwise the clock is set (manual of ntpd 4.2.6, option -x, read 2026-12)."""
_CLOCK_SET_SHARE: Final = 0.001
_SECONDS_PER_HOUR: Final = 3600


class Clock(Protocol):
    """Clock of a run; tests have their own."""

    def __call__(self) -> dt.datetime:
        """Return the time, UTC."""


def utc_now() -> dt.datetime:
    """Return the time, UTC."""
    return dt.datetime.now(tz=dt.UTC)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Dependencies of a run.

    Args:
        send: Sends one repeat of a step; takes the step, the repeat's position, a folder for its records, and a function that returns why to stop.
        tool_version: AIPerf's version.
        folder: Folder for AIPerf's files, one below it for each repeat of a step.
        runner: Name of the runner in results.
        has_ended: Returns in words that endpoint or component are gone; None while they serve.
        deployed: The deployment that answers.
        wake_seconds: Seconds that waking the component took.
        say: Prints a line of progress.
        copies: Returns the number of copies that SageMaker currently reports; None if it reports none.
        now: Returns the time of day, UTC, for the start and end of repeats.
        elapsed: Returns the seconds of a monotonic clock, for durations and the ceiling.
    """

    send: Callable[[Step, int, Path, Callable[[], str | None]], Ended]
    tool_version: str
    folder: Path
    runner: str
    has_ended: Callable[[], str | None]
    deployed: Deployed
    wake_seconds: float
    say: Callable[[str], None]
    copies: Callable[[], int | None] = lambda: None
    now: Clock = utc_now
    elapsed: Callable[[], float] = time.monotonic


@dataclass
class Run:
    """A run: its measurements and its outcome.

    Attributes:
        identifier: Identifier of the run.
        outcome: How it ended.
        reason: The outcome in words; empty for a completed run.
        measurements: One for each repeat of a step.
    """

    identifier: str
    outcome: Outcome = Outcome.COMPLETED
    reason: str = ""
    measurements: list[Measurement] = field(default_factory=list)

    def ended(self, outcome: Outcome, reason: str) -> None:
        """Set the outcome of the run and of its measurements; the reason of an earlier outcome is appended."""
        self.outcome, self.reason = outcome, "; ".join(filter(None, [reason, self.reason]))
        self.measurements = [dataclasses.replace(one, outcome=outcome) for one in self.measurements]


def run_workload(target: Target, workload: ResolvedWorkload, setup: Setup, *, identifier: str) -> Run:
    """Measure every repeat of every step; stop at the first outcome after which further figures would be meaningless.

    Repeats are the outer loop, so that a slow change of the machine affects all steps instead of appearing as an effect of one load. A load at
    which too many requests fail says nothing about lower ones: it and higher loads are not measured again, lower ones are measured to the end.

    Args:
        target: The component.
        workload: The workload.
        setup: Dependencies of the run.
        identifier: Identifier of the run.

    Raises:
        botocore.exceptions.ClientError: AWS refuses the first repeat; a later refusal ends the run, which keeps what it has.
        botocore.exceptions.BotoCoreError: The same of an AWS that is not reached, and of credentials that have ended.
    """
    run = Run(identifier=identifier)
    usd_per_hour = target.usd_per_hour(setup.deployed.instance, setup.deployed.instances)
    ceiling = _Ceiling(
        start=setup.elapsed(), usd_per_hour=usd_per_hour, max_usd=workload.max_usd, elapsed=setup.elapsed
    )
    steps = workload.steps
    for repeat in range(workload.repeats):
        for position, step in enumerate(steps):
            setup.say(f"{step.label}: repeat {repeat + 1} of {workload.repeats}")
            try:
                found = _measure(run, target, workload, setup, step=step, place=(position, repeat), ceiling=ceiling)
            except KeyboardInterrupt:  # between two repeats, or while one's results are read; inside, it ends the tool
                if not run.measurements:
                    raise
                found = Outcome.INTERRUPTED, f"{INTERRUPTED}; what was measured until then is kept"
            if found is None:
                continue
            run.ended(*found)
            if found[0] not in OF_ONE_LOAD:
                return run
            steps = steps[:position]
            break
    return run


@dataclass(frozen=True, kw_only=True)
class _Ceiling:
    start: float
    usd_per_hour: float | None
    max_usd: float | None
    elapsed: Callable[[], float]

    def reached(self) -> str | None:
        if self.max_usd is None or self.usd_per_hour is None:
            return None
        spent = (self.elapsed() - self.start) / _SECONDS_PER_HOUR * self.usd_per_hour
        return f"${spent:.2f} of max_usd ${self.max_usd:g} are spent" if spent >= self.max_usd else None


def _measure(
    run: Run,
    target: Target,
    workload: ResolvedWorkload,
    setup: Setup,
    *,
    step: Step,
    place: tuple[int, int],
    ceiling: _Ceiling,
) -> Found | None:
    position, repeat = place
    folder = setup.folder / f"step-{position}-repeat-{repeat}"
    folder.mkdir(parents=True, exist_ok=True)
    started, begun = setup.now(), setup.elapsed()
    copies = CopiesSeen(setup.copies)

    def stop() -> str | None:
        copies.look()
        return ceiling.reached()

    try:
        ended = setup.send(step, repeat, folder, stop)
    except (ClientError, BotoCoreError) as error:
        gone = setup.has_ended()
        if gone is None and not run.measurements:
            raise
        reason = " ".join(str(error).split())
        outcome = Outcome.TOOL_FAILED if gone is None else Outcome.ENDPOINT_ENDED
        return outcome, reason if gone is None else f"{gone}: {reason}"
    over, seconds = setup.now(), setup.elapsed() - begun
    copies.look(now=True)
    records = read_records(folder)
    figures = figures_of(records, goodput=workload.goodput)
    clock_was_set = _clock_was_set((over - started).total_seconds(), seconds)
    if clock_was_set is not None:
        setup.say(clock_was_set)
    was_cut = records.cancelled > 0 and error_rate(figures) <= workload.max_error_rate  # else AIPerf gave the step up
    run.measurements.append(
        Measurement(
            schema_version=SCHEMA_VERSION,
            run=run.identifier,
            environment=target.environment,
            endpoint=target.endpoint_name,
            component=target.component_name,
            region=target.region,
            workload=workload.name,
            workload_hash=workload.content_hash,
            workload_content=workload.content,
            runner=setup.runner,
            tool_version=setup.tool_version,
            started=started,
            ended=over,
            step=position,
            repeat=repeat,
            concurrency=step.concurrency,
            request_rate=step.request_rate,
            is_partial=ended.reason is not None or was_cut or clock_was_set is not None,
            outcome=run.outcome,
            wake_seconds=setup.wake_seconds,
            usd_per_hour=ceiling.usd_per_hour,
            figures=figures,
            deployed=setup.deployed,
            planned=target.planned(workload, step, copies=copies.constant(setup.deployed.copies)),
            copies_min=copies.fewest,
            copies_max=copies.most,
            max_error_rate=workload.max_error_rate,
        )
    )
    return outcome_of(figures, ended, setup.has_ended, load=step.label, max_error_rate=workload.max_error_rate)


def _clock_was_set(of_day: float, monotonic: float) -> str | None:
    """Return in words that the machine's time of day was set during a repeat, whose rates are then wrong; None if it was not."""
    difference = of_day - monotonic
    if abs(difference) <= max(CLOCK_SET_SECONDS, _CLOCK_SET_SHARE * monotonic):
        return None
    return (
        f"the machine's clock was set by {difference:+.1f} s during this repeat, whose rates are wrong: it is marked as partial, and left out of "
        "comparisons and calibration"
    )
