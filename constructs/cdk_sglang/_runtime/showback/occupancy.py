"""What an endpoint paid for and which component reserved it: instances and GPUs per second, summed over a day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from .samples import EndpointSample, Instances, Member, Plan
from .spans import HOUR_SECONDS, Span

NOBODY = ""
"""Stands in for a component's name where no copy reserves the GPUs."""


@dataclass(frozen=True, order=True, kw_only=True)
class Pool:
    """Instances that cost the same.

    Attributes:
        type: Instance type.
        plan: ARN of their training plan; empty on demand.
    """

    type: str
    plan: str = ""


@dataclass(kw_only=True)
class Occupancy:
    """An endpoint over a day; seconds are exact.

    Attributes:
        observed_seconds: Seconds covered by samples.
        instance_seconds: Instance-seconds by pool.
        shares: Instances times seconds that each component had of a pool, `NOBODY` included; they add up to `instance_seconds`.
        interpolated: The part of `shares` that lies in gaps between samples.
        hours: GPUs times seconds of each component by hour since 1970.
        members: Components and adapters by name, as they were last seen.
    """

    observed_seconds: int = 0
    instance_seconds: dict[Pool, int] = field(default_factory=lambda: defaultdict(int))
    shares: dict[Pool, dict[str, Fraction]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Fraction)))
    interpolated: dict[Pool, dict[str, Fraction]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Fraction))
    )
    hours: dict[str, dict[int, Fraction]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Fraction)))
    members: dict[str, Member] = field(default_factory=dict)


def occupancy(spans: Iterable[Span[EndpointSample]], gpus: Mapping[str, int]) -> Occupancy:
    """Add up what an endpoint had.

    GPUs that copies reserve are shares of the instances' GPUs. Copies that briefly claim more GPUs than the instances have, while
    instances are removed, share the existing GPUs in proportion.

    Args:
        spans: Its samples as stretches of time.
        gpus: GPUs of an instance by type; an unknown type counts as full of the copies on it.
    """
    day = Occupancy()
    figures_by_sample: dict[int, tuple[dict[Pool, int], dict[Pool, dict[str, Fraction]]]] = {}
    for span in spans:
        day.observed_seconds += span.seconds
        if id(span.value) not in figures_by_sample:  # the same sample has several spans
            counts = _counts(span.value.instances)
            figures_by_sample[id(span.value)] = counts, _demand(span.value.members, counts, gpus)
        counts, demand = figures_by_sample[id(span.value)]
        for member in span.value.members:
            day.members[member.name] = member
        for pool, count in counts.items():
            day.instance_seconds[pool] += count * span.seconds
            claimed = sum(demand[pool].values(), Fraction(0))
            capacity = max(Fraction(count * gpus.get(pool.type, 0)), claimed) or Fraction(1)
            parts = {name: value / capacity for name, value in demand[pool].items()}
            parts[NOBODY] = 1 - sum(parts.values(), Fraction(0))
            for name, part in parts.items():
                share = part * count * span.seconds
                if not share:
                    continue
                day.shares[pool][name] += share
                if span.interpolated:
                    day.interpolated[pool][name] += share
                if name != NOBODY:
                    day.hours[name][span.start // HOUR_SECONDS] += share * gpus.get(pool.type, 1)
    return day


def with_idle_reservations(endpoints: Mapping[str, EndpointSample], plans: Iterable[Plan]) -> dict[str, EndpointSample]:
    """Return endpoints, including the instances of their training plans that are not running: these are paid for too.

    They are attributed to the first endpoint, by name, that runs on the plan or is meant to. Instances of the plan that run outside these endpoints
    count among them.

    Args:
        endpoints: Endpoints by their names; one on a plan has an entry of the plan among its instances, be it of 0.
        plans: The plans.
    """
    found = dict(sorted(endpoints.items()))
    for plan in plans:
        running = 0
        holder = None
        for name, endpoint in found.items():
            on_plan = [one.count for one in endpoint.instances if one.plan == plan.arn]
            running += sum(on_plan)
            holder = name if holder is None and on_plan else holder
        idle = plan.count - running
        if holder is not None and idle > 0:
            endpoint = found[holder]
            instances = (*endpoint.instances, Instances(type=plan.type, count=idle, plan=plan.arn))
            found[holder] = EndpointSample(endpoint=endpoint.endpoint, instances=instances, members=endpoint.members)
    return found


def _counts(instances: Iterable[Instances]) -> dict[Pool, int]:
    counts: dict[Pool, int] = {}
    for one in instances:
        pool = Pool(type=one.type, plan=one.plan)
        counts[pool] = counts.get(pool, 0) + one.count
    return {pool: count for pool, count in counts.items() if count}


def _demand(
    members: Iterable[Member], counts: Mapping[Pool, int], gpus: Mapping[str, int]
) -> dict[Pool, dict[str, Fraction]]:
    """Return the GPUs that copies reserve, by pool and component.

    Copies of a known type are on pools of the type; others fill the pools in their order. Copies that exceed the capacity of all pools are assigned to the first.
    """
    demand: dict[Pool, dict[str, Fraction]] = {pool: {} for pool in counts}
    free = {pool: Fraction(count * gpus.get(pool.type, 0)) for pool, count in counts.items()}
    placements = [(kind == "", member, kind, copies) for member in members for kind, copies in member.copies.items()]
    for _, member, kind, copies in sorted(placements, key=lambda one: one[0]):  # known types first
        pools = [pool for pool in counts if kind in ("", pool.type)]
        left = copies
        for pool in pools:
            each = Fraction(str(member.gpus_on(pool.type)))
            fitting = left if not each else min(left, free[pool] // each)
            _reserve(demand, free, pool, member.name, fitting * each)
            left -= fitting
        if left and pools:
            _reserve(demand, free, pools[0], member.name, left * Fraction(str(member.gpus_on(pools[0].type))))
    return demand


def _reserve(
    demand: dict[Pool, dict[str, Fraction]], free: dict[Pool, Fraction], pool: Pool, name: str, amount: Fraction
) -> None:
    if amount:
        demand[pool][name] = demand[pool].get(name, Fraction(0)) + amount
        free[pool] = max(Fraction(0), free[pool] - amount)
