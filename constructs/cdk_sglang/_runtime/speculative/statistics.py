"""Intervals over paired repeats: Student's t over the logarithms of ratios, without any library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

CONFIDENCE = 0.95
_PANELS = 20_000


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean and its confidence interval.

    Attributes:
        mean: Mean.
        low: Lower end; None with a single value, which says nothing about noise.
        high: Upper end; None with a single value.
    """

    mean: float
    low: float | None
    high: float | None

    def rounded(self) -> dict[str, float | None]:
        """Return the interval in the form used in a report."""
        return {
            name: None if value is None else round(value, 6)
            for name, value in (("mean", self.mean), ("low", self.low), ("high", self.high))
        }


@cache
def t_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """Return the two-sided quantile of Student's t: Simpson's rule over its density, whose argument is an angle.

    With t = sqrt(freedom) tan(angle) the density becomes cos(angle)^(freedom - 1).

    Args:
        freedom: Degrees of freedom, 1 or more.
        confidence: Probability between minus and plus the quantile.
    """
    width = math.pi / 2 / _PANELS

    def density(angle: float) -> float:
        return max(0.0, math.cos(angle)) ** (freedom - 1)

    sums = [0.0]
    for panel in range(_PANELS):
        left = panel * width
        sums.append(sums[-1] + width / 6 * (density(left) + 4 * density(left + width / 2) + density(left + width)))
    area = confidence * sums[-1]
    after = next(index for index, value in enumerate(sums) if value >= area)
    share = (area - sums[after - 1]) / (sums[after] - sums[after - 1])
    return math.sqrt(freedom) * math.tan((after - 1 + share) * width)


def interval(values: Sequence[float]) -> Interval:
    """Return the mean of some values and its interval.

    Args:
        values: One or more values.
    """
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Interval(mean=mean, low=None, high=None)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    half = t_quantile(len(values) - 1) * math.sqrt(variance / len(values))
    return Interval(mean=mean, low=mean - half, high=mean + half)


def paired_ratio(base: Sequence[float], draft: Sequence[float]) -> Interval:
    """Return the ratio of draft to base over pairs of repeats: the mean of its logarithm, so that doubling and halving weigh equally.

    Args:
        base: Figure of each repeat of the base, above zero.
        draft: Figure of the same repeats of the candidate, above zero.
    """
    logs = [math.log(after / before) for before, after in zip(base, draft, strict=True)]
    found = interval(logs)
    return Interval(
        mean=math.exp(found.mean),
        low=None if found.low is None else math.exp(found.low),
        high=None if found.high is None else math.exp(found.high),
    )
