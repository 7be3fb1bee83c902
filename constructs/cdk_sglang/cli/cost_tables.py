"""Costs as they are shown: rows of daily reports added up by component, adapter, team or day."""

from __future__ import annotations

import csv
import enum
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from rich.table import Table

UNALLOCATED: Final = "(unallocated)"
_CENT: Final = Decimal("0.01")
_NARROW: Final = 100
"""Width of a terminal, in columns, below which the table leaves out what is less important."""


class By(enum.StrEnum):
    """How costs are grouped."""

    COMPONENT = "component"
    ADAPTER = "adapter"
    TEAM = "team"
    DAY = "day"


_KEYS: Final[Mapping[By, tuple[str, ...]]] = {
    By.COMPONENT: ("endpoint", "component"),
    By.ADAPTER: ("endpoint", "component", "adapter"),
    By.TEAM: ("team",),
    By.DAY: ("date",),
}


@dataclass(kw_only=True)
class Cost:
    """Costs of a component, an adapter, a team or a day.

    Attributes:
        usd: US dollars of what has a price.
        instance_hours: Instance-hours, those without a price included.
        gpu_hours: GPU-hours.
        idle_gpu_hours: GPU-hours in hours without a request.
        requests: Requests.
        tokens_in: Input tokens.
        tokens_out: Output tokens.
    """

    usd: Decimal = Decimal(0)
    instance_hours: Decimal = Decimal(0)
    gpu_hours: Decimal = Decimal(0)
    idle_gpu_hours: Decimal = Decimal(0)
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def add(self, row: Mapping[str, str]) -> None:
        """Add a row of a report."""
        gpu_hours = Decimal(row["gpu_hours"])
        self.usd += Decimal(row["usd"] or 0)
        self.instance_hours += Decimal(row["instance_hours"])
        self.gpu_hours += gpu_hours
        self.idle_gpu_hours += gpu_hours * Decimal(row["idle_share"] or 0)
        self.requests += int(row["requests"])
        self.tokens_in += int(row["tokens_in"])
        self.tokens_out += int(row["tokens_out"])

    @property
    def idle_share(self) -> Decimal | None:
        """Share of the GPU-hours in hours without a request; None without GPU-hours."""
        return self.idle_gpu_hours / self.gpu_hours if self.gpu_hours else None


@dataclass(kw_only=True)
class Costs:
    """Costs of some days.

    Attributes:
        keys: Names of the columns that tell the parts apart.
        parts: Costs by the values of these columns, the most expensive first; days in order.
        total: Costs of all parts.
        observed_hours: Hours that samples represent, by endpoint, over all days.
        remarks: What is uncertain about the figures, one line each.
    """

    keys: tuple[str, ...]
    parts: dict[tuple[str, ...], Cost]
    total: Cost
    observed_hours: dict[str, Decimal] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def read_rows(text: str) -> list[dict[str, str]]:
    """Read a report."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def add_up(rows: Sequence[Mapping[str, str]], by: By) -> Costs:
    """Add rows of reports up.

    Args:
        rows: Rows of all days.
        by: How they are grouped.
    """
    keys, parts, total = _KEYS[by], dict[tuple[str, ...], Cost](), Cost()
    observed = {(row["date"], row["endpoint"]): Decimal(row["observed_hours"]) for row in rows}
    for row in rows:
        parts.setdefault(tuple(_shown(key, row) for key in keys), Cost()).add(row)
        total.add(row)
    order = sorted(parts.items(), key=lambda part: part[0] if by is By.DAY else (-part[1].usd, part[0]))
    hours: dict[str, Decimal] = {}
    for (_, endpoint), duration in observed.items():
        hours[endpoint] = hours.get(endpoint, Decimal(0)) + duration
    return Costs(keys=keys, parts=dict(order), total=total, observed_hours=hours, remarks=tuple(_remarks(rows)))


def cost_table(costs: Costs, *, width: int) -> Table:
    """Return costs as a table whose parts add up to its total, to the cent.

    Args:
        costs: The costs.
        width: Columns of the terminal; a narrow one gets fewer columns.
    """
    wide = width >= _NARROW
    table = Table(show_footer=True)
    headings = costs.keys if wide else ("/".join(costs.keys),)
    for index, heading in enumerate(headings):
        table.add_column(heading, footer="total" if index == 0 else "", overflow="fold")
    total = costs.total
    numbers = _numbers(total, _cents({(): total.usd})[()], total.usd, wide=wide)
    for (heading, _), figure in zip(_HEADINGS, numbers, strict=True):
        if figure is not None:
            table.add_column(heading, footer=figure, justify="right", no_wrap=True)
    cents = _cents({key: cost.usd for key, cost in costs.parts.items()})
    for key, cost in costs.parts.items():
        figures = _numbers(cost, cents[key], total.usd, wide=wide)
        names = key if wide else ("/".join(filter(None, key)),)
        table.add_row(*names, *(figure for figure in figures if figure is not None))
    return table


_HEADINGS: Final = (
    ("$", True),
    ("share", True),
    ("instance-h", False),
    ("GPU-h", True),
    ("idle", True),
    ("requests", False),
    ("tokens in", False),
    ("tokens out", False),
)
"""Headings of the figures, and whether a narrow table has them."""


def _numbers(cost: Cost, cents: Decimal, together: Decimal, *, wide: bool) -> list[str | None]:
    idle = cost.idle_share
    figures = [
        f"{cents:,.2f}",
        f"{cost.usd / together:.0%}" if together else "",
        f"{cost.instance_hours:,.1f}",
        f"{cost.gpu_hours:,.1f}",
        "" if idle is None else f"{idle:.0%}",
        f"{cost.requests:,}",
        f"{cost.tokens_in:,}",
        f"{cost.tokens_out:,}",
    ]
    return [figure if wide or narrow else None for figure, (_, narrow) in zip(figures, _HEADINGS, strict=True)]


def _cents(amounts: Mapping[tuple[str, ...], Decimal]) -> dict[tuple[str, ...], Decimal]:
    """Round to cents so that the parts add up to the rounded total: the largest remainders are rounded up."""
    cents = {key: amount.quantize(_CENT, rounding=ROUND_FLOOR) for key, amount in amounts.items()}
    missing = int((sum(amounts.values(), Decimal(0)).quantize(_CENT) - sum(cents.values(), Decimal(0))) / _CENT)
    for key in sorted(amounts, key=lambda key: cents[key] - amounts[key])[:missing]:
        cents[key] += _CENT
    return cents


def _shown(key: str, row: Mapping[str, str]) -> str:
    if key == "team" and not row["team"]:
        return UNALLOCATED if row["component"] == UNALLOCATED else "(no team)"
    return row[key]


def _remarks(rows: Iterable[Mapping[str, str]]) -> Iterable[str]:
    """Yield what a reader must know about the figures, one line each."""
    unpriced: dict[str, Decimal] = {}
    estimates: set[str] = set()
    interpolated, planned = Decimal(0), False
    for row in rows:
        interpolated += Decimal(row["interpolated_hours"])
        planned = planned or (row["tokens_basis"] == "planned" and row["requests"] != "0")
        if row["instance_type"] and not row["usd"]:
            kind = f"{row['instance_type']} ({row['purchase']})"
            unpriced[kind] = unpriced.get(kind, Decimal(0)) + Decimal(row["instance_hours"])
        if row["price_source"].startswith("estimate"):
            estimates.add(f"{row['instance_type']} ({row['price_date']})")
    for kind, hours in sorted(unpriced.items()):
        yield f"{kind}: {hours:,.1f} instance-hours have no price, so no dollars above; prices: cdk-sglang prices update"
    if estimates:
        yield f"prices that are estimates: {', '.join(sorted(estimates))}"
    if interpolated:
        yield f"{interpolated:,.1f} instance-hours lie in gaps between samples, and are interpolated"
    if planned:
        yield "tokens are requests times planned tokens, since nothing measures them"
