"""Whole numbers that add up: rounding by the largest remainder."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from fractions import Fraction
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def rounded(value: Fraction) -> int:
    """Return the nearest whole number; halves go up."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def split(total: int, weights: Mapping[K, Fraction]) -> dict[K, int]:
    """Split a whole number in proportion to weights, so that the parts add up to it; every part is within one unit of its exact share.

    Args:
        total: The number, 0 or more.
        weights: Weights of 0 or more; among equal remainders the first wins. If all are 0, the first gets everything.
    """
    if not weights:
        return {}
    together = sum(weights.values(), Fraction(0))
    if not together:
        first = next(iter(weights))
        return {key: total if key == first else 0 for key in weights}
    exact = {key: total * weight / together for key, weight in weights.items()}
    parts = {key: value.numerator // value.denominator for key, value in exact.items()}
    order = sorted(parts, key=lambda key: parts[key] - exact[key])  # stable: the largest remainder first
    for key in order[: total - sum(parts.values())]:
        parts[key] += 1
    return parts
