"""Intervals over repeats: Student's t, since a bootstrap over three repeats has no more than their range to offer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

CONFIDENCE: Final = 0.95
_GRID: Final = 20_001


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean over repeats and its interval.

    Args:
        mean: Mean.
        low: Lower end; None with a single repeat, which says nothing about noise.
        high: Upper end; None with a single repeat.
        repeats: Number of repeats.
    """

    mean: float
    low: float | None
    high: float | None
    repeats: int


def t_quantile(confidence: float, freedom: float) -> float:
    """Return the two-sided quantile of Student's t.

    With t = sqrt(freedom) tan(angle) its density becomes cos(angle)^(freedom - 1), which a grid integrates.

    Args:
        confidence: Probability between minus and plus the quantile.
        freedom: Degrees of freedom, 1 or more; need not be whole.
    """
    return _quantile(round(confidence, 6), round(freedom, 3))


@cache
def _quantile(confidence: float, freedom: float) -> float:
    angles = np.linspace(0.0, math.pi / 2, _GRID)
    density = np.cos(angles) ** (freedom - 1)
    steps = (density[1:] + density[:-1]) / 2
    probability = np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()
    return math.sqrt(freedom) * math.tan(float(np.interp(confidence, probability, angles)))


def interval(values: Sequence[float], *, confidence: float = CONFIDENCE) -> Interval:
    """Return the mean of some repeats and the interval that holds the true mean.

    Args:
        values: The figure of each repeat; one or more.
        confidence: Probability that the interval holds the true mean.
    """
    mean = float(np.mean(values))
    if len(values) == 1:
        return Interval(mean=mean, low=None, high=None, repeats=1)
    half = t_quantile(confidence, len(values) - 1) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Interval(mean=mean, low=mean - half, high=mean + half, repeats=len(values))


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Variance of a figure's logarithm between repeats.

    Args:
        variance: Variance.
        freedom: Degrees of freedom of its estimate.
    """

    variance: float
    freedom: float


def noise_of(samples: Sequence[Sequence[float]]) -> Noise | None:
    """Return the noise of a figure, pooled over the loads and runs in which it was repeated; None without any repeat.

    Args:
        samples: The figure of the repeats of each load and run; each above zero.
    """
    repeated = [np.log(values) for values in samples if len(values) > 1]
    freedom = sum(len(values) - 1 for values in repeated)
    if not freedom:
        return None
    squares = sum(float(np.var(values, ddof=1)) * (len(values) - 1) for values in repeated)
    return Noise(variance=squares / freedom, freedom=freedom)


def relative_change(
    before: Sequence[float], after: Sequence[float], *, noise: Noise | None = None, confidence: float = CONFIDENCE
) -> Interval:
    """Return the relative change of a figure and its interval: Student's t over the repeats' logarithms.

    Two or three repeats tell little of their own noise, so that of all loads is used, and never less than what these repeats show.

    Args:
        before: The figure of each earlier repeat; each above zero.
        after: The figure of each later repeat; each above zero.
        noise: Noise pooled over loads; that of these repeats by default.
        confidence: Probability that the interval holds the true change.
    """
    change = float(np.mean(np.log(after)) - np.mean(np.log(before)))
    repeats = min(len(before), len(after))
    own = noise_of([before, after])
    if repeats == 1 or own is None:
        return Interval(mean=math.expm1(change), low=None, high=None, repeats=repeats)
    pooled = noise or own
    variance = max(pooled.variance, own.variance) * (1 / len(before) + 1 / len(after))
    half = t_quantile(confidence, pooled.freedom) * math.sqrt(variance)
    return Interval(
        mean=math.expm1(change), low=math.expm1(change - half), high=math.expm1(change + half), repeats=repeats
    )
