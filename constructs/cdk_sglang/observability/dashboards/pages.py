"""Splitting what one dashboard cannot hold. No CDK."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def pages(items: Sequence[T], size: int) -> Iterator[tuple[int, Sequence[T]]]:
    """Yield pages of items with their numbers, from 1.

    Args:
        items: Items to split.
        size: Most items of a page.
    """
    for number, begin in enumerate(range(0, len(items), size), start=1):
        yield number, items[begin : begin + size]
