"""GetMetricData: statistics of published points, metric math, SEARCH."""

import datetime as dt
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws.metrics.metricmath import ExpressionError
from localcloud.aws.metrics.points import Metric
from localcloud.aws.metrics.search import FOUND_MAX, Search, labels, searches
from tests.localcloud.helpers import SESSION

START = dt.datetime(2026, 11, 30, 12, 0, tzinfo=dt.UTC)
HOST = [{"Name": "Host", "Value": "a"}]


@pytest.fixture
def cloudwatch(driven: Any) -> Any:
    return SESSION.client("cloudwatch")


def put(cloudwatch: Any, name: str, values: dict[int, float], *, host: str = "a", **options: Any) -> None:
    """Publish values by their minute."""
    data = [
        {"MetricName": name, "Dimensions": [{"Name": "Host", "Value": host}], "Timestamp": minute(at), "Value": value} | options
        for at, value in values.items()
    ]  # fmt: skip
    cloudwatch.put_metric_data(Namespace="App", MetricData=data)


def minute(at: float) -> dt.datetime:
    return START + dt.timedelta(minutes=at)


def stat(
    name: str, statistic: str, *, identifier: str = "m", period: int = 60, host: str = "a", **options: Any
) -> dict[str, Any]:
    metric = {"Namespace": "App", "MetricName": name, "Dimensions": [{"Name": "Host", "Value": host}]}
    return {"Id": identifier, "MetricStat": {"Metric": metric, "Period": period, "Stat": statistic}, **options}


def ask(cloudwatch: Any, *queries: dict[str, Any], until: float = 10, **options: Any) -> list[dict[str, Any]]:
    found = cloudwatch.get_metric_data(MetricDataQueries=queries, StartTime=START, EndTime=minute(until), **options)
    results: list[dict[str, Any]] = found["MetricDataResults"]
    return results


def test_statistics_are_those_of_whole_periods_and_the_newest_comes_first(cloudwatch: Any) -> None:
    put(cloudwatch, "Load", {0: 1.0, 0.5: 3.0, 1: 5.0, 4: 7.0})
    (found,) = ask(cloudwatch, stat("Load", "Average"))
    assert found["Values"] == [7.0, 5.0, 2.0]
    assert found["Timestamps"] == [minute(4), minute(1), minute(0)]
    (found,) = ask(cloudwatch, stat("Load", "Sum", period=300), ScanBy="TimestampAscending")
    assert found["Values"] == [16.0]


@pytest.mark.parametrize(("name", "value"), [("Sum", 10), ("Minimum", 1), ("Maximum", 4), ("SampleCount", 4), ("p50", 3), ("p99", 4)])  # fmt: skip
def test_every_statistic_of_one_period(cloudwatch: Any, name: str, value: float) -> None:
    put(cloudwatch, "Load", {0: 1.0, 0.2: 2.0, 0.4: 3.0, 0.6: 4.0})
    assert ask(cloudwatch, stat("Load", name))[0]["Values"] == [value]


def test_a_start_between_periods_asks_for_the_whole_first_period(cloudwatch: Any) -> None:
    put(cloudwatch, "Load", {0.1: 1.0})
    found = cloudwatch.get_metric_data(
        MetricDataQueries=[stat("Load", "Sum")], StartTime=minute(0.5), EndTime=minute(2)
    )
    assert found["MetricDataResults"][0]["Values"] == [1.0]


def test_points_of_another_metric_namespace_dimension_or_unit_do_not_count(cloudwatch: Any) -> None:
    put(cloudwatch, "Load", {0: 1.0})
    put(cloudwatch, "Other", {0: 10.0})
    put(cloudwatch, "Load", {0: 100.0}, host="b")
    cloudwatch.put_metric_data(
        Namespace="Elsewhere", MetricData=[{"MetricName": "Load", "Dimensions": HOST, "Timestamp": START, "Value": 5.0}]
    )
    assert ask(cloudwatch, stat("Load", "Sum"))[0]["Values"] == [1.0]
    query = stat("Load", "Sum")
    query["MetricStat"]["Unit"] = "Bytes"
    assert ask(cloudwatch, query)[0]["Values"] == []


def test_points_that_arrive_later_are_found_too(cloudwatch: Any) -> None:
    put(cloudwatch, "Load", {0: 1.0})
    assert ask(cloudwatch, stat("Load", "Sum"))[0]["Values"] == [1.0]
    put(cloudwatch, "Load", {0: 2.0, 1: 4.0})
    assert ask(cloudwatch, stat("Load", "Sum"))[0]["Values"] == [4.0, 3.0]


def test_expressions_refer_to_metrics_and_to_each_other(cloudwatch: Any) -> None:
    put(cloudwatch, "Bad", {0: 1.0, 2: 3.0})
    put(cloudwatch, "All", {0: 10.0, 1: 10.0, 2: 0.0})
    found = ask(
        cloudwatch,
        {"Id": "percent", "Expression": "share * 100", "Label": "errors"},
        {"Id": "share", "Expression": "FILL(bad, 0) / all", "ReturnData": False},
        stat("Bad", "Sum", identifier="bad", ReturnData=False),
        stat("All", "Sum", identifier="all", ReturnData=False),
    )
    assert [(one["Label"], one["Values"]) for one in found] == [
        ("errors", [0.0, 10.0])
    ]  # a division by zero has no value


def test_search_finds_metrics_that_nobody_named(cloudwatch: Any) -> None:
    put(cloudwatch, "Load", {0: 1.0})
    put(cloudwatch, "Load", {0: 2.0}, host="b")
    put(cloudwatch, "Memory", {0: 9.0})
    found = ask(cloudwatch, {"Id": "s", "Expression": "SEARCH('{App,Host} MetricName=\"Load\"', 'Sum', 60)"})
    assert [(one["Label"], one["Values"]) for one in found] == [("a", [1.0]), ("b", [2.0])]
    total = ask(cloudwatch, {"Id": "s", "Expression": "SUM(SEARCH('{App,Host} MetricName=\"Load\"', 'Sum', 60))"})
    assert [one["Values"] for one in total] == [[3.0]]
    assert ask(cloudwatch, {"Id": "s", "Expression": "SEARCH('{App,Host} MetricName=\"Disk\"', 'Sum', 60)"}) == []


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("nobody * 2", "refers to the unknown id nobody"),
        ("m +", "syntax"),
        ("ANOMALY_DETECTION_BAND(m)", "not evaluated"),
        ("SELECT AVG(Load) FROM App", "not evaluated"),
        ("SEARCH(m, 'Sum')", "SEARCH"),
        ("SEARCH('(Load', 'Sum', 60)", "missing"),
        ("self + 1", "itself"),
    ],
)
def test_an_expression_that_is_not_evaluated_is_an_error(cloudwatch: Any, expression: str, reason: str) -> None:
    put(cloudwatch, "Load", {0: 1.0})
    with pytest.raises(ClientError, match=reason):
        ask(cloudwatch, {"Id": "self", "Expression": expression}, stat("Load", "Sum"))


def test_a_range_without_length_is_an_error(cloudwatch: Any) -> None:
    with pytest.raises(ClientError, match="EndTime"):
        ask(cloudwatch, stat("Load", "Sum"), until=0)


def metric(namespace: str, name: str, **dimensions: str) -> Metric:
    return (namespace, name, frozenset(dimensions.items()))


PUBLISHED = [
    metric("AWS/SageMaker", "Invocations", EndpointName="chat", VariantName="main"),
    metric("AWS/SageMaker", "Invocations", InferenceComponentName="chat-qwen"),
    metric("AWS/SageMaker", "ModelLatency", InferenceComponentName="chat-qwen"),
    metric("AWS/SageMaker", "Invocations", InferenceComponentName="chat-llama"),
    metric("App", "Invocations", InferenceComponentName="chat-llama"),
]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("{AWS/SageMaker,InferenceComponentName} Invocations", [1, 3]),
        ("{AWS/SageMaker,InferenceComponentName}", [1, 2, 3]),
        ("{AWS/SageMaker,VariantName,EndpointName} invocations", [0]),
        ('Namespace="App"', [4]),
        ("invoc qwen", [1]),
        ('MetricName="Invoc"', []),  # quotes ask for the whole value
        ("MetricName=Invoc qwen", [1]),
        ("qwen OR llama", [1, 2, 3, 4]),
        ("{AWS/SageMaker,InferenceComponentName} NOT qwen", [3]),
        ('InferenceComponentName=("chat-qwen" OR "chat-llama") Invocations Namespace="AWS/SageMaker"', [1, 3]),
        ("(qwen OR llama) AND ModelLatency", [2]),
        ('"chat-qwen" MetricName="ModelLatency"', [2]),
    ],
)
def test_search_terms(search: str, found: list[int]) -> None:
    one = Search(text="", search=search, stat="Sum", period_s=60)
    assert set(one.find(PUBLISHED)) == {PUBLISHED[index] for index in found}


def test_a_search_finds_at_most_500_metrics() -> None:
    metrics = [metric("App", "Load", Host=f"host{number:03}") for number in range(501)]
    assert (
        Search(text="", search="{App,Host}", stat="Sum", period_s=None).find(reversed(metrics)) == metrics[:FOUND_MAX]
    )


def test_labels_tell_the_found_metrics_apart() -> None:
    assert labels([PUBLISHED[1], PUBLISHED[3]], "Sum") == ["chat-qwen", "chat-llama"]
    assert labels([PUBLISHED[1], PUBLISHED[2]], "Sum") == ["Invocations", "ModelLatency"]


def test_a_search_keeps_its_quotes_and_its_period() -> None:
    (one,) = searches("SUM(SEARCH('{App,Host} MetricName=\"Load\" host=\"a AND b\"', 'p99', 300)) / 2")
    assert (one.search, one.stat, one.period_s) == ('{App,Host} MetricName="Load" host="a AND b"', "p99", 300)
    with pytest.raises(ExpressionError):
        searches("SEARCH(m1, 'Sum')")
