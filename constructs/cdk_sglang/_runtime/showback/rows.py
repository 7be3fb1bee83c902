"""A day's rows of an endpoint: dollars, hours, tokens and requests by component, adapter and team; the dollars add up to the amount paid."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from .occupancy import NOBODY, Occupancy, Pool
from .samples import Member
from .shares import rounded, split
from .spans import HOUR_SECONDS

MILLIONTHS = 1_000_000
"""Dollars and hours are whole millionths: a cent would be too coarse for a month of days to add up to the cent."""
UNALLOCATED = "(unallocated)"
"""Component of the row with the GPUs that no copy reserves; no name of a component has parentheses."""

COLUMNS = (
    "date",
    "endpoint",
    "component",
    "adapter",
    "team",
    "instance_type",
    "purchase",  # on-demand or reserved
    "instance_hours",
    "gpu_hours",
    "usd",  # empty without a price
    "tokens_in",
    "tokens_out",
    "requests",
    "idle_share",  # share of the GPU-hours in clock hours without a request of the component or its adapters
    "basis",  # how the component's cost is split between it and its adapters: tokens, requests or gpus (not split)
    "tokens_basis",  # measured by the engine, or requests times planned tokens
    "interpolated_hours",  # instance-hours further from a sample than expected
    "observed_hours",  # hours of the endpoint's day covered by samples
    "usd_per_instance_hour",
    "price_date",
    "price_source",
)


@dataclass(frozen=True, kw_only=True)
class Price:
    """Price of an instance.

    Attributes:
        usd_per_hour: US dollars as a decimal text.
        date: Day of the price.
        source: Source of the price, and whether it is an estimate.
    """

    usd_per_hour: str
    date: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What components and adapters served on a day.

    Attributes:
        requests: Requests by name in SageMaker and hour since 1970.
        tokens: Measured input and output tokens by name in SageMaker; a name that the engine does not report separately is left out.
    """

    requests: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    tokens: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def count(self, name: str) -> int:
        """Return the requests of the day."""
        return sum(self.requests.get(name, {}).values())


@dataclass(frozen=True, kw_only=True)
class _Served:
    """A component or adapter, and its share of a component's cost."""

    member: Member
    weight: Fraction
    requests: int
    tokens: tuple[int, int]
    basis: str
    tokens_basis: str


def rows(
    endpoint: str,
    date: dt.date,
    day: Occupancy,
    usage: Usage,
    *,
    prices: Mapping[Pool, Price],
    gpus: Mapping[str, int],
) -> list[dict[str, str]]:
    """Return the rows of an endpoint for a day: at least one, which states that nothing ran.

    Args:
        endpoint: Short name of the endpoint.
        date: The day, in UTC.
        day: What the endpoint had.
        usage: What it served.
        prices: Prices by pool; a pool without one has rows without dollars.
        gpus: GPUs of an instance by type.
    """
    common = {"date": date.isoformat(), "endpoint": endpoint, "observed_hours": _hours(day.observed_seconds)}
    families = _families(day, usage)
    found = []
    for pool in sorted(day.instance_seconds):
        found += [
            row | common
            for row in _pool_rows(
                pool, day, usage, families, price=prices.get(pool), gpus_per_instance=gpus.get(pool.type, 0)
            )
        ]
    placed = {base for shares in day.shares.values() for base in shares}
    for base, served in families.items():
        if base not in placed and any(one.requests for one in served):  # requests for which no copy existed
            found += [_row(one.member, one, {}) | common | {"usd": _millionths(0)} for one in served if one.requests]
    return found or [_blank(UNALLOCATED) | common | {"usd": _millionths(0)}]


def text(found: Iterable[Mapping[str, str]]) -> str:
    """Return rows as CSV."""
    target = io.StringIO(newline="")
    writer = csv.DictWriter(target, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return target.getvalue()


def _pool_rows(
    pool: Pool,
    day: Occupancy,
    usage: Usage,
    families: Mapping[str, list[_Served]],
    *,
    price: Price | None,
    gpus_per_instance: int,
) -> list[dict[str, str]]:
    shares: dict[tuple[str, str], Fraction] = {}  # by component and by component or adapter, in SageMaker's names
    interpolated: dict[tuple[str, str], Fraction] = {}
    for base, share in sorted(day.shares[pool].items()):
        for name, part in _parts(base, families).items():
            shares[base, name] = share * part
            interpolated[base, name] = day.interpolated[pool][base] * part
    seconds = Fraction(day.instance_seconds[pool])
    hours = split(rounded(seconds * MILLIONTHS / HOUR_SECONDS), shares)
    gpu_hours = split(rounded(seconds * gpus_per_instance * MILLIONTHS / HOUR_SECONDS), shares)
    usd = (
        None
        if price is None
        else split(rounded(seconds * Fraction(price.usd_per_hour) * MILLIONTHS / HOUR_SECONDS), shares)
    )
    counts = {base: _counts(base, pool, day, families) for base in {base for base, _ in shares}}
    found = []
    for base, name in shares:
        numbers = {
            "instance_type": pool.type,
            "purchase": "reserved" if pool.plan else "on-demand",
            "instance_hours": _millionths(hours[base, name]),
            "gpu_hours": _millionths(gpu_hours[base, name]),
            "usd": "" if usd is None else _millionths(usd[base, name]),
            "interpolated_hours": _millionths(rounded(interpolated[base, name] * MILLIONTHS / HOUR_SECONDS)),
            "usd_per_instance_hour": "" if price is None else price.usd_per_hour,
            "price_date": "" if price is None else price.date,
            "price_source": "no price is known" if price is None else price.source,
        }
        if base == NOBODY:
            found.append(_blank(UNALLOCATED) | {"idle_share": "1.0000", "basis": "gpus"} | numbers)
            continue
        served = next(one for one in families[base] if one.member.name == name)
        found.append(
            _row(served.member, served, counts[base][name]) | {"idle_share": _idle(base, day, usage)} | numbers
        )
    return sorted(
        found, key=lambda row: (row["component"] == UNALLOCATED, row["component"], row["adapter"], row["team"])
    )


def _families(day: Occupancy, usage: Usage) -> dict[str, list[_Served]]:
    """Return every component with its adapters, by the component's name in SageMaker."""
    members: dict[str, list[Member]] = {}
    for member in sorted(
        day.members.values(), key=lambda one: (one.adapter, one.name)
    ):  # a component before its adapters
        members.setdefault(member.base or member.name, []).append(member)
    return {base: _served(members[base], usage) for base in sorted(members)}


def _served(members: list[Member], usage: Usage) -> list[_Served]:
    """Weight a component and its adapters by the tokens that each served.

    SGLang counts the tokens of all adapters in the component's own series, unless CloudWatch tells them apart: then they are divided in
    proportion to requests times planned tokens.
    """
    requests = {one.name: usage.count(one.name) for one in members}
    planned = {
        one.name: (
            Fraction(str(one.input_tokens)) * requests[one.name],
            Fraction(str(one.output_tokens)) * requests[one.name],
        )
        for one in members
    }
    active = [one.name for one in members if requests[one.name]]
    tokens, tokens_basis, basis = _tokens(planned, active, usage)
    weights = {name: Fraction(sum(tokens[name])) for name in requests}
    if not any(weights.values()):  # no planned tokens: by requests alone
        weights = {name: Fraction(count) for name, count in requests.items()}
    if len(members) == 1 or not active:
        weights = {name: Fraction(index == 0) for index, name in enumerate(requests)}
        basis = "gpus"
    together = sum(weights.values(), Fraction(0))
    return [
        _Served(
            member=one,
            weight=weights[one.name] / together,
            requests=requests[one.name],
            tokens=tokens[one.name],
            basis=basis,
            tokens_basis=tokens_basis,
        )
        for one in members
    ]


def _tokens(
    planned: Mapping[str, tuple[Fraction, Fraction]], active: list[str], usage: Usage
) -> tuple[dict[str, tuple[int, int]], str, str]:
    """Return tokens by name, and the basis of these figures and of a split by them."""
    estimates = {name: (rounded(pair[0]), rounded(pair[1])) for name, pair in planned.items()}
    measured = {name: usage.tokens[name] for name in planned if name in usage.tokens}
    if not measured:
        return estimates, "planned", "requests"
    if all(name in measured for name in active):
        return {name: measured.get(name, (0, 0)) for name in planned}, "measured", "tokens"
    totals = [sum(pair[index] for pair in measured.values()) for index in (0, 1)]
    parts = [split(totals[index], {name: pair[index] for name, pair in planned.items()}) for index in (0, 1)]
    return {name: (parts[0][name], parts[1][name]) for name in planned}, "measured", "requests"


def _parts(base: str, families: Mapping[str, list[_Served]]) -> dict[str, Fraction]:
    if base == NOBODY:
        return {NOBODY: Fraction(1)}
    return {one.member.name: one.weight for one in families[base] if one.weight or one.requests}


def _counts(base: str, pool: Pool, day: Occupancy, families: Mapping[str, list[_Served]]) -> dict[str, dict[str, int]]:
    """Return requests and tokens of a component and its adapters on a pool, in proportion to the component's time there."""
    if base == NOBODY:
        return {}
    by_pool = {one: shares[base] for one, shares in sorted(day.shares.items()) if base in shares}
    return {
        served.member.name: {
            key: split(number, by_pool)[pool]
            for key, number in (
                ("requests", served.requests),
                ("tokens_in", served.tokens[0]),
                ("tokens_out", served.tokens[1]),
            )
        }
        for served in families[base]
    }


def _idle(base: str, day: Occupancy, usage: Usage) -> str:
    names = [name for name, member in day.members.items() if (member.base or name) == base]
    hours = day.hours[base]
    total = sum(hours.values(), Fraction(0))
    idle = sum(
        (share for hour, share in hours.items() if not any(usage.requests.get(name, {}).get(hour) for name in names)),
        Fraction(0),
    )
    return f"{float(idle / total) if total else 1.0:.4f}"


def _row(member: Member, served: _Served, counts: Mapping[str, int]) -> dict[str, str]:
    numbers = counts or {"requests": served.requests, "tokens_in": served.tokens[0], "tokens_out": served.tokens[1]}
    return _blank(member.component) | {
        "adapter": member.adapter,
        "team": member.team,
        "basis": served.basis,
        "tokens_basis": served.tokens_basis,
        **{key: str(number) for key, number in numbers.items()},
    }


def _blank(component: str) -> dict[str, str]:
    numbers = {"tokens_in": "0", "tokens_out": "0", "requests": "0"}
    hours = dict.fromkeys(("instance_hours", "gpu_hours", "interpolated_hours"), _millionths(0))
    return dict.fromkeys(COLUMNS, "") | numbers | hours | {"component": component}


def _millionths(number: int) -> str:
    return f"{number // MILLIONTHS}.{number % MILLIONTHS:06d}"


def _hours(seconds: int) -> str:
    return f"{seconds / HOUR_SECONDS:.4f}"
