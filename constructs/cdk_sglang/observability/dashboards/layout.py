"""Places of panels on a dashboard's grid of 24 columns. No CDK."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cdk_sglang.observability.dashboards.limits import COLUMNS
from cdk_sglang.observability.dashboards.panel import AnyPanel, Board

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A panel and its place.

    Attributes:
        panel: The panel.
        x: Column of its left edge, from 0.
        y: Row of its upper edge, from 0.
    """

    panel: AnyPanel
    x: int
    y: int


def placed(board: Board) -> Iterator[Placed]:
    """Yield every panel of a dashboard with its place: rows below one another, and a row that is too wide goes on below.

    Args:
        board: The dashboard.
    """
    y = 0
    for row in board.rows:
        x = height = 0
        for panel in row:
            if x + panel.width > COLUMNS:
                x, y, height = 0, y + height, 0
            yield Placed(panel=panel, x=x, y=y)
            x, height = x + panel.width, max(height, panel.height)
        y += height


def even_rows(items: Sequence[T], *, most: int) -> Iterator[Sequence[T]]:
    """Yield items in the fewest rows, which differ by one item at most, the longer rows first.

    Args:
        items: What stands in the rows.
        most: Most items of a row.
    """
    rows = -(-len(items) // most)
    size, longer = divmod(len(items), rows) if rows else (0, 0)
    for row in range(rows):
        begin = row * size + min(row, longer)
        yield items[begin : begin + size + (row < longer)]
