"""Tables as wide as the terminal: fewer columns on a narrow one, never cells cut to an ellipsis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

NUMBERS: Final = frozenset(
    {
        "copies",
        "GPUs a copy",
        "GPUs asked",
        "GPUs available",
        "GPUs",
        "weights GiB",
        "KV tokens",
        "TTFT ms",
        "TPOT ms",
        "from zero",
        "typical",
        "$/hour min",
        "$/h a copy",
        "$/1M in / out",
        "$/1M out",
        "TTFT about",
        "TPOT about",
        "max",
        "$/h",
        "tp",
    }
)
"""Columns whose cells end at the same place."""


def fitting_table(
    console: Console, rows: Sequence[Mapping[str, str]], layouts: Sequence[Sequence[str]], *, wide: bool = False
) -> Table:
    """Return a table with the most columns that the console has room for.

    Args:
        console: Where the table is to be printed.
        rows: Cells by the heading of their column.
        layouts: Headings of each layout, the widest first.
        wide: Take the widest whatever the room.
    """
    tables = [_table(rows, headings) for headings in (layouts[:1] if wide else layouts)]
    for table in tables:
        if _needed(console, table) <= console.width:
            return table
    return tables[-1]


def _needed(console: Console, table: Table) -> int:
    """Return the characters of a line, however narrow the console is."""
    return console.measure(table, options=console.options.update(width=10_000, max_width=10_000)).maximum


def _table(rows: Sequence[Mapping[str, str]], headings: Sequence[str]) -> Table:
    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold", justify="right" if heading in NUMBERS else "left")
    for row in rows:
        table.add_row(*(row[heading] for heading in headings))
    return table


def print_table(console: Console, table: Table, *, wide: bool = False) -> None:
    """Print a table; a wide one beyond the edge of the terminal if need be, for a pager such as `less -S`.

    Args:
        console: Where to print.
        table: The table.
        wide: Whether it may be wider than the terminal.
    """
    width = console.width
    if wide:
        console.width = max(width, _needed(console, table))
    console.print(table)
    console.width = width
