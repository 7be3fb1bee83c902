"""Synthetic days: an endpoint described by what it has from one moment to the next, sampled as the function does."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from cdk_sglang._runtime.showback.report import Facts, observe, report
from cdk_sglang._runtime.showback.rows import Price, Usage, text
from cdk_sglang._runtime.showback.samples import EndpointSample, Instances, Member, Plan, Sample

G6E, P5 = "ml.g6e.12xlarge", "ml.p5.48xlarge"
PRICES = {
    G6E: Price(usd_per_hour="13.12", date="2026-09-01", source="a price list"),
    P5: Price(usd_per_hour="63.296", date="2026-09-01", source="a price list"),
}
FACTS = Facts(period=300, gpus={G6E: 4, P5: 8}, prices=PRICES)
DAY = dt.date(2026, 11, 29)


def moment(date: dt.date = DAY, hours: float = 0) -> dt.datetime:
    return dt.datetime.combine(date, dt.time(), tzinfo=dt.UTC) + dt.timedelta(hours=hours)


def on(kind: str, count: int, plan: str = "") -> Instances:
    return Instances(type=kind, count=count, plan=plan)


def component(name: str, copies: int, gpus: float = 1, *, kind: str = "", team: str = "", **more: Any) -> Member:
    figures = {"input_tokens": 1000, "output_tokens": 200} | more
    return Member(
        name=f"prod-chat-{name}", component=name, team=team, copies={kind: copies}, gpus={"": gpus}, **figures
    )


def adapter(base: str, name: str, *, team: str = "", **more: Any) -> Member:
    figures = {"input_tokens": 1000, "output_tokens": 200} | more
    full = f"prod-chat-{base}"
    return Member(name=f"{full}-{name}", component=base, adapter=name, base=full, team=team, **figures)


def has(*instances: Instances, members: Sequence[Member] = ()) -> EndpointSample:
    return EndpointSample(endpoint="chat", instances=instances, members=tuple(members))


def sampled(
    state: Callable[[dt.datetime], EndpointSample | None],
    *,
    days: int = 1,
    minutes: int = 5,
    plans: Iterable[Plan] = (),
) -> list[Sample]:
    """Sample an endpoint from six hours before `DAY`; a state of None is a sample that is missing."""
    first, last = moment(hours=-6), moment(hours=24 * days + 6)
    found = []
    while first <= last:
        now = state(first)
        if now is not None:
            found.append(Sample(at=first, endpoints={"prod-chat": now}, plans=tuple(plans)))
        first += dt.timedelta(minutes=minutes)
    return found


def reported(
    samples: Iterable[Sample], usage: Usage | None = None, *, date: dt.date = DAY, facts: Facts = FACTS
) -> list[dict[str, str]]:
    """Return the rows of a day, as they are read from its CSV."""
    day = observe(samples, date, facts)
    return list(csv.DictReader(io.StringIO(text(report(day, usage or Usage(), facts)))))


def total(rows: Iterable[dict[str, str]], column: str = "usd") -> Decimal:
    return sum((Decimal(row[column] or 0) for row in rows), Decimal(0))


def of(rows: Iterable[dict[str, str]], **values: str) -> dict[str, str]:
    (row,) = [row for row in rows if all(row[key] == value for key, value in values.items())]
    return row
