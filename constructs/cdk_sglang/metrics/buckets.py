"""Bounds of the buckets of SGLang's histograms, from `data/buckets.csv`; the engine's options may replace them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware.tables import read_table


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket of a histogram.

    Attributes:
        bound: Upper bound of the bucket, in the unit of the histogram.
        is_exact: Whether the bucket's bound equals the requested one; otherwise answers between the two count as above the requested one.
    """

    bound: float
    is_exact: bool


@cache
def bucket_bounds() -> Mapping[str, tuple[float, ...]]:
    """Return the bounds of each histogram's buckets, ascending and without infinity, by the metric's key."""
    return {row["key"]: tuple(map(float, row["bounds"].split())) for row in read_table(__file__, "buckets.csv")}


def bucket_at_most(key: str, bound: float) -> Bucket:
    """Return the largest bucket whose bound is not above the requested one, so that a share of slow answers errs on the strict side.

    Args:
        key: Key of the histogram, such as time_to_first_token.
        bound: Bound in the unit of the histogram.

    Raises:
        ConfigurationError: If the bound is below that of the smallest bucket.
    """
    bounds = bucket_bounds()[key]
    below = [each for each in bounds if each <= bound and each > 0]
    if not below:
        smallest = min(each for each in bounds if each > 0)
        text = (
            f"SGLang's histogram of {key} cannot tell answers within {bound:g} s from slower ones; "
            f"use at least {smallest:g} s, the bound of its smallest bucket"
        )
        raise ConfigurationError([Problem(key, text)])
    return Bucket(bound=below[-1], is_exact=below[-1] == bound)
