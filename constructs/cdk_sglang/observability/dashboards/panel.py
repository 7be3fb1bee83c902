"""Panels of dashboards: a title, one line that says what to do when the panel looks wrong, and what is drawn. No CDK.

A panel has no place and no format of its own: `layout` places it, `body` writes it for CloudWatch, `grafana` for Grafana.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from cdk_sglang.metrics.classic import Classic
from cdk_sglang.metrics.figures import Band, Figure
from cdk_sglang.observability.dashboards.chart import ChartView
from cdk_sglang.observability.dashboards.limits import COLUMNS

HEIGHT: Final = 6
START: Final = "-PT6H"
"""Time range that a dashboard opens with."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A PromQL query of a panel.

    Attributes:
        query: The query.
        label: Name of its only series; None if it has several, each with labels of its own.
    """

    query: str
    label: str | None = None


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A chart.

    Attributes:
        title: What is drawn.
        advice: What to do when it looks wrong, in one line.
        unit: Unit of the values.
        lines: Queries in PromQL; none for a panel of classic metrics.
        maths: Metric math over classic metrics; none for a panel of queries.
        bands: Lines and bands that the values are compared with.
        view: Way of drawing.
        stacked: Whether lines are stacked.
        width: Columns, of 24.
        height: Rows.
    """

    title: str
    advice: str
    unit: str
    lines: tuple[Line, ...] = ()
    maths: tuple[Classic, ...] = ()
    bands: tuple[Band, ...] = ()
    view: ChartView = "line"
    stacked: bool = False
    width: int = 8
    height: int = HEIGHT


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text, in CloudWatch's Markdown.

    Attributes:
        markdown: The text.
        width: Columns, of 24.
        height: Rows.
    """

    markdown: str
    width: int = COLUMNS
    height: int = 3


AnyPanel: TypeAlias = Panel | Text
Rows: TypeAlias = Sequence[Sequence[AnyPanel | None]]


@dataclass(frozen=True, kw_only=True)
class Board:
    """A dashboard.

    Attributes:
        name: Name in CloudWatch.
        title: Title for people.
        rows: Panels, row by row; places that are None stay empty, and so do rows without any panel.
        start: Time range that it opens with.
    """

    name: str
    title: str
    rows: tuple[tuple[AnyPanel, ...], ...]
    start: str = START


def board(name: str, title: str, rows: Rows, *, start: str = START) -> Board:
    """Return a dashboard without panels that have nothing to show.

    Args:
        name: Name in CloudWatch.
        title: Title for people.
        rows: Panels, row by row; None for one that has nothing to show.
        start: Time range that it opens with, such as -P7D.
    """
    present = (tuple(panel for panel in row if panel is not None) for row in rows)
    return Board(name=name, title=title, rows=tuple(row for row in present if row), start=start)


def figure_panel(
    *figures: Figure,
    enrichment: bool,
    prefer_classic: bool = False,
    title: str | None = None,
    width: int = 8,
    height: int = HEIGHT,
    view: ChartView = "line",
) -> Panel | None:
    """Return a panel of figures with one unit; None if no figure can be drawn.

    Args:
        figures: Figures; the first one's advice is shown.
        enrichment: Whether CloudWatch answers PromQL; without it, classic metrics are drawn.
        prefer_classic: Whether classic metrics are drawn all the same where there are any: SageMaker counts requests that never reach an engine.
        title: By default the first figure's title, or what its classic form says that it shows.
        width: Columns, of 24.
        height: Rows.
        view: Way of drawing.
    """
    by_query = [figure for figure in figures if enrichment and figure.query is not None]
    by_math = [figure for figure in figures if figure.classic is not None]
    shown = by_math if by_math and prefer_classic else by_query or by_math
    if not shown:
        return None
    first, drawn = shown[0], shown is by_query
    classic_title = "" if drawn or first.classic is None else first.classic.label
    return Panel(
        title=title or classic_title or first.title,
        advice=first.advice,
        unit=first.unit,
        lines=tuple(map(_line, shown)) if drawn else (),
        maths=() if drawn else tuple(map(_math, by_math)),
        bands=_bands(shown) if view == "line" else (),
        view=view,
        width=width,
        height=height,
    )


def _line(figure: Figure) -> Line:
    assert figure.query is not None
    return Line(query=figure.query, label=None if figure.labels else figure.title)


def _math(figure: Figure) -> Classic:
    """Return a figure's metric math; CloudWatch would show the id of an expression without a label."""
    assert figure.classic is not None
    is_expression = figure.classic.metrics and figure.classic.expression not in figure.classic.metrics
    return replace(figure.classic, label=figure.classic.label or (figure.title if is_expression else ""))


def _bands(figures: Iterable[Figure]) -> tuple[Band, ...]:
    return tuple(dict.fromkeys(band for figure in figures for band in figure.bands))
