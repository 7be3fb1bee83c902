"""Prices of SageMaker hosting, each with its date and source; inferred prices are marked as estimates.

`cdk-sglang prices update` writes newer prices from AWS's public price list to a file, which `read_prices` reads; its rows take precedence
over the package's.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware.tables import read_table

if TYPE_CHECKING:
    from pathlib import Path

    from cdk_sglang.hardware.instances import GpuInstance

MAX_AGE_DAYS = 90
"""Age in days above which a price gets a warning: AWS cut P4d and P5 prices by a third or more within such a period (2025)."""

PRICE_COLUMNS = ("instance", "region", "usd_per_hour", "date", "kind", "is_estimate", "source")


@dataclass(frozen=True, kw_only=True)
class Price:
    """Price of an instance type.

    Args:
        usd_per_hour: US dollars per instance and hour, on demand, without tax or discount.
        region: Region of the price; another than the requested one if `is_estimate`.
        date: Day on which the price was read or took effect.
        kind: `on-demand hosting`, or the kind of price from which it was inferred.
        source: Source of the price.
        is_estimate: Whether the price was inferred from another Region, SageMaker component or EC2.
        file: The user's file with the price; empty for the package's own.
    """

    usd_per_hour: float
    region: str
    date: dt.date
    kind: str
    source: str
    is_estimate: bool
    file: str = ""

    @property
    def words(self) -> str:
        """The price with its kind, Region, date and file, in words."""
        doubt = ", an estimate" if self.is_estimate else ""
        return f"{self.usd_per_hour:,.2f} $/h, {self.kind} in {self.region} of {self.date}{doubt}, from {self.file or 'the package'}"

    def age_days(self, today: dt.date) -> int:
        """Return the age of the price in days.

        Args:
            today: Day to count to.
        """
        return (today - self.date).days


PriceTable = Mapping[tuple[str, str], Price]
"""Prices by instance type name and Region."""


def price_usd_per_hour(instance: GpuInstance, region: str, *, table: PriceTable | None = None) -> Price | None:
    """Return the hosting price of an instance type; None if no price of the type is known.

    A Region without a row of its own gets the price of another one, marked as an estimate: us-east-1, then us-east-2
    and us-west-2 (AWS charges the same in these three), then any.

    Args:
        instance: Instance type.
        region: Region of the endpoint.
        table: Prices that take precedence over the package's, from `read_prices`; none by default.
    """
    prices = packaged_prices() if table is None else {**packaged_prices(), **table}
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
    """Return the prices of this version of the package."""
    return _table(enumerate(read_table(__file__, "prices.csv"), start=2), "")


def read_prices(path: Path) -> PriceTable:
    """Return the prices of a file in this package's format, as `cdk-sglang prices update` writes it.

    Args:
        path: The file.

    Raises:
        ConfigurationError: The file cannot be read or a row is not a price; every such row is named.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([Problem(path, f"cannot read prices: {error}; {_WRITE_IT}")]) from error
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey=_BEYOND)
    try:
        missing = [column for column in PRICE_COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise ConfigurationError([Problem(path, f"columns {', '.join(missing)} are missing; {_WRITE_IT}")])
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise ConfigurationError(
            [Problem(path, f"line {reader.line_num}: not a table ({error}); {_WRITE_IT}")]
        ) from error
    return _table(rows, str(path))


_BEYOND = "cells beyond the columns"
_WRITE_IT = "write the file with: cdk-sglang prices update"


def _table(rows: Iterable[tuple[int, Mapping[str, str]]], file: str) -> PriceTable:
    prices: dict[tuple[str, str], Price] = {}
    lines: dict[tuple[str, str], int] = {}
    problems: list[Problem] = []
    for number, row in rows:
        where = f"{file or 'prices.csv'}: line {number}"
        wrong = _row_problems(row)
        problems += [Problem(where, problem) for problem in wrong]
        if wrong:
            continue
        key = row["instance"], row["region"]
        if key in prices:
            problems.append(
                Problem(
                    where, f"{' in '.join(key)} has a price already, on line {lines[key]}; keep the newer of the two"
                )
            )
        lines[key] = number
        prices[key] = Price(
            usd_per_hour=float(row["usd_per_hour"]),
            region=row["region"],
            date=dt.date.fromisoformat(row["date"]),
            kind=row["kind"],
            source=row["source"],
            is_estimate=row["is_estimate"] == "yes",
            file=file,
        )
    if problems:
        raise ConfigurationError(problems)
    return prices


def _row_problems(row: Mapping[str, str | None]) -> list[Problem]:
    """Say what is wrong with the cells of a row; an empty list when it is a price."""
    cells = {column: row[column] or "" for column in PRICE_COLUMNS}
    problems = [Problem(column, f"empty; {_CELLS[column]}") for column, cell in cells.items() if not cell.strip()]
    if _BEYOND in row:
        problems.append(Problem("", f"more cells than the {len(row) - 1} columns; put a cell with a comma in quotes"))
    if cells["instance"] and not cells["instance"].startswith("ml."):
        problems.append(Problem("instance", f"{cells['instance']!r} is not an instance type; {_CELLS['instance']}"))
    if cells["usd_per_hour"] and not _is_price(cells["usd_per_hour"]):
        problems.append(Problem("usd_per_hour", f"{cells['usd_per_hour']!r} is not allowed; {_CELLS['usd_per_hour']}"))
    if cells["date"] and not _is_date(cells["date"]):
        problems.append(Problem("date", f"{cells['date']!r} is not a date; {_CELLS['date']}"))
    if cells["is_estimate"] and cells["is_estimate"] not in {"yes", "no"}:
        problems.append(Problem("is_estimate", f"{cells['is_estimate']!r} is not allowed; {_CELLS['is_estimate']}"))
    return problems


_CELLS = {
    "instance": "write ml.<family>.<size>, such as ml.g6e.12xlarge",
    "region": "write a Region, such as us-east-1",
    "usd_per_hour": "write a number above 0, such as 13.12",
    "date": "write the day it was read, such as 2026-11-01",
    "kind": "write what it is, such as on-demand hosting",
    "is_estimate": "write no, or yes where it was inferred from something else",
    "source": "write where it was read",
}


def _is_price(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and value > 0


def _is_date(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True
