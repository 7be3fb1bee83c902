"""Tables as wide as the terminal: fewer columns on a narrow one, never cells cut to an ellipsis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich import box
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
        "$/month",
        "min/typical/max",
        "$/h a copy",
        "$/1M in / out",
        "$/1M out",
        "TTFT about",
        "TPOT about",
        "max",
        "$/h",
        "tp",
        "parameters B",
        "active B",
        "KV bytes/token",
        "context",
        "$/hour",
        "$/GPU-hour",
    }
)
"""Columns whose cells are aligned to the right."""
WRAPPED: Final = frozenset({"instances", "model", "of"})
"""Columns whose cells may take several lines, between words."""
_WIDEST: Final = 10_000
_AROUND: Final = 3
"""Characters of a column in addition to its cells: a space on both sides, and the line."""


def fitting_table(
    console: Console,
    rows: Sequence[Mapping[str, str]],
    layouts: Sequence[Sequence[str]],
    *,
    wide: bool = False,
    lines: box.Box = box.HEAVY_HEAD,
) -> Table:
    """Return a table with the most columns that the console has room for.

    Args:
        console: Where the table is to be printed.
        rows: Cells by the heading of their column.
        layouts: Headings of each layout, the widest first.
        wide: Use the widest layout, whatever the room.
        lines: Lines around cells.
    """
    fits = (one for one in layouts if wide or _least_width(rows, one) <= console.width)
    headings = next(fits, None)
    table = Table(box=lines)
    for heading in headings or layouts[-1]:
        table.add_column(
            heading,
            overflow="fold",
            no_wrap=headings is not None and heading not in WRAPPED,
            justify="right" if heading in NUMBERS else "left",
        )
    for row in rows:
        table.add_row(*(row[heading] for heading in headings or layouts[-1]))
    return table


def _least_width(rows: Sequence[Mapping[str, str]], headings: Sequence[str]) -> int:
    """Return the width of a line in which no word is cut, and only cells of `WRAPPED` take several lines."""
    width = 1
    for heading in headings:
        cells = [heading, *(row[heading] for row in rows)]
        texts = [word for cell in cells for word in cell.split()] if heading in WRAPPED else cells
        width += max(map(len, texts), default=0) + _AROUND
    return width


def print_table(console: Console, table: Table, *, wide: bool = False) -> None:
    """Print a table; a wide one beyond the edge of the terminal if need be, for a pager such as `less -S`.

    Args:
        console: Where to print.
        table: The table.
        wide: Whether it may be wider than the terminal.
    """
    width = console.width
    if wide:
        options = console.options.update(width=_WIDEST, max_width=_WIDEST)
        console.width = max(width, console.measure(table, options=options).maximum)
    console.print(table)
    console.width = width
