"""Charts of measured points on two logarithmic axes: coordinates for a template that draws them as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH, HEIGHT = 420, 240
LEFT, RIGHT, TOP, FLOOR = 56, WIDTH - 28, 10, HEIGHT - 40
"""Edges of the area that is drawn on, in units of the view box."""
_LABELS_MAX: Final = 8


@dataclass(frozen=True, kw_only=True)
class Point:
    """A measured point.

    Args:
        x: Value on the horizontal axis; above zero.
        y: Value on the vertical axis; above zero.
        label: Text that a reader sees when pointing at it.
    """

    x: float
    y: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points of one run.

    Args:
        name: Name of the run.
        points: Its points, in the order in which a line joins them.
    """

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A value on an axis.

    Args:
        at: Position, in units of the view box.
        label: The value.
    """

    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A run as it is drawn.

    Args:
        name: Name of the run.
        line: Points of an SVG polyline.
        dots: Positions of the points with their texts.
    """

    name: str
    line: str
    dots: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """One chart.

    Args:
        title: Heading.
        x_title: Text of the horizontal axis, unit included.
        x_ticks: Values on it.
        y_ticks: Values on the vertical axis.
        drawn: Runs as they are drawn.
        front: Points of an SVG polyline through what no other point beats, the last one twice, so that a single one is drawn too;
            empty if there are none.
    """

    title: str
    x_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    drawn: tuple[Drawn, ...]
    front: str = ""


def scatter(title: str, x_title: str, series: Sequence[Series], *, with_front: bool = False) -> Scatter | None:
    """Return a chart of some runs; None if they have no points.

    Args:
        title: Heading, with the unit of the vertical axis.
        x_title: Text of the horizontal axis, unit included.
        series: The runs.
        with_front: Whether a line joins the points with which nothing has both less on the horizontal and more on the vertical axis.
    """
    points = [point for one in series for point in one.points]
    if not points:
        return None
    best = front(points)
    across = _Axis([point.x for point in points], LEFT, RIGHT)
    up = _Axis([point.y for point in points], FLOOR, TOP)

    def line(of: Sequence[Point]) -> str:
        return " ".join(f"{across.at(point.x):.1f},{up.at(point.y):.1f}" for point in of)

    return Scatter(
        title=title,
        x_title=x_title,
        x_ticks=across.ticks(),
        y_ticks=up.ticks(),
        drawn=tuple(
            Drawn(
                name=one.name,
                line=line(one.points),
                dots=tuple(Point(x=across.at(p.x), y=up.at(p.y), label=p.label) for p in one.points),
            )
            for one in series
        ),
        front=line([*best, best[-1]]) if with_front else "",
    )


def front(points: Sequence[Point]) -> list[Point]:
    """Return the Pareto front, from the least to the most: points with which no other has both less x and more y."""
    best = -math.inf
    found = []
    for point in sorted(points, key=lambda point: (point.x, -point.y)):
        if point.y > best:
            best = point.y
            found.append(point)
    return found


class _Axis:
    """A logarithmic axis that ends at values of 1, 2 or 5 times a power of ten."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self._start, self._end = start, end
        low, high = min(values), max(values)
        steps = [
            factor * 10.0**power
            for power in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
            for factor in (1, 2, 5)
        ]
        self.low = max(step for step in steps if step < low)
        self.high = min(step for step in steps if step > high)
        self._steps = [step for step in steps if self.low <= step <= self.high]

    def at(self, value: float) -> float:
        share = (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return self._start + share * (self._end - self._start)

    def ticks(self) -> tuple[Tick, ...]:
        shown = self._steps if len(self._steps) <= _LABELS_MAX else self._steps[:: -(-len(self._steps) // _LABELS_MAX)]
        return tuple(Tick(at=self.at(step), label=f"{step:,.6g}") for step in shown)
