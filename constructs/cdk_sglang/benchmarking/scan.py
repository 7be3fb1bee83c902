"""Scans instance types for a model: the maximum number of requests in flight within the objectives, and the cost of a million tokens at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cdk_sglang.hardware import GpuInstance, PriceTable, price_usd_per_hour
from cdk_sglang.planning import Answer, ComponentRequest, answer
from cdk_sglang.planning.alternatives import prices_of, question
from cdk_sglang.planning.fits import fitting_splits
from cdk_sglang.planning.measured_calibration import fitted_of
from cdk_sglang.planning.price import TokenPrices, copy_usd_per_hour
from cdk_sglang.planning.splits import context_of
from cdk_sglang.spec.slo import Slo

LADDER: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Numbers of requests in flight per copy that are tried."""


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """An instance type of a scan.

    Args:
        instance: Instance type.
        problem: Why there is no prediction, or why the objectives are not met; empty for a type with figures.
        gpus: GPUs of a copy.
        concurrency: Highest of the tried numbers of requests in flight per copy that meets the objectives.
        answer: Predicted times and rate there; None with a problem.
        usd_per_hour: US dollars per hour of a copy: its GPUs' share of the instance.
        tokens: US dollars per million tokens there; None without a price.
    """

    instance: str
    problem: str = ""
    gpus: int = 0
    concurrency: int = 0
    answer: Answer | None = None
    usd_per_hour: float | None = None
    tokens: TokenPrices | None = None


def scan_plan(
    component: ComponentRequest,
    instances: Sequence[GpuInstance],
    slo: Slo | None,
    *,
    region: str,
    prices: PriceTable | None = None,
) -> list[Scanned]:
    """Return the plan's predictions for a model on some instance types, sorted by the cost of a million output tokens.

    Args:
        component: The model and its load.
        instances: Instance types.
        slo: Objectives, or None; `at_concurrency` is not used, since the scan searches for the maximum number of requests that meets the others.
        region: Region of the prices.
        prices: Prices that take precedence over the package's.
    """
    found = [_on(component, instance, slo, region=region, prices=prices) for instance in instances]
    return sorted(found, key=lambda one: (one.tokens is None, 0.0 if one.tokens is None else one.tokens.output))


def _on(
    component: ComponentRequest,
    instance: GpuInstance,
    slo: Slo | None,
    *,
    region: str,
    prices: PriceTable | None,
) -> Scanned:
    splits = fitting_splits(component, instance, context_of(component))
    if not splits:
        return Scanned(instance=instance.name, problem="does not fit")
    price = price_usd_per_hour(instance, region, table=prices)
    tried = [(split, level) for split in splits for level in LADDER]
    questions = [question(component, instance, split, concurrency=float(level)) for split, level in tried]
    options = []
    for (split, level), one in zip(tried, answer(questions, using=fitted_of(component.calibration)), strict=True):
        if not _keeps(one, slo, level):
            continue
        usd = None if price is None else copy_usd_per_hour(price, instance, split.gpus)
        tokens = None if usd is None else prices_of(component, one, usd_per_hour=usd, gpus=split.gpus)
        options.append(
            Scanned(
                instance=instance.name,
                gpus=split.gpus,
                concurrency=level,
                answer=one,
                usd_per_hour=usd,
                tokens=tokens,
            )
        )
    if not options:
        return Scanned(instance=instance.name, problem="keeps the objectives at no load")
    return min(options, key=lambda one: (one.tokens is None, _cost(one), -one.concurrency))


def _keeps(one: Answer, slo: Slo | None, level: int) -> bool:
    """Whether a copy serves this number of requests at once within the objectives; requests that wait for room in the cache do not count."""
    if not one.fits or one.ttft_ms is None or one.tpot_ms is None or (one.running or 0) < level:
        return False
    if slo is None:
        return True
    is_first_fast = slo.ttft_ms is None or one.ttft_ms.value <= slo.ttft_ms
    return is_first_fast and (slo.tpot_ms is None or one.tpot_ms.value <= slo.tpot_ms)


def _cost(one: Scanned) -> float:
    return 0.0 if one.tokens is None else one.tokens.output
