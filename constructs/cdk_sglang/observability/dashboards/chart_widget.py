"""CloudWatch dashboard widget whose lines PromQL feeds; aws-cdk-lib 2.275.0 has none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aws_cdk as cdk
import jsii
from aws_cdk import aws_cloudwatch as cloudwatch

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.observability.dashboards.chart import (
    Chart,
    ChartAxis,
    ChartBand,
    ChartQuery,
    ChartThreshold,
    ChartView,
    Legend,
)
from cdk_sglang.observability.dashboards.limits import COLUMNS

_MAX_HEIGHT = 1000
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Dashboard-Body-Structure.html (read 2026-11)."""


class ChartWidget(cloudwatch.ConcreteWidget):
    """A chart of PromQL queries, for `aws_cloudwatch.Dashboard`.

    Example:
        ```python
        dashboard.add_widgets(
            ChartWidget(
                title="Output tokens per second",
                queries=[ChartQuery(query="sum(rate(sglang:generation_tokens_total[5m]))", label="all components")],
                axis=ChartAxis(title="tokens/s"),
            )
        )
        ```

    Args:
        title: Title.
        queries: Queries whose series are drawn; 500 at most.
        view: Way of drawing; lines by default.
        description: What to do when the chart looks wrong; none by default.
        axis: Vertical axis; without a title by default.
        thresholds: Horizontal lines, in views with an axis; none by default.
        bands: Pairs of flat lines, in views with an axis; none by default.
        legend: Place of the legend; below the chart by default.
        stacked: Whether lines are stacked; no by default.
        region: Region of the metrics; that of the stack the dashboard is in by default, known at deployment.
        width: Columns, of 24.
        height: Rows.

    Raises:
        ConfigurationError: A view or a period that CloudWatch does not have, too many queries, or one that is too long.
    """

    @checked()
    def __init__(
        self,
        *,
        title: str,
        queries: Sequence[ChartQuery],
        view: ChartView = "line",
        description: str = "",
        axis: ChartAxis | None = None,
        thresholds: Sequence[ChartThreshold] = (),
        bands: Sequence[ChartBand] = (),
        legend: Legend = "bottom",
        stacked: bool = False,
        region: str | None = None,
        width: int = 8,
        height: int = 6,
    ) -> None:
        chart = Chart(
            title=title,
            queries=tuple(queries),
            view=view,
            description=description,
            axis=axis,
            thresholds=tuple(thresholds),
            bands=tuple(bands),
            legend=legend,
            stacked=stacked,
        )
        raise_if_any([*chart.problems("ChartWidget"), *_size_problems(width, height)])
        super().__init__(width, height)
        self._size = (width, height)
        self._place = (0, 0)
        self._chart = chart
        self._region = cdk.Aws.REGION if region is None else region

    @jsii.member(jsii_name="position")
    def position(self, x: float, y: float) -> None:
        """Place the widget; the dashboard calls it while it lays out its rows.

        Args:
            x: Column.
            y: Row.
        """
        self._place = (int(x), int(y))

    @jsii.member(jsii_name="toJson")
    def to_json(self) -> list[Any]:
        """Return the widget as a dashboard's body holds it."""
        (x, y), (width, height) = self._place, self._size
        properties = self._chart.to_json(self._region)
        return [{"type": "chart", "x": x, "y": y, "width": width, "height": height, "properties": properties}]


def _size_problems(width: int, height: int) -> list[Problem]:
    return [
        Problem(f"ChartWidget.{name}", f"{value} is not allowed; use 1 to {most}")
        for name, value, most in (("width", width, COLUMNS), ("height", height, _MAX_HEIGHT))
        if not 1 <= value <= most
    ]
