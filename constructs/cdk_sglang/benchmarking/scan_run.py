"""Measures a scan: one endpoint per instance type, one after the other, within a budget; each is deleted whatever happens."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from cdk_sglang.benchmarking.aiperf.process import INTERRUPTED
from cdk_sglang.benchmarking.figures import steps_of
from cdk_sglang.planning.price import TokenPrices, token_prices

if TYPE_CHECKING:
    from cdk_sglang.benchmarking.result import Measurement
    from cdk_sglang.benchmarking.scan import Scanned
    from cdk_sglang.benchmarking.scan_stacks import ScanEndpoint, ScanStacks
    from cdk_sglang.spec.slo import Slo

CLEAN: Final = "cdk-sglang bench clean"
_SECONDS_PER_HOUR: Final = 3600
_MARGIN: Final = dt.timedelta(hours=2)
"""Time after the last that a scan can take for a type, its deletion included, from which its stack is left over."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An instance type that is to be measured.

    Args:
        planned: What the plan says of it; `gpus` of a copy at least.
        endpoint: The endpoint that the scan makes.
        usd_per_hour: US dollars per hour of its instance.
        start_seconds: Seconds from nothing to the first answer, as planned.
    """

    planned: Scanned
    endpoint: ScanEndpoint
    usd_per_hour: float
    start_seconds: float


@dataclass(frozen=True, kw_only=True)
class Best:
    """The load of an instance type at which a million output tokens cost least, of those that keep the objectives.

    Args:
        concurrency: Requests in flight.
        ttft_ms: Measured mean time to the first token.
        tpot_ms: Measured mean time per further token.
        tokens: US dollars per million tokens of a copy.
    """

    concurrency: int
    ttft_ms: float
    tpot_ms: float
    tokens: TokenPrices


@dataclass(kw_only=True)
class Result:
    """What a scan found on an instance type.

    Attributes:
        candidate: The instance type.
        problem: Why there is nothing, or why it is incomplete; empty if complete.
        best: The cheapest load that keeps the objectives; None if there is none.
        usd: US dollars that its instance has cost, computed from elapsed time and price.
        left: Why its stack is not deleted; empty if it is deleted.
    """

    candidate: Candidate
    problem: str = ""
    best: Best | None = None
    usd: float = 0.0
    left: str = ""


@dataclass
class Scan:
    """A scan.

    Attributes:
        identifier: Identifier, in lower case.
        results: What it found, in the order of the types.
        interrupted: Whether it was interrupted.
    """

    identifier: str
    results: list[Result] = field(default_factory=list)
    interrupted: bool = False

    @property
    def usd(self) -> float:
        """US dollars that all its instances have cost."""
        return sum(one.usd for one in self.results)


@dataclass(frozen=True, kw_only=True)
class ScanSetup:
    """Dependencies of a scan.

    Args:
        stacks: Stacks of scans in CloudFormation.
        measure: Measures an endpoint that answers, within so many US dollars; returns measurements, and why they are not all.
        budget_usd: Maximum cost of the scan in US dollars.
        start_minutes: Minutes until an endpoint that does not start is given up.
        slo: Objectives; None if there are none.
        load: Mean tokens of a prompt and of an answer.
    """

    stacks: ScanStacks
    measure: Callable[[Candidate, float], tuple[Sequence[Measurement], str]]
    budget_usd: float
    start_minutes: float
    slo: Slo | None
    load: tuple[float, float]


def run_scan(identifier: str, candidates: Sequence[Candidate], setup: ScanSetup) -> Scan:
    """Measure instance types one after the other; whatever ends one, its stack is deleted before the next.

    Args:
        identifier: Identifier of the scan, in lower case.
        candidates: The instance types.
        setup: Dependencies of the scan.
    """
    scan = Scan(identifier=identifier)
    for candidate in candidates:
        result = Result(candidate=candidate)
        rest = setup.budget_usd - scan.usd
        scan.results.append(result)
        least = candidate.start_seconds / _SECONDS_PER_HOUR * candidate.usd_per_hour
        if scan.interrupted:
            result.problem = "not begun: the scan was interrupted"
        elif any(one.left for one in scan.results):
            result.problem = "not begun: an endpoint before it is not deleted, and costs"
        elif rest < least:
            result.problem = f"not begun: ${rest:.2f} of the budget are left, and its start alone costs ${least:.2f}"
        else:
            _measure_one(scan, result, setup, rest=rest)
    return scan


def _measure_one(scan: Scan, result: Result, setup: ScanSetup, *, rest: float) -> None:
    candidate, stacks = result.candidate, setup.stacks
    name, start = candidate.endpoint.stack_name, stacks.elapsed()
    most = dt.timedelta(minutes=setup.start_minutes, hours=rest / candidate.usd_per_hour)

    def spent() -> float:
        return (stacks.elapsed() - start) / _SECONDS_PER_HOUR * candidate.usd_per_hour

    def stop() -> str | None:
        if spent() >= rest:
            return f"the budget of ${setup.budget_usd:g} is spent"
        if stacks.elapsed() - start >= setup.start_minutes * 60:
            return f"not in service within {setup.start_minutes:g} minutes"
        return None

    try:
        stacks.say(f"{candidate.planned.instance}: creating {name}")
        stacks.create(candidate.endpoint, scan=scan.identifier, deadline=stacks.now() + most + _MARGIN)
        reason = stacks.created(name, stop=stop)
        if reason is None:
            stacks.say(f"{candidate.planned.instance}: measuring")
            measurements, reason = setup.measure(candidate, max(0.01, rest - spent()))
            result.best = best_of(measurements, candidate.planned, slo=setup.slo, load=setup.load)
            if not reason and result.best is None:
                reason = "keeps the objectives at no measured load"
        result.problem = reason or ""
    except KeyboardInterrupt:
        result.problem, scan.interrupted = INTERRUPTED, True
    except (ClientError, BotoCoreError) as error:
        result.problem = " ".join(str(error).split())
    finally:
        result.left = _delete(scan, stacks, name)
        result.usd = spent()


def _delete(scan: Scan, stacks: ScanStacks, name: str) -> str:
    """Delete a stack; return why it is not gone. Ctrl-C while it waits leaves the deletion to CloudFormation."""
    stacks.say(f"deleting {name}")
    try:
        return stacks.delete(name) or ""
    except KeyboardInterrupt:
        scan.interrupted = True
        stacks.ask_deletion(name)  # the first request may not have been sent
        return f"{name}: the wait for its deletion was interrupted"
    except (ClientError, BotoCoreError) as error:
        return f"{name}: {' '.join(str(error).split())}"


def best_of(
    measurements: Sequence[Measurement], planned: Scanned, *, slo: Slo | None, load: tuple[float, float]
) -> Best | None:
    """Return the load at which a million output tokens cost least, of those that keep the objectives without a failed request.

    Args:
        measurements: Repeats of all loads on one instance type.
        planned: What the plan says of that type: the price of a copy, and the share of its time that prompts take.
        slo: Objectives; None if there are none.
        load: Mean tokens of a prompt and of an answer.
    """
    share = None if planned.answer is None else planned.answer.prompt_share
    if planned.usd_per_hour is None or share is None:
        return None
    found = []
    for repeats in steps_of(measurements).values():
        first = repeats[0]
        times = [(one.figures.ttft_ms, one.figures.tpot_ms) for one in repeats]
        if first.concurrency is None or any(one.is_partial or one.figures.failed for one in repeats):
            continue
        ttft = [one.mean for one, _ in times if one is not None]
        tpot = [one.mean for _, one in times if one is not None]
        if len(ttft) < len(repeats) or len(tpot) < len(repeats):
            continue
        rate = sum(one.figures.output_tok_s for one in repeats) / len(repeats)
        best = Best(
            concurrency=first.concurrency,
            ttft_ms=sum(ttft) / len(ttft),
            tpot_ms=sum(tpot) / len(tpot),
            tokens=token_prices(
                usd_per_hour=planned.usd_per_hour,
                output_tok_s=rate,
                input_tokens=load[0],
                output_tokens=load[1],
                prompt_share=share,
            ),
        )
        if _keeps(best, slo):
            found.append(best)
    return min(found, key=lambda one: one.tokens.output, default=None)


def _keeps(one: Best, slo: Slo | None) -> bool:
    if slo is None:
        return True
    is_first_fast = slo.ttft_ms is None or one.ttft_ms <= slo.ttft_ms
    return is_first_fast and (slo.tpot_ms is None or one.tpot_ms <= slo.tpot_ms)
