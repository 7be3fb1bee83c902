"""Charts of two sides over requests in flight, with intervals: coordinates for a template that draws them as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH, HEIGHT = 420, 240
LEFT, RIGHT, TOP, FLOOR = 56, WIDTH - 14, 12, HEIGHT - 40
"""Edges of the area that is drawn on, in units of the view box."""
_TICKS: Final = 5
_HEADROOM: Final = 1.08
_HALF_GAP: Final = 7.0


@dataclass(frozen=True, kw_only=True)
class Value:
    """A figure that is drawn.

    Args:
        mean: Mean.
        low: Lower end of its interval; None without one.
        high: Upper end; None without one.
        label: Text that a reader sees when pointing at it.
    """

    mean: float
    low: float | None
    high: float | None
    label: str


@dataclass(frozen=True, kw_only=True)
class Series:
    """Figures of one side.

    Args:
        name: The side.
        shade: CSS colour.
        values: Its figures by position on the horizontal axis; None where it was not measured.
    """

    name: str
    shade: str
    values: tuple[Value | None, ...]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A figure as it is drawn.

    Args:
        x: Position.
        y: Position of the mean.
        top: Upper end of the interval.
        bottom: Lower end.
        label: Text that a reader sees when pointing at it.
    """

    x: float
    y: float
    top: float
    bottom: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A side as it is drawn.

    Args:
        name: The side.
        shade: CSS colour.
        marks: Its figures.
        line: Points of an SVG polyline through the means.
    """

    name: str
    shade: str
    marks: tuple[Mark, ...]
    line: str


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A value on an axis.

    Args:
        at: Position.
        label: The value.
    """

    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart.

    Args:
        title: Heading, with the unit.
        x_title: Text of the horizontal axis.
        x_ticks: Values on it.
        y_ticks: Values on the vertical axis.
        drawn: Sides as they are drawn.
        limits: Heights of lines that mean a limit, with their texts.
    """

    title: str
    x_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    drawn: tuple[Drawn, ...]
    limits: tuple[Tick, ...] = ()


def chart(
    title: str,
    x_title: str,
    across: Sequence[str],
    series: Sequence[Series],
    *,
    limits: Sequence[tuple[float, str]] = (),
) -> Chart | None:
    """Return a chart; None if nothing was measured.

    Args:
        title: Heading, with the unit.
        x_title: Text of the horizontal axis.
        across: Values on the horizontal axis, from the left.
        series: The sides.
        limits: Values that mean a limit, with their texts.
    """
    shown = [value for one in series for value in one.values if value is not None]
    if not shown:
        return None
    most = max(
        [*(value.mean if value.high is None else value.high for value in shown), *(value for value, _ in limits)]
    )
    step = _step(max(most, 1e-9) * _HEADROOM / _TICKS)
    top = step * math.ceil(max(most, 1e-9) * _HEADROOM / step)

    def height(value: float) -> float:
        return FLOOR - max(0.0, min(value, top)) / top * (FLOOR - TOP)

    places = [LEFT + (RIGHT - LEFT) * (position + 0.5) / len(across) for position in range(len(across))]
    drawn = []
    for number, one in enumerate(series):
        shift = (number - (len(series) - 1) / 2) * 2 * _HALF_GAP
        marks = tuple(
            Mark(
                x=place + shift,
                y=height(value.mean),
                top=height(value.mean if value.high is None else value.high),
                bottom=height(value.mean if value.low is None else value.low),
                label=value.label,
            )
            for place, value in zip(places, one.values, strict=True)
            if value is not None
        )
        line = " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in marks)
        drawn.append(Drawn(name=one.name, shade=one.shade, marks=marks, line=line))
    return Chart(
        title=title,
        x_title=x_title,
        x_ticks=tuple(Tick(at=place, label=label) for place, label in zip(places, across, strict=True)),
        y_ticks=tuple(
            Tick(at=height(step * count), label=f"{step * count:,.4g}") for count in range(round(top / step) + 1)
        ),
        drawn=tuple(drawn),
        limits=tuple(Tick(at=height(value), label=text) for value, text in limits),
    )


def _step(least: float) -> float:
    """Return the distance of two ticks: 1, 2 or 5 times a power of ten, and no less than a value."""
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)
