"""Proposes fleets for an expected load: tries every GPU instance type and ranks the results, cheapest first."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cdk_sglang.errors import Problem
from cdk_sglang.hardware import GpuInstance, price_usd_per_hour, region_problems, regions_without
from cdk_sglang.planning.alternatives import question
from cdk_sglang.planning.concurrency import CACHE_SHARE
from cdk_sglang.planning.fits import fitting_splits, nearest_fit, whole_instances
from cdk_sglang.planning.memory import memory_of
from cdk_sglang.planning.predict import MAX_RUNNING, answer
from cdk_sglang.planning.wish import Wish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdk_sglang.hardware import Price
    from cdk_sglang.planning.fleet_request import ComponentRequest
    from cdk_sglang.planning.parallel import Parallelism
    from cdk_sglang.planning.predict import Answer, Band

_IN_FLIGHT: Final = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Numbers of requests in flight per copy that are tried."""
COPIES_MAX: Final = 64
"""Maximum number of copies to propose: beyond it a larger instance is the better choice, and service quotas are a limit."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Copies of the model on one instance type that serve the busiest hour.

    Args:
        instance: Instance type.
        tp_size: GPUs of a copy.
        copies: Copies in the busiest hour.
        instances: Number of instances that hold them.
        concurrency: Requests in flight per copy in that hour.
        ttft_ms: Mean time to the first token in that hour.
        tpot_ms: Mean time per further token in that hour; None for a model that generates no tokens.
        requests_per_second: Requests per second that all copies can serve within the requested latency.
        price: Price of one instance.
        certain: Whether the upper ends of the predicted bands also meet the latency.
    """

    instance: str
    tp_size: int
    copies: int
    instances: int
    concurrency: int
    ttft_ms: Band
    tpot_ms: Band | None
    requests_per_second: float
    price: Price
    certain: bool

    @property
    def usd_per_hour(self) -> float:
        """Cost of the busiest hour in US dollars."""
        return self.instances * self.price.usd_per_hour


@dataclass(frozen=True, kw_only=True)
class Proposals:
    """The fleets found for a wish.

    Args:
        ranked: Proposals, cheapest first, one per kind of GPU.
        problem: Why there is no proposal, with the nearest alternative; None if there is one.
    """

    ranked: tuple[Proposal, ...]
    problem: Problem | None = None


@dataclass(frozen=True, kw_only=True)
class _Point:
    """A copy at a number of requests in flight."""

    in_flight: int
    ttft_ms: Band
    tpot_ms: Band | None
    requests_per_second: float


@dataclass(frozen=True, kw_only=True)
class _Option:
    """A split on an instance type, with a copy's predictions by requests in flight, in ascending order."""

    instance: GpuInstance
    split: Parallelism
    price: Price
    points: tuple[_Point, ...]


def propose(wish: Wish) -> Proposals:
    """Return the fleets that serve a wish, cheapest first, one per kind of GPU.

    A copy takes as many requests in flight as the latency allows and its cache holds with room to spare. The upper ends of the bands decide if
    possible, otherwise the means. The requests per second determine the copies, and the copies determine the instances.

    Args:
        wish: The wish.
    """
    if wish.tpot_ms is not None and not wish.component.generates:
        text = f"{wish.tpot_ms:g} ms asked, and {wish.facts.id} generates no tokens; leave it out"
        return Proposals(ranked=(), problem=Problem("--tpot-ms", text))
    options = _options(wish)
    if not options:
        return Proposals(ranked=(), problem=_no_room(wish))
    proposals = [proposal for option in options if (proposal := _proposal(wish, option)) is not None]
    if not proposals:
        return Proposals(ranked=(), problem=_too_slow(wish, options))
    proposals.sort(key=lambda one: (one.usd_per_hour, not one.certain, one.tp_size, one.instance))
    few = [one for one in proposals if one.instances <= (wish.instances_max or math.inf)]
    if not few:
        return Proposals(ranked=(), problem=_too_many(wish, min(proposals, key=lambda one: one.instances)))
    affordable = [one for one in few if one.usd_per_hour <= (wish.budget_usd_per_hour or math.inf)]
    if not affordable:
        return Proposals(ranked=(), problem=_too_dear(wish, few[0]))
    distinct = {GpuInstance.named(one.instance).gpu.name: one for one in reversed(affordable)}
    return Proposals(ranked=tuple(sorted(distinct.values(), key=affordable.index)))


def _options(wish: Wish) -> list[_Option]:
    """Return every split that fits the longest request on every instance type with a price, with its predictions."""
    component = wish.component
    found = []
    for instance in GpuInstance.all() if wish.instance is None else (wish.instance,):
        if wish.region in regions_without(instance):
            continue
        price = price_usd_per_hour(instance, wish.region, table=wish.prices)
        if price is not None:
            found += [(instance, split, price) for split in fitting_splits(component, instance, wish.context_length)]
    tried = [_in_flight(component, instance, split) for instance, split, _ in found]
    answers = iter(
        answer(
            [
                question(component, instance, split, concurrency=float(count))
                for (instance, split, _), counts in zip(found, tried, strict=True)
                for count in counts
            ]
        )
    )
    options = []
    for (instance, split, price), counts in zip(found, tried, strict=True):
        points = [_point(component, split, count, next(answers)) for count in counts]
        known = tuple(point for point in points if point is not None)
        options.append(_Option(instance=instance, split=split, price=price, points=known))
    return [option for option in options if option.points]


def _in_flight(component: ComponentRequest, instance: GpuInstance, split: Parallelism) -> list[int]:
    """Return the numbers of requests in flight that a copy's cache holds with room to spare; at least one."""
    memory = memory_of(component, instance.gpu, split)
    held = memory.requests(component.input_tokens + component.output_tokens) * split.groups
    most = max(1.0, CACHE_SHARE * min(held, MAX_RUNNING["sglang"] * split.replicas))
    return [count for count in _IN_FLIGHT if count <= most]


def _point(component: ComponentRequest, split: Parallelism, count: int, prediction: Answer) -> _Point | None:
    rate = prediction.output_tok_s_per_gpu
    if rate is None or prediction.ttft_ms is None or prediction.tpot_ms is None:
        return None
    return _Point(
        in_flight=count,
        ttft_ms=prediction.ttft_ms,
        tpot_ms=prediction.tpot_ms if component.generates else None,
        requests_per_second=rate.value * split.gpus / component.output_tokens,
    )


def _proposal(wish: Wish, option: _Option) -> Proposal | None:
    """Return the smallest number of copies of an option that serves the wish; None if the latency cannot be met, or only by too many copies."""
    certain = [point for point in option.points if _meets(wish, point.ttft_ms.high, _high(point.tpot_ms))]
    within = certain or [point for point in option.points if _meets(wish, point.ttft_ms.value, _mean(point.tpot_ms))]
    if not within:
        return None
    most = max(point.requests_per_second for point in within)
    copies = math.ceil(wish.requests_per_second / most)
    if copies > COPIES_MAX:
        return None
    # With this many copies, each has fewer requests in flight than its maximum.
    share = wish.requests_per_second / copies
    point = next(point for point in within if point.requests_per_second >= share)
    return Proposal(
        instance=option.instance.name,
        tp_size=option.split.tensor,
        copies=copies,
        instances=whole_instances(copies, option.instance, option.split.gpus),
        concurrency=point.in_flight,
        ttft_ms=point.ttft_ms,
        tpot_ms=point.tpot_ms,
        requests_per_second=copies * most,
        price=option.price,
        certain=bool(certain),
    )


def _mean(tpot_ms: Band | None) -> float:
    return 0.0 if tpot_ms is None else tpot_ms.value


def _high(tpot_ms: Band | None) -> float:
    return 0.0 if tpot_ms is None else tpot_ms.high


def _meets(wish: Wish, ttft_ms: float, tpot_ms: float) -> bool:
    return (wish.ttft_ms is None or ttft_ms <= wish.ttft_ms) and (wish.tpot_ms is None or tpot_ms <= wish.tpot_ms)


def _no_room(wish: Wish) -> Problem:
    shorter = dataclasses.replace(wish, context_length=int(wish.input_tokens + wish.output_tokens))
    if shorter.context_length < wish.context_length and _options(shorter):
        return Problem(
            "--context-length",
            f"no instance type holds {wish.facts.id} with a request of {wish.context_length:,} tokens; some do with "
            f"{shorter.context_length:,}, so give less",
        )
    if wish.instance is not None:
        absent = region_problems(wish.region, wish.instance)
        if absent:
            return Problem("--instance", absent[0])
        nearest = nearest_fit(wish.component, wish.context_length, wish.region, wish.prices)
        return Problem(
            "--instance",
            f"{wish.facts.id} does not fit {wish.instance.name}, or it has no price in {wish.region}; "
            f"{f'nearest fit: {nearest}' if nearest else 'take a smaller model or one in a smaller format'}",
        )
    return Problem(
        "--model",
        f"{wish.facts.id} fits no instance type with a price in {wish.region}; take a smaller model or one in a smaller format",
    )


def _too_slow(wish: Wish, options: Sequence[_Option]) -> Problem:
    """Return a problem that names the nearest option: by how much it misses the requested latency, or that it takes too many copies."""

    def miss(point: _Point) -> float:
        misses = [
            got / objective
            for got, objective in ((point.ttft_ms.value, wish.ttft_ms), (_mean(point.tpot_ms), wish.tpot_ms))
            if objective is not None
        ]
        return max(misses, default=0.0)

    nearest, point = min(
        ((option, point) for option in options for point in option.points), key=lambda pair: miss(pair[1])
    )
    if miss(point) <= 1:
        return Problem(
            "--requests-per-second",
            f"{wish.requests_per_second:g} take more than {COPIES_MAX} copies on every instance type that meets the latency; "
            "divide them among endpoints, or allow more time",
        )
    missed = [
        (option, f"{name} {objective:g} ms asked, {got:,.0f} expected")
        for option, name, objective, got in (
            ("--ttft-ms", "time to the first token", wish.ttft_ms, point.ttft_ms.value),
            ("--tpot-ms", "time per further token", wish.tpot_ms, _mean(point.tpot_ms)),
        )
        if objective is not None and got > objective
    ]
    return Problem(
        missed[0][0],
        f"no instance type is that fast; nearest is {nearest.instance.name} with tp_size {nearest.split.tensor} at "
        f"{point.in_flight} in flight: {', '.join(text for _, text in missed)}; allow more, or take a smaller model",
    )


def _too_many(wish: Wish, fewest: Proposal) -> Problem:
    return Problem(
        "--count",
        f"{wish.instances_max} are too few for the busiest hour, which takes {fewest.instances} x {fewest.instance}; "
        "reserve more, allow more latency, or take a smaller model",
    )


def _too_dear(wish: Wish, cheapest: Proposal) -> Problem:
    return Problem(
        "--budget",
        f"{wish.budget_usd_per_hour:g} $/h is too little for the busiest hour; the cheapest is {cheapest.instances} x {cheapest.instance} at "
        f"{cheapest.usd_per_hour:,.2f} $/h; raise it to that, allow more latency, or take a smaller model",
    )
