"""Panels with a line for each component of an endpoint. No CDK.

With PromQL the components are found when the dashboard is looked at, so a new one needs no new dashboard; classic metrics are named one by one,
since CloudWatch's SEARCH finds parts of names: prod-chat would find the components of prod-chat-eu as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from cdk_sglang.metrics.classic import Classic
from cdk_sglang.metrics.figures import Band
from cdk_sglang.metrics.promql import Place
from cdk_sglang.observability.dashboards.context import Watched
from cdk_sglang.observability.dashboards.panel import HEIGHT, Line, Panel

MOST_COMPONENTS: Final = 100
"""Components of a panel of classic metrics, each with up to four: a widget takes 500."""


def query_panel(
    title: str,
    *,
    query: str,
    unit: str,
    advice: str,
    bands: tuple[Band, ...] = (),
    width: int = 8,
    height: int = HEIGHT,
) -> Panel:
    """Return a panel of a query that keeps the label of the component.

    Args:
        title: What is drawn.
        query: The query, with a series for each component.
        unit: Unit of the values.
        advice: What to do when it looks wrong.
        bands: Lines and bands that hold for every component.
        width: Columns, of 24.
        height: Rows.
    """
    return Panel(
        title=title, advice=advice, unit=unit, lines=(Line(query=query),), bands=bands, width=width, height=height
    )


def classic_panel(
    title: str,
    components: Sequence[Watched],
    classic: Callable[[Place], Classic | None],
    *,
    unit: str,
    advice: str,
    bands: tuple[Band, ...] = (),
    width: int = 8,
    height: int = HEIGHT,
) -> Panel | None:
    """Return a panel of metric math over each component, of the first hundred; None if CloudWatch publishes it for no component.

    Args:
        title: What is drawn.
        components: The components.
        classic: Returns the metric math of a component.
        unit: Unit of the values.
        advice: What to do when it looks wrong.
        bands: Lines and bands that hold for every component.
        width: Columns, of 24.
        height: Rows.
    """
    if len(components) > MOST_COMPONENTS:
        title = f"{title}, first {MOST_COMPONENTS} of {len(components)} components"
    found = ((watched, classic(watched.place)) for watched in components[:MOST_COMPONENTS])
    maths = tuple(replace(math, label=watched.component.name) for watched, math in found if math is not None)
    if not maths:
        return None
    return Panel(title=title, advice=advice, unit=unit, maths=maths, bands=bands, width=width, height=height)
