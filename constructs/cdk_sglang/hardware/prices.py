"""Prices of SageMaker hosting, each with its date and source; a price this package had to infer says so.

`cdk-sglang prices update` writes a fresher table from AWS's public price list to a file, which `read_prices` reads.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware.tables import read_table

if TYPE_CHECKING:
    from pathlib import Path

    from cdk_sglang.hardware.instances import GpuInstance

MAX_AGE_DAYS = 90
"""A price older than this is worth a warning: AWS cut P4d and P5 prices by a third or more within one such span (2025)."""

PRICE_COLUMNS = ("instance", "region", "usd_per_hour", "date", "kind", "is_estimate", "source")


@dataclass(frozen=True, kw_only=True)
class Price:
    """What one instance costs.

    Args:
        usd_per_hour: US dollars per instance and hour, on demand, without tax or discount.
        region: Region the figure is for, which is another than asked when `is_estimate`.
        date: Day the figure was read or took effect.
        kind: `on-demand hosting`, or what it was inferred from.
        source: Where it was read.
        is_estimate: Whether it was inferred from another Region, SageMaker component or EC2.
    """

    usd_per_hour: float
    region: str
    date: dt.date
    kind: str
    source: str
    is_estimate: bool

    def age_days(self, today: dt.date) -> int:
        """Return how many days old it is."""
        return (today - self.date).days


PriceTable = Mapping[tuple[str, str], Price]
"""Prices by instance type name and Region."""


def price_usd_per_hour(instance: GpuInstance, region: str, *, table: PriceTable | None = None) -> Price | None:
    """Return the hosting price, or None when no price of the type is known at all.

    A Region without a row of its own gets the price of another one, marked as an estimate: us-east-1, then us-east-2
    and us-west-2 (AWS charges the same in these three), then any.

    Args:
        instance: The type.
        region: Region of the endpoint.
        table: Prices to use instead of the package's, from `read_prices`.
    """
    prices = packaged_prices() if table is None else table
    exact = prices.get((instance.name, region))
    if exact is not None:
        return exact
    order = ("us-east-1", "us-east-2", "us-west-2")
    elsewhere = sorted(
        (price for (name, _), price in prices.items() if name == instance.name),
        key=lambda price: (price.is_estimate, order.index(price.region) if price.region in order else len(order)),
    )
    return replace(elsewhere[0], is_estimate=True) if elsewhere else None


@cache
def packaged_prices() -> PriceTable:
    """Return the prices this version carries."""
    return _table(read_table(__file__, "prices.csv"), "prices.csv")


def read_prices(path: Path) -> PriceTable:
    """Return the prices of a file in this package's format, as `cdk-sglang prices update` writes it.

    Raises:
        ConfigurationError: The file cannot be read or a row is not a price; every such row is named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{path}: cannot read prices: {error}"]) from error
    rows = csv.DictReader(text.splitlines())
    missing = [column for column in PRICE_COLUMNS if column not in (rows.fieldnames or ())]
    if missing:
        raise ConfigurationError(
            [f"{path}: columns {', '.join(missing)} are missing; write the file with: cdk-sglang prices update"]
        )
    return _table(tuple(rows), str(path))


def _table(rows: Iterable[Mapping[str, str]], where: str) -> PriceTable:
    prices: dict[tuple[str, str], Price] = {}
    problems = []
    for number, row in enumerate(rows, start=2):
        try:
            price = Price(
                usd_per_hour=float(row["usd_per_hour"]),
                region=row["region"],
                date=dt.date.fromisoformat(row["date"]),
                kind=row["kind"],
                source=row["source"],
                is_estimate=row["is_estimate"] == "yes",
            )
        except (ValueError, TypeError, KeyError) as error:
            problems.append(f"{where}: line {number}: not a price ({error})")
            continue
        if not 0 < price.usd_per_hour < float("inf"):
            problems.append(f"{where}: line {number}: usd_per_hour is {price.usd_per_hour}; it must be above 0")
        prices[row["instance"], row["region"]] = price
    if problems:
        raise ConfigurationError(problems)
    return prices
