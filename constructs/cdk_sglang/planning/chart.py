"""Line charts on logarithmic axes: coordinates for a template that draws them as SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from cdk_sglang.planning.presentation import spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdk_sglang.planning.predict import Band

WIDTH, HEIGHT = 320, 190
LEFT, RIGHT, TOP, FLOOR = 58, WIDTH - 14, 10, HEIGHT - 26
"""Edges of the plot area, in units of the view box; the space to its left fits the seven characters of 100,000."""
_MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A position on one axis and the text next to it."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A predicted value and its tooltip."""

    x: float
    y: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart.

    Args:
        title: Heading, unit included.
        decades: Powers of ten on the vertical axis.
        steps: Values on the horizontal axis, at equal distances.
        dots: The predictions.
        line: The predictions as the points of an SVG polyline.
        band: The bounds around them as the points of an SVG polygon.
        now: Planned value on the horizontal axis; None if it is outside the axis.
        goal: Promised value; None if there is none.
    """

    title: str
    decades: tuple[Mark, ...]
    steps: tuple[Mark, ...]
    dots: tuple[Dot, ...]
    line: str
    band: str
    now: Mark | None = None
    goal: Mark | None = None


def log_chart(
    title: str, steps: Sequence[int], bands: Sequence[Band], *, now: float | None = None, goal: float | None = None
) -> Chart:
    """Return the chart of predictions, one for each step.

    Args:
        title: Heading, unit included.
        steps: Values on the horizontal axis.
        bands: The prediction at each step; every bound is above zero.
        now: Planned value on the horizontal axis; none by default.
        goal: Promised value; none by default.
    """
    goals = [] if goal is None else [goal]
    bottom = math.floor(math.log10(min([*goals, *(band.low for band in bands)])))
    top = max(bottom + 1, math.ceil(math.log10(max([*goals, *(band.high for band in bands)]))))
    columns = [LEFT + index * (RIGHT - LEFT) / (len(steps) - 1) for index in range(len(steps))]

    def height(value: float) -> float:
        return FLOOR - (math.log10(value) - bottom) / (top - bottom) * (FLOOR - TOP)

    def points(values: Sequence[float]) -> list[str]:
        return [f"{x:.1f},{height(value):.1f}" for x, value in zip(columns, values, strict=True)]

    high, low = points([band.high for band in bands]), points([band.low for band in bands])
    return Chart(
        title=title,
        decades=tuple(Mark(at=height(10.0**power), label=_decade(10.0**power)) for power in range(bottom, top + 1)),
        steps=tuple(Mark(at=x, label=str(step)) for x, step in zip(columns, steps, strict=True)),
        dots=tuple(
            Dot(x=x, y=height(band.value), label=f"{step}: {spread(band)}")
            for x, step, band in zip(columns, steps, bands, strict=True)
        ),
        line=" ".join(points([band.value for band in bands])),
        band=" ".join(high + low[::-1]),
        now=None if now is None else _now(now, steps, columns),
        goal=None if goal is None else Mark(at=height(goal), label=f"slo {goal:g}"),
    )


def _decade(value: float) -> str:
    """Return a power of ten as an axis label."""
    return f"{value:,g}" if value < _MILLION else f"{value / _MILLION:,g}M"


def _now(value: float, steps: Sequence[int], columns: Sequence[float]) -> Mark | None:
    """Return the position of a value between the steps, interpolated by logarithm; None outside them."""
    for (left, x), (right, end) in pairwise(zip(steps, columns, strict=True)):
        if left <= value <= right:
            return Mark(at=x + (end - x) * math.log(value / left) / math.log(right / left), label=f"planned: {value:g}")
    return None
