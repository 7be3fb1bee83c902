"""A derived figure: its name, its PromQL query and CloudWatch metric math, and what to do when it looks wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cdk_sglang.metrics.classic import Classic

HOUR_SECONDS: Final = 3600
DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, kw_only=True)
class Band:
    """A horizontal line or band behind a figure, such as what the plan promises.

    Attributes:
        label: What the line or band stands for.
        low: Value of the line, or the lower edge of the band, in the figure's unit.
        high: Upper edge of the band; None for a line.
    """

    label: str
    low: float
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A derived figure of an endpoint or a component.

    Attributes:
        key: Name of the figure in code, unique among those of a place.
        title: Name of the figure for people.
        unit: Unit of its values, such as tokens/s, ratio or USD/h.
        advice: What to do when the figure looks wrong, in one line.
        query: PromQL, which needs OTel enrichment; None if CloudWatch has no such metric.
        classic: Metric math over classic metrics, for accounts without OTel enrichment; None if no classic metric says it.
        bands: Lines and bands that the figure is compared with.
        note: Inaccuracy of the figure; empty if it is exact.
        labels: Labels of the query's series; none for one series.
    """

    key: str
    title: str
    unit: str
    advice: str
    query: str | None = None
    classic: Classic | None = None
    bands: tuple[Band, ...] = ()
    note: str = ""
    labels: tuple[str, ...] = field(default=())


def line(label: str, value: float | None) -> tuple[Band, ...]:
    """Return a line, or nothing if its value is unknown."""
    return () if value is None else (Band(label=label, low=value),)
