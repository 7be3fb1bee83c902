"""Dashboards as the JSON that CloudWatch takes. No CDK.

Shape of metric widgets: "Properties of a Metric Widget Object" of
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Dashboard-Body-Structure.html (read 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from cdk_sglang.metrics.classic import Classic, ClassicMetric
from cdk_sglang.metrics.figures import Band
from cdk_sglang.observability.dashboards.chart import Chart, ChartAxis, ChartBand, ChartQuery, ChartThreshold
from cdk_sglang.observability.dashboards.layout import Placed, placed
from cdk_sglang.observability.dashboards.panel import Board, Panel, Text

_BAND_COLOR: Final = "#98df8a"
_LINE_COLOR: Final = "#d62728"


def dashboard_body(board: Board, *, region: str) -> dict[str, Any]:
    """Return a dashboard as CloudWatch takes it.

    Args:
        board: The dashboard.
        region: Region of the metrics; may be known only at deployment.
    """
    return {
        "start": board.start,
        "periodOverride": "inherit",
        "widgets": [_widget(place, region) for place in placed(board)],
    }


def _widget(place: Placed, region: str) -> dict[str, Any]:
    kind, properties = _properties(place.panel, region)
    size = {"width": place.panel.width, "height": place.panel.height}
    return {"type": kind, "x": place.x, "y": place.y, **size, "properties": properties}


def _properties(panel: Panel | Text, region: str) -> tuple[str, dict[str, Any]]:
    if isinstance(panel, Text):
        return "text", {"markdown": panel.markdown}
    if panel.lines:
        return "chart", chart_of(panel).to_json(region)
    return "metric", _metric_properties(panel, region)


def chart_of(panel: Panel) -> Chart:
    """Return a panel of PromQL queries as a chart."""
    return Chart(
        title=panel.title,
        description=panel.advice,
        queries=tuple(ChartQuery(query=line.query, label=line.label) for line in panel.lines),
        view=panel.view,
        axis=ChartAxis(title=panel.unit),
        thresholds=tuple(ChartThreshold(value=band.low, label=band.label) for band in panel.bands if band.high is None),
        bands=tuple(
            ChartBand(low=band.low, high=band.high, label=band.label) for band in panel.bands if band.high is not None
        ),
        stacked=panel.stacked,
    )


def _metric_properties(panel: Panel, region: str) -> dict[str, Any]:
    """Return the properties of a metric widget; it has no description, so the advice stands in its title."""
    annotations = [_annotation(band) for band in panel.bands]
    return {
        "title": f"{panel.title} · {panel.advice}",
        "view": "singleValue" if panel.view == "number" else "timeSeries",
        "stacked": panel.stacked,
        "region": region,
        "period": min(math.period_seconds for math in panel.maths),
        "metrics": [row for number, math in enumerate(panel.maths) for row in _metric_rows(math, f"m{number}")],
        "yAxis": {"left": {"label": panel.unit, "showUnits": False}},
        **({"annotations": {"horizontal": annotations}} if annotations and panel.view != "number" else {}),
    }


def _annotation(band: Band) -> object:
    low = {"label": band.label, "value": band.low}
    if band.high is None:
        return {**low, "color": _LINE_COLOR}
    return [{**low, "color": _BAND_COLOR}, {"label": band.label, "value": band.high}]


def _metric_rows(math: Classic, prefix: str) -> Iterator[list[object]]:
    """Yield metrics and the expression over them; ids begin with a prefix, since they are those of the whole widget."""
    label: dict[str, object] = {"label": math.label} if math.label else {}
    if math.expression in math.metrics:
        yield _metric_row(math.metrics[math.expression], label)
        return
    for key, metric in math.metrics.items():
        yield _metric_row(metric, {"id": f"{prefix}_{key}", "visible": False})
    expression = math.expression
    for key in math.metrics:
        expression = re.sub(rf"\b{re.escape(key)}\b", f"{prefix}_{key}", expression)
    yield [{"expression": expression, "id": prefix, "period": math.period_seconds, **label}]


def _metric_row(metric: ClassicMetric, options: dict[str, object]) -> list[object]:
    dimensions = [text for pair in metric.dimensions.items() for text in pair]
    return [
        metric.metric.namespace,
        metric.metric.name,
        *dimensions,
        {"stat": metric.statistic, "period": metric.period_seconds, **options},
    ]
