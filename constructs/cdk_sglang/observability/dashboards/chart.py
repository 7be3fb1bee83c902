"""A chart of a CloudWatch dashboard that PromQL feeds: its options as typed values, and the JSON that CloudWatch takes. No CDK.

Shape of the JSON: "Properties of a Chart Widget Object" of
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Dashboard-Body-Structure.html (read 2026-11). That page leaves the members
of `yAxis`, `style` and `annotations` open; they are as two public generators of such dashboards write them (read 2026-11), one of which says that
`lineOptions` needs all of its members.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from cdk_sglang.arguments import checked_fields
from cdk_sglang.errors import Problem
from cdk_sglang.observability.dashboards.limits import metric_problems, period_problems, query_problems
from cdk_sglang.planning.digits import significant

ChartView: TypeAlias = Literal[
    "line", "bar", "pie", "number", "solidgauge", "column", "legend", "histogram", "heatmap", "scatter"
]
Legend: TypeAlias = Literal["bottom", "right", "hidden"]
RED: Final = "#d62728"
GREY: Final = "#8c8c8c"
_LINES: Final = frozenset({"line", "column", "bar", "scatter"})
"""Views with an axis on which a threshold or a band can be drawn."""


@checked_fields
@dataclass(frozen=True, kw_only=True)
class ChartQuery:
    """A query of a chart.

    Args:
        query: Query in PromQL, up to 10,000 characters.
        label: Name of its only series in the legend; by default CloudWatch shows the labels of every series.
        step_seconds: Seconds between two points: 1, 5, 10, 20, 30 or a multiple of 60; CloudWatch chooses by default.
        visible: Whether the series is drawn.
    """

    query: str
    label: str | None = None
    step_seconds: int | None = None
    visible: bool = True

    def problems(self, path: str) -> list[Problem]:
        """Return what CloudWatch would refuse.

        Args:
            path: Path of the query.
        """
        step = [] if self.step_seconds is None else period_problems(f"{path}.step_seconds", self.step_seconds)
        return [*query_problems(f"{path}.query", self.query), *step]

    def to_json(self, query_id: str) -> dict[str, Any]:
        """Return the query as CloudWatch takes it.

        Args:
            query_id: Id, unique in the chart.
        """
        return {
            "id": query_id,
            "type": "cloudwatch-metrics",
            "language": "PromQL",
            "query": self.query,
            **({} if self.label is None else {"label": self.label}),
            **({} if self.step_seconds is None else {"step": self.step_seconds}),
            **({} if self.visible else {"visible": False}),
        }


@checked_fields
@dataclass(frozen=True, kw_only=True)
class ChartThreshold:
    """A horizontal line.

    Args:
        value: Value in the unit of the chart.
        label: Text next to the line.
        color: Colour as #rrggbb; red by default.
    """

    value: float
    label: str
    color: str = RED


@checked_fields
@dataclass(frozen=True, kw_only=True)
class ChartBand:
    """Two flat lines between which the chart's line is expected, such as the plan's.

    Args:
        low: Lower end in the unit of the chart.
        high: Upper end.
        label: What the band is, such as "plan".
    """

    low: float
    high: float
    label: str

    def queries(self) -> tuple[ChartQuery, ChartQuery]:
        """Return both ends as constant queries: a chart has lines across it, but no band."""
        return (
            ChartQuery(query=f"vector({self.low:.6g})", label=f"{self.label}, low"),
            ChartQuery(query=f"vector({self.high:.6g})", label=f"{self.label}, high"),
        )


@checked_fields
@dataclass(frozen=True, kw_only=True)
class ChartAxis:
    """The vertical axis.

    Args:
        title: Unit of the chart.
        low: Lowest value shown; depends on the data by default.
        high: Highest value shown; depends on the data by default.
    """

    title: str
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the axis as CloudWatch takes it."""
        low, high = ({} if value is None else {key: value} for key, value in (("min", self.low), ("max", self.high)))
        return {**low, **high, "title": self.title}


@checked_fields
@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart that PromQL feeds.

    Args:
        title: Title.
        queries: Queries whose series are drawn.
        view: Way of drawing.
        description: What to do when the chart looks wrong, shown with the title; none by default.
        axis: Vertical axis; without a title by default.
        thresholds: Horizontal lines, in views with an axis.
        bands: Pairs of flat lines, in views with an axis.
        legend: Place of the legend.
        stacked: Whether lines are stacked.
    """

    title: str
    queries: tuple[ChartQuery, ...]
    view: ChartView = "line"
    description: str = ""
    axis: ChartAxis | None = None
    thresholds: tuple[ChartThreshold, ...] = ()
    bands: tuple[ChartBand, ...] = ()
    legend: Legend = "bottom"
    stacked: bool = False

    def problems(self, path: str) -> list[Problem]:
        """Return what CloudWatch would refuse or not draw.

        Args:
            path: Path of the chart.
        """
        problems = [] if self.queries else [Problem(f"{path}.queries", "none; give at least one ChartQuery")]
        problems += metric_problems(f"{path}.queries", len(self.queries) + 2 * len(self.bands))
        for position, query in enumerate(self.queries):
            problems += query.problems(f"{path}.queries[{position}]")
        for name, values in (("thresholds", self.thresholds), ("bands", self.bands)):
            if values and self.view not in _LINES:
                problems.append(
                    Problem(
                        f"{path}.{name}", f"not drawn with view {self.view!r}; use {', '.join(sorted(_LINES))}, or none"
                    )
                )
        problems += (
            Problem(f"{path}.bands[{position}]", f"low {band.low:g} is above high {band.high:g}; exchange them")
            for position, band in enumerate(self.bands)
            if band.low > band.high
        )
        return problems

    def to_json(self, region: str) -> dict[str, Any]:
        """Return the widget's properties as CloudWatch takes them.

        Args:
            region: Region of the metrics; may be known only at deployment.
        """
        queries = [*self.queries, *(query for band in self.bands for query in band.queries())]
        options = self._plot_options()
        return {
            "view": self.view,
            "title": self.title,
            **({"description": self.description} if self.description else {}),
            "region": region,
            "data": {"queries": [query.to_json(f"q{number}") for number, query in enumerate(queries, start=1)]},
            **({"plotOptions": options} if options else {}),
        }

    def _plot_options(self) -> dict[str, Any]:
        """Return the options that differ from CloudWatch's defaults."""
        options: dict[str, Any] = {}
        if self.view == "number":
            options["style"] = {"numberOptions": {"sparkline": True, "truncate": True}}
        elif self.stacked:
            options["style"] = {
                "lineOptions": {"width": 2, "pattern": "solid", "spline": False, "filled": True, "stacked": True}
            }
        if self.legend != "bottom":
            hidden = self.legend == "hidden"
            options["legend"] = {"position": "bottom" if hidden else self.legend, "show": not hidden}
        if self.axis is not None and self.view in _LINES:
            options["yAxis"] = [self.axis.to_json()]
        if self.thresholds:
            options["annotations"] = {
                "horizontal": [
                    {"type": "static", "label": line.label, "value": _drawn(line.value), "color": line.color}
                    for line in self.thresholds
                ]
            }
        return options


def _drawn(value: float) -> float:
    """Return a number rounded for drawing: figures such as costs are derived from predictions, and get as many digits."""
    return value if isinstance(value, int) else significant(value)
