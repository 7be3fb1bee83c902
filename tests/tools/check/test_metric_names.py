"""A template that names a metric which nobody publishes is found, wherever it names it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cdk_sglang.metrics import figures
from cdk_sglang.metrics.promql import Place
from tools.check.metric_names import findings
from tools.check.metric_uses import ClassicUse, PromqlUse, uses

ENDPOINT = {"EndpointName": "chat", "VariantName": "AllTraffic"}


def _template(kind: str, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Resources": {"It": {"Type": kind, "Properties": properties}, **more}}


def _dimensions(names: dict[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in names.items()]


def _alarm(**changes: Any) -> dict[str, Any]:
    return _template(
        "AWS::CloudWatch::Alarm",
        {
            "Namespace": "AWS/SageMaker",
            "MetricName": "ModelLatency",
            "Dimensions": _dimensions(ENDPOINT),
            "ExtendedStatistic": "p99",
            "Unit": "Microseconds",
            **changes,
        },
    )


def _math_alarm(name: str = "Invocations", dimensions: tuple[str, ...] = ("InferenceComponentName",)) -> dict[str, Any]:
    metric = {
        "Namespace": "AWS/SageMaker",
        "MetricName": name,
        "Dimensions": _dimensions(dict.fromkeys(dimensions, "x")),
    }
    return _template(
        "AWS::CloudWatch::Alarm",
        {
            "Metrics": [
                {"Id": "m", "MetricStat": {"Metric": metric, "Stat": "Sum", "Period": 60}},
                {"Id": "e", "Expression": "m * 2"},
            ]
        },
    )


def _policy(name: str = "GPUUtilizationNormalized") -> dict[str, Any]:
    metric = {"MetricName": name, "Namespace": "/aws/sagemaker/InferenceComponents", "Statistic": "Average"}
    dimensions = _dimensions({"InferenceComponentName": "x"})
    return _template(
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        {
            "TargetTrackingScalingPolicyConfiguration": {
                "CustomizedMetricSpecification": {**metric, "Dimensions": dimensions}
            }
        },
    )


def _widgets(*widgets: dict[str, Any]) -> dict[str, Any]:
    first, *others = json.dumps({"widgets": widgets}).split("<region>")
    parts = [first, *(part for other in others for part in ({"Ref": "AWS::Region"}, other))]
    body = {"Fn::Join": ["", parts]}
    return _template("AWS::CloudWatch::Dashboard", {"DashboardBody": body})


def _graph(*rows: list[Any]) -> dict[str, Any]:
    return _widgets({"type": "metric", "properties": {"region": "<region>", "metrics": rows}})


def _chart(query: str) -> dict[str, Any]:
    queries = [{"id": "q", "type": "cloudwatch-metrics", "language": "PromQL", "query": query}]
    return _widgets({"type": "chart", "properties": {"data": {"queries": queries}}})


def _search(name: str, dimensions: str = "EndpointName,VariantName,InstanceType,InstanceId,AcceleratorId") -> str:
    return (
        f"SEARCH('{{/aws/sagemaker/Endpoints,{dimensions}}} MetricName=\"{name}\" EndpointName=\"x\"', 'Average', 300)"
    )


ROW = ["AWS/SageMaker", "Invocations", "EndpointName", "chat", "VariantName", "AllTraffic"]


@pytest.mark.parametrize(
    "template",
    [
        _alarm(),
        _math_alarm(),
        _policy(),
        _graph(
            ROW, [".", "ModelLatency", ".", ".", ".", ".", {"stat": "p99"}], ["...", "Other"], [{"expression": "m1"}]
        ),
        _graph([{"expression": f"SUM({_search('GPUUtilization')})"}]),
        _chart(
            'sum by ("@resource.host.id", gpu) (DCGM_FI_DEV_GPU_UTIL{"aws.sagemaker.endpoint.name"="a{b}"}) > bool 5'
        ),
        _chart("histogram_quantile(0.9, sum by (le) (rate(sglang:queue_time_seconds_bucket[5m]))) or vector(0)"),
        _chart("max_over_time(sglang_token_usage[1h] offset 5m)"),
    ],
)
def test_what_is_published_passes(template: dict[str, Any]) -> None:
    assert list(uses(template))
    assert list(findings(template)) == []


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (_alarm(MetricName="ModelLatencies"), "nobody publishes AWS/SageMaker ModelLatencies; correct it, or add it"),
        (_alarm(Namespace="AWS/Sagemaker"), "nobody publishes AWS/Sagemaker ModelLatency; "),
        (_alarm(Unit="Milliseconds"), "AWS/SageMaker ModelLatency has the unit Microseconds, got Milliseconds"),
        (_alarm(Dimensions=[]), "got none"),
        (_alarm(ExtendedStatistic="P99"), "CloudWatch has no statistic 'P99'"),
        (_math_alarm("Invocation"), "nobody publishes AWS/SageMaker Invocation;"),
        (_math_alarm(dimensions=("InferenceComponentName", "GpuId")), "got GpuId+InferenceComponentName"),
        (_policy("GPUUtilization"), "nobody publishes /aws/sagemaker/InferenceComponents GPUUtilization;"),
        (_graph(ROW, [".", "Latency", ".", ".", ".", "."]), "nobody publishes AWS/SageMaker Latency;"),
        (_graph(["AWS/SageMaker", "Invocations", "EndpointName", "chat"]), "got EndpointName"),
        (_graph([{"expression": _search("GPUUtil")}]), "nobody publishes /aws/sagemaker/Endpoints GPUUtil;"),
        (_graph([{"expression": _search("GPUUtilization", "EndpointName,GpuId")}]), "got EndpointName+GpuId"),
        (_graph([{"expression": "SEARCH(' namespace=\"AWS/SageMaker\" ', 'Sum')"}]), "a metric without a name"),
        (
            _chart("sum(rate(sglang:queue_seconds_bucket[5m]))"),
            "nobody publishes the series sglang:queue_seconds_bucket;",
        ),
        (_chart('{__name__="sglang_kv"}'), "nobody publishes the series sglang_kv;"),
        (_chart('{"sglang.kv", gpu="0"}'), "nobody publishes the series sglang.kv;"),
        (_chart('sglang:token_usage{component="a"}'), "no series has the label component;"),
        (_chart("sum by (container) (sglang:token_usage)"), "no series has the label container;"),
    ],
)
def test_what_nobody_publishes_is_found(template: dict[str, Any], text: str) -> None:
    found = [f"{place}: {message}" for place, message in findings(template)]
    assert len(found) == 1
    assert text in found[0]
    assert found[0].startswith("It")


def test_a_promql_alarm_is_read() -> None:
    template = _template(
        "AWS::CloudWatch::Alarm",
        {"EvaluationCriteria": {"PromQLCriteria": {"Query": {"Fn::Join": ["", ["sglang_", "nothing > 1"]]}}}},
    )
    assert list(uses(template)) == [PromqlUse(where="It", query="sglang_nothing > 1")]
    assert [message.partition(";")[0] for _, message in findings(template)] == [
        "nobody publishes the series sglang_nothing"
    ]


def test_metrics_of_log_filters_are_published_by_the_app_itself() -> None:
    transformation = {"MetricNamespace": "cdk-sglang", "MetricName": "EngineFailures", "MetricValue": "1"}
    log_filter = {"Type": "AWS::Logs::MetricFilter", "Properties": {"MetricTransformations": [transformation]}}
    alarm = _alarm(Namespace="cdk-sglang", MetricName="EngineFailures")
    assert len(list(findings(alarm))) == 1
    assert list(findings({"Resources": {**alarm["Resources"], "Filter": log_filter}})) == []
    assert list(findings(alarm, published={("cdk-sglang", "EngineFailures")})) == []


def test_rows_of_a_widget_repeat_the_one_before() -> None:
    template = _graph(ROW, ["...", "Second", {"stat": "Sum"}], [".", "Invocation5XXErrors", ".", ".", ".", "."])
    dimensions = frozenset(ENDPOINT)
    assert list(uses(template)) == [
        ClassicUse(where="It.widgets[0]", namespace="AWS/SageMaker", name=name, dimensions=dimensions, statistic=stat)
        for name, stat in (("Invocations", None), ("Invocations", "Sum"), ("Invocation5XXErrors", None))
    ]


def test_figures_name_only_what_is_published() -> None:
    figure = figures.goodput(Place(endpoint="chat", component="chat-llama"), ttft_seconds=1, tpot_seconds=0.04)
    assert figure.query is not None
    assert list(findings(_chart(figure.query))) == []
