"""The chart widget: what it writes into a dashboard, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk.assertions import Template

from cdk_sglang import ChartAxis, ChartBand, ChartQuery, ChartThreshold, ChartWidget, ConfigurationError

UP = ChartQuery(query='sum(up{"aws.sagemaker.endpoint.name"="chat"})', label="up")


def _body(*rows: list[cloudwatch.IWidget], env: cdk.Environment | None = None) -> Any:
    stack = cdk.Stack(cdk.App(), "Charts", env=env)
    dashboard = cloudwatch.Dashboard(stack, "Dashboard")
    for row in rows:
        dashboard.add_widgets(*row)
    (resource,) = Template.from_stack(stack).find_resources("AWS::CloudWatch::Dashboard").values()
    return resource["Properties"]["DashboardBody"]


def _widgets(*rows: list[cloudwatch.IWidget]) -> list[dict[str, Any]]:
    body = _body(*rows)
    text = "".join(part if isinstance(part, str) else "REGION" for part in body["Fn::Join"][1])
    return json.loads(text)["widgets"]


def test_a_chart_is_written_as_cloudwatch_takes_it() -> None:
    (widget,) = _widgets(
        [
            ChartWidget(
                title="Up",
                queries=[UP, ChartQuery(query="vector(1)", step_seconds=300, visible=False)],
                description="Look at the log.",
                axis=ChartAxis(title="copies", low=0, high=10),
                thresholds=[ChartThreshold(value=2, label="fewest")],
                bands=[ChartBand(low=1, high=3.5, label="plan")],
                legend="right",
                stacked=True,
            )
        ]
    )
    query = {"type": "cloudwatch-metrics", "language": "PromQL"}
    assert widget == {
        "type": "chart",
        "x": 0,
        "y": 0,
        "width": 8,
        "height": 6,
        "properties": {
            "view": "line",
            "title": "Up",
            "description": "Look at the log.",
            "region": "REGION",
            "data": {
                "queries": [
                    {"id": "q1", **query, "query": UP.query, "label": "up"},
                    {"id": "q2", **query, "query": "vector(1)", "step": 300, "visible": False},
                    {"id": "q3", **query, "query": "vector(1)", "label": "plan, low"},
                    {"id": "q4", **query, "query": "vector(3.5)", "label": "plan, high"},
                ]
            },
            "plotOptions": {
                "style": {
                    "lineOptions": {"width": 2, "pattern": "solid", "spline": False, "filled": True, "stacked": True}
                },
                "legend": {"position": "right", "show": True},
                "yAxis": [{"min": 0, "max": 10, "title": "copies"}],
                "annotations": {"horizontal": [{"type": "static", "label": "fewest", "value": 2, "color": "#d62728"}]},
            },
        },
    }


def test_charts_stand_where_the_dashboard_puts_them() -> None:
    def chart() -> ChartWidget:
        return ChartWidget(title="Up", queries=[UP])

    widgets = _widgets([chart(), cloudwatch.TextWidget(markdown="text", width=4, height=3), chart()], [chart()])
    charts = [(widget["x"], widget["y"]) for widget in widgets if widget["type"] == "chart"]
    assert charts == [(0, 0), (12, 0), (0, 6)]


def test_a_chart_of_another_region_names_it() -> None:
    body = _body([ChartWidget(title="Up", queries=[UP], region="eu-west-1")])
    assert json.loads(body)["widgets"][0]["properties"]["region"] == "eu-west-1"


WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a view that CloudWatch does not have": (
        {"view": "lines"},
        [
            (
                "ChartWidget.view: takes 'line' or 'bar' or 'pie' or 'number' or 'solidgauge' or 'column' or 'legend' or 'histogram' or "
                "'heatmap' or 'scatter', got 'lines'; use one of those"
            )
        ],
    ),
    "no query": ({"queries": []}, ["ChartWidget.queries: none; give at least one ChartQuery"]),
    "an empty query": (
        {"queries": [ChartQuery(query=" ")]},
        ["ChartWidget.queries[0].query: is empty; give a query in PromQL"],
    ),
    "a long query and a bad period": (
        {"queries": [UP, ChartQuery(query="x" * 10_001, step_seconds=7)]},
        [
            "ChartWidget.queries[1].query: has 10001 characters, CloudWatch takes 10000; aggregate with `by`, or split the chart",
            "ChartWidget.queries[1].step_seconds: 7 s is not allowed; use 1, 5, 10, 20, 30 or a multiple of 60 seconds",
        ],
    ),
    "a period of no length": (
        {"queries": [ChartQuery(query="up", step_seconds=0)]},
        [
            "ChartWidget.queries[0].step_seconds: 0 s is not allowed; use 1, 5, 10, 20, 30 or a multiple of 60 seconds",
        ],
    ),
    "more queries than a widget draws": (
        {"queries": [UP] * 499, "bands": [ChartBand(low=1, high=2, label="plan")]},
        ["ChartWidget.queries: 501 metrics, a widget takes 500; aggregate or split the chart"],
    ),
    "a threshold where there is no axis": (
        {"view": "pie", "thresholds": [ChartThreshold(value=1, label="most")]},
        ["ChartWidget.thresholds: not drawn with view 'pie'; use bar, column, line, scatter, or none"],
    ),
    "a band upside down": (
        {"bands": [ChartBand(low=2, high=1, label="plan")]},
        ["ChartWidget.bands[0]: low 2 is above high 1; exchange them"],
    ),
    "a width beyond the grid": ({"width": 25}, ["ChartWidget.width: 25 is not allowed; use 1 to 24"]),
}


@pytest.mark.parametrize(("wrong", "lines"), WRONG.values(), ids=WRONG)
def test_what_cloudwatch_would_refuse_is_said(wrong: dict[str, Any], lines: list[str]) -> None:
    with pytest.raises(ConfigurationError) as error:
        ChartWidget(**{"title": "Up", "queries": [UP], **wrong})
    assert list(error.value.problems) == lines


def test_as_many_queries_as_a_widget_draws_are_taken() -> None:
    assert ChartWidget(title="Up", queries=[UP] * 500).width == 8
