"""A day's report from samples: which seconds each one covers, what ran, and what it cost. Makes no AWS calls."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .occupancy import Occupancy, Pool, occupancy, with_idle_reservations
from .rows import Price, Usage, rows
from .samples import EndpointSample, Plan, Sample
from .spans import DAY_SECONDS, spans


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was known when the stack was synthesised.

    Attributes:
        period: Seconds between two samples.
        gpus: GPUs of an instance by type.
        prices: Price of an instance by type.
    """

    period: int
    gpus: Mapping[str, int]
    prices: Mapping[str, Price] = field(default_factory=dict)

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Facts:
        """Parse the facts from the function's settings."""
        prices = {name: Price(**price) for name, price in content["prices"].items()}
        return cls(period=int(content["sample_minutes"]) * 60, gpus=content["gpus"], prices=prices)


@dataclass(frozen=True, kw_only=True)
class Day:
    """What the endpoints had on a day.

    Attributes:
        date: The day, in UTC.
        endpoints: Short name and occupancy by the endpoint's name in SageMaker.
        plans: Training plans, as they were last seen.
    """

    date: dt.date
    endpoints: Mapping[str, tuple[str, Occupancy]]
    plans: Mapping[str, Plan]

    @property
    def names(self) -> list[str]:
        """Names in SageMaker of every component and adapter."""
        return sorted({name for _, day in self.endpoints.values() for name in day.members})


def observe(samples: Iterable[Sample], date: dt.date, facts: Facts, *, until: dt.datetime | None = None) -> Day:
    """Return what the endpoints had on one day.

    Args:
        samples: Samples of the day, and of the hours before and after it.
        date: The day, in UTC.
        facts: Period and GPUs.
        until: Time up to which the day is reported; the end of the day by default.
    """
    start = int(dt.datetime.combine(date, dt.time(), tzinfo=dt.UTC).timestamp())
    end = start + DAY_SECONDS if until is None else min(start + DAY_SECONDS, int(until.timestamp()))
    moments_by_endpoint: dict[str, list[tuple[int, EndpointSample]]] = {}
    plans: dict[str, Plan] = {}
    for sample in sorted(samples, key=lambda one: one.at):
        plans |= {plan.arn: plan for plan in sample.plans}
        for name, endpoint in with_idle_reservations(sample.endpoints, sample.plans).items():
            moments_by_endpoint.setdefault(name, []).append((int(sample.at.timestamp()), endpoint))
    found = {}
    for name, moments in sorted(moments_by_endpoint.items()):
        day = occupancy(spans(moments, start=start, end=end, period=facts.period), facts.gpus)
        if day.observed_seconds:
            found[name] = moments[-1][1].endpoint, day
    return Day(date=date, endpoints=found, plans=plans)


def report(day: Day, usage: Usage, facts: Facts) -> list[dict[str, str]]:
    """Return the rows of a day, by endpoint."""
    found = []
    for endpoint, occupied in day.endpoints.values():
        prices = _prices(occupied.instance_seconds, day.plans, facts)
        found += rows(endpoint, day.date, occupied, usage, prices=prices, gpus=facts.gpus)
    return found


def _prices(pools: Iterable[Pool], plans: Mapping[str, Plan], facts: Facts) -> dict[Pool, Price]:
    found = {}
    for pool in pools:
        plan = plans.get(pool.plan)
        if pool.plan:
            if plan is not None and plan.usd_per_hour:
                source = f"upfront fee of training plan {pool.plan.rpartition('/')[2]}"
                found[pool] = Price(usd_per_hour=plan.usd_per_hour, date="", source=source)
        elif pool.type in facts.prices:
            found[pool] = facts.prices[pool.type]
    return found


def usd_per_hour(sample: Sample, facts: Facts) -> dict[str, float]:
    """Return the dollars per hour of every endpoint whose prices are known, by its name in SageMaker."""
    plans = {plan.arn: plan for plan in sample.plans}
    found = {}
    for name, endpoint in with_idle_reservations(sample.endpoints, sample.plans).items():
        pools = [(Pool(type=one.type, plan=one.plan), one.count) for one in endpoint.instances if one.count]
        prices = _prices([pool for pool, _ in pools], plans, facts)
        if all(pool in prices for pool, _ in pools):
            found[name] = sum(float(prices[pool].usd_per_hour) * count for pool, count in pools)
    return found


def total_usd(found: Sequence[Mapping[str, str]], *keys: str) -> dict[tuple[str, ...], float]:
    """Return dollars grouped by the values of some columns; rows without a price are left out."""
    totals: dict[tuple[str, ...], float] = {}
    for row in found:
        if not row["usd"]:
            continue
        key = tuple(row[name] for name in keys)
        totals[key] = totals.get(key, 0.0) + float(row["usd"])
    return totals
