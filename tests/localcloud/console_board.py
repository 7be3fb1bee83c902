"""A dashboard with a widget of every kind, and data for it: what the tests of the console draw."""

import json
import math
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from localcloud.aws.console.promql import Line, NoAnswerError, Range

NAME = "every-kind"
NAMESPACE = "AWS/SageMaker"
OF_LLAMA = ["InferenceComponentName", "llama"]
HOURS = 3 * 3600
RUNBOOK = "https://docs.example.com/runbooks/latency"


def metric(name: str, **options: Any) -> list[Any]:
    return [NAMESPACE, name, *OF_LLAMA, options]


def chart(view: str, query: str, title: str, **options: Any) -> dict[str, Any]:
    queries = options.pop("queries", [{"query": query}])
    data = {
        "queries": [
            {"id": f"q{n}", "type": "cloudwatch-metrics", "language": "PromQL", **q} for n, q in enumerate(queries)
        ]
    }
    return {"type": "chart", "properties": {"view": view, "title": title, "data": data, "plotOptions": options}}


def graph(title: str, metrics: list[Any], **properties: Any) -> dict[str, Any]:
    return {
        "type": "metric",
        "properties": {"title": title, "metrics": metrics, "region": "us-east-1", "period": 60, **properties},
    }


def widgets(alarm_arn: str) -> list[dict[str, Any]]:
    """Widgets by three in a row; the descriptions tell the tests which is which."""
    return [
        {"type": "text", "properties": {"markdown": "## Fleet\nRead [the runbook](https://docs.example.com/runbook), [this board](#dashboards:name=every-kind), [logs](#logsV2:log-groups). <script>alert(1)</script> **bold**\n\n| a | b |\n|---|---|\n| 1 | 2 |"}},
        {"type": "alarm", "properties": {"title": "Alarms of the promise", "alarms": [alarm_arn]}},
        graph("Requests", [metric("Invocations", stat="Sum", label="requests of ${PROP('InferenceComponentName')}"), [".", ".", ".", ".", {"stat": "SampleCount", "yAxis": "right"}]]),
        graph(
            "Latency · Add copies when the line leaves the band",
            [metric("ModelLatency", stat="p90", label="p90"), [".", ".", ".", ".", {"stat": "Average"}]],
            annotations={
                "horizontal": [{"value": 900_000, "label": "promise", "fill": "above"}, [{"value": 200_000, "label": "plan"}, {"value": 500_000}]],
                "vertical": [],
            },
        ),
        graph("Errors in percent", [
            metric("Invocations", stat="Sum", id="all", visible=False),
            metric("Invocation5XXErrors", stat="Sum", id="bad", visible=False),
            [{"expression": "100 * bad / all", "id": "share", "label": "errors"}],
        ], yAxis={"left": {"label": "%", "min": 0, "max": 20}}),
        graph("Found by SEARCH", [[{"expression": "SEARCH('{AWS/SageMaker,InferenceComponentName} MetricName=\"Invocations\"', 'Sum', 60)", "id": "s"}]], stacked=True),
        graph("Now", [metric("Invocations", stat="Sum", label="requests"), metric("ModelLatency", stat="p90", label="p90")], view="singleValue"),
        graph("GPU busy", [["/aws/sagemaker/Endpoints", "GPUUtilizationNormalized", "EndpointName", "fleet", "VariantName", "main", {"label": "GPU"}]], view="gauge", yAxis={"left": {"min": 0, "max": 100}}, annotations={"horizontal": [{"value": 80, "label": "high"}]}),
        graph("By component", [[{"expression": "SEARCH('MetricName=\"Invocations\"', 'Sum', 60)", "id": "s"}]], view="bar"),
        graph("Shares", [[{"expression": "SEARCH('MetricName=\"Invocations\"', 'Sum', 60)", "id": "s"}]], view="pie"),
        graph("Values", [metric("Invocations", stat="Sum"), metric("ModelLatency", stat="p90")], view="table"),
        graph("Alarm as a line", [], annotations={"alarms": [alarm_arn]}),
        chart("line", "tokens", "Tokens per second", queries=[
            {"query": "tokens", "label": "measured"}, {"query": "vector(40)", "label": "plan, low"}, {"query": "vector(70)", "label": "plan, high"},
        ], yAxis=[{"title": "tokens/s", "min": 0}], annotations={"horizontal": [{"type": "static", "label": "least", "value": 20}]}),
        chart("heatmap", "gpu", "GPU utilisation by instance and accelerator", yAxis=[{"title": "%", "min": 0, "max": 100}]),
        chart("number", "tokens", "Cost per hour", queries=[{"query": "tokens", "label": "USD/h"}], yAxis=[{"title": "USD/h"}]),
        chart("solidgauge", "tokens", "KV cache in use", gaugeOptions={"min": 0, "max": 100}),
        chart("bar", "gpu", "Busy GPUs"),
        chart("column", "tokens", "Tokens per step"),
        chart("line", "nothing", "Queue"),
        graph("Throttles", [["Custom/Nobody", "Throttles", "Team", "a"]]),
        chart("line", "broken", "Refused"),
    ]  # fmt: skip


def body(alarm_arn: str) -> str:
    placed = []
    for number, widget in enumerate(widgets(alarm_arn)):
        placed.append({"x": 8 * (number % 3), "y": 6 * (number // 3), "width": 8, "height": 6, **widget})
        if widget["type"] == "chart":
            widget["properties"]["description"] = "Look at the engine's log when this falls."
    return json.dumps({"start": "-PT3H", "widgets": placed})


def points(now: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """Data points of the last three hours, with a gap of twenty minutes."""
    for minute in range(180):
        stamp = datetime.fromtimestamp(now - HOURS + 60 * minute, UTC)
        if 60 <= minute < 80:
            continue
        wave = 1 + math.sin(minute / 12)
        for component, share in (("llama", 1.0), ("qwen", 0.4)):
            dimensions = [{"Name": "InferenceComponentName", "Value": component}]
            values = {
                "Invocations": (30 * wave * share + 3, "None"),
                "ModelLatency": (250_000 + 330_000 * wave, "Microseconds"),
                "Invocation5XXErrors": (2.0 if minute % 25 == 0 else 0.0, "None"),
            }
            for name, (value, unit) in values.items():
                yield (
                    NAMESPACE,
                    {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": unit, "Timestamp": stamp},
                )
        variant = [{"Name": "EndpointName", "Value": "fleet"}, {"Name": "VariantName", "Value": "main"}]
        busy = {
            "MetricName": "GPUUtilizationNormalized",
            "Dimensions": variant,
            "Value": 40 * wave,
            "Unit": "Percent",
            "Timestamp": stamp,
        }
        yield "/aws/sagemaker/Endpoints", busy  # fmt: skip


def query_range(account: str, region: str, query: str, moments: Range) -> list[Line]:
    """Answers of PromQL that the tests know."""
    times = [
        moments.start + moments.step_s * step for step in range(int((moments.end - moments.start) // moments.step_s))
    ]
    if query.startswith("vector("):
        return [Line(labels={}, values=dict.fromkeys(times, float(query[7:-1])))]
    if query == "tokens":
        return [Line(labels={"__name__": "tokens"}, values={time: 50 + 25 * math.sin(time / 900) for time in times})]
    if query == "gpu":
        return [
            Line(
                labels={"@resource.host.id": f"i-0{host}", "gpu": str(gpu), "job": "dcgm"},
                values={time: 50 + 48 * math.sin(time / 700 + gpu + 3 * host) for time in times},
            )
            for host in (1, 2)
            for gpu in range(4)
        ]
    if query == "broken":
        raise NoAnswerError("parse error: unexpected end of input")
    return []


def put_alarm(cloudwatch: Any, name: str = "llama-latency") -> str:
    cloudwatch.put_metric_alarm(
        AlarmName=name, Namespace=NAMESPACE, MetricName="ModelLatency", Statistic="Average", Period=60, EvaluationPeriods=1,
        Dimensions=[{"Name": "InferenceComponentName", "Value": "llama"}], Threshold=1e5, ComparisonOperator="GreaterThanThreshold",
        AlarmDescription="Too slow. Runbook: https://docs.example.com/runbooks/latency.",
        TreatMissingData="ignore",  # a state that a test sets stays, however late it is read
    )  # fmt: skip
    return str(cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["AlarmArn"])


def put_board(cloudwatch: Any) -> None:
    arn = put_alarm(cloudwatch)
    backend = cloudwatch_backends["123456789012"]["us-east-1"]
    for namespace, datum in points(time.time()):
        backend.put_metric_data(namespace, [datum])
    cloudwatch.put_dashboard(DashboardName=NAME, DashboardBody=body(arn))


def panel_of(cloudwatch: Any, read: Callable[..., Any], widget: dict[str, Any], **parameters: object) -> Any:
    """Deploy a dashboard of one widget, and read it."""
    body = {"widgets": [widget], "variables": parameters.pop("variables", [])}
    cloudwatch.put_dashboard(DashboardName="one", DashboardBody=json.dumps(body))
    return read("widget", name="one", widget=0, **{"seconds": 3600} | parameters)


COUNT = len(widgets(""))
TITLES = [title.partition(" · ")[0] for one in widgets("") if (title := one["properties"].get("title"))]
