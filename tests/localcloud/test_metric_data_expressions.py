"""GetMetricData: metric math over metrics of other periods, arrays and SEARCH."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws.metrics import data
from localcloud.aws.metrics.search import Search
from tests.localcloud.helpers import SESSION

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.fixture
def cloudwatch(driven: Any) -> Any:
    """Orders of two shops, one point a minute for ten minutes: 1, 2, 3 … and twice as many."""
    client = SESSION.client("cloudwatch")
    for shop, factor in (("east", 1), ("west", 2)):
        client.put_metric_data(
            Namespace="Shop",
            MetricData=[
                {
                    "MetricName": "Orders",
                    "Dimensions": [{"Name": "Shop", "Value": shop}],
                    "Value": float(factor * (minute + 1)),
                    "Timestamp": NOON + timedelta(minutes=minute, seconds=30),
                }
                for minute in range(10)
                if (shop, minute) != ("west", 4)
            ],
        )
    return client


def stat(identity: str, shop: str, kind: str = "Sum", period: int = 60, **more: Any) -> dict[str, Any]:
    metric = {"Namespace": "Shop", "MetricName": "Orders", "Dimensions": [{"Name": "Shop", "Value": shop}]}
    return {"Id": identity, "MetricStat": {"Metric": metric, "Stat": kind, "Period": period}, **more}


def ask(cloudwatch: Any, *queries: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    window = {"StartTime": NOON, "EndTime": NOON + timedelta(minutes=10), "ScanBy": "TimestampAscending"} | more
    found: list[dict[str, Any]] = cloudwatch.get_metric_data(MetricDataQueries=list(queries), **window)[
        "MetricDataResults"
    ]
    return found


def test_periods_begin_at_whole_multiples_whatever_the_request(cloudwatch: Any) -> None:
    (found,) = ask(cloudwatch, stat("a", "east", period=300), StartTime=NOON + timedelta(minutes=2))
    assert found["Timestamps"] == [NOON, NOON + timedelta(minutes=5)]
    assert found["Values"] == [3 + 4 + 5 + 1 + 2, 6 + 7 + 8 + 9 + 10]


@pytest.mark.parametrize(
    ("kind", "value"),
    [("Sum", 55), ("Average", 5.5), ("Minimum", 1), ("Maximum", 10), ("SampleCount", 10), ("p90", 10)],
)
def test_statistic_is_that_of_the_period(cloudwatch: Any, kind: str, value: float) -> None:
    (found,) = ask(cloudwatch, stat("a", "east", kind, 600))
    assert found["Values"] == [value]


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("a + b", [3, 6, 9, 12, 18, 21, 24, 27, 30]),
        ("a + FILL(b, 0)", [3, 6, 9, 12, 5, 18, 21, 24, 27, 30]),
        ("SUM(METRICS())", [3, 6, 9, 12, 5, 18, 21, 24, 27, 30]),
        ("IF(a > 8, 1, 0)", [0, 0, 0, 0, 0, 0, 0, 0, 1, 1]),
        ("RUNNING_SUM(a)", [1, 3, 6, 10, 15, 21, 28, 36, 45, 55]),
        ("DIFF(b)", [2, 2, 2, 4, 2, 2, 2, 2]),
        ("RATE(b) * 60", [2, 2, 2, 2, 2, 2, 2, 2]),
        ("a / PERIOD(a) * 60", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ("IF(a > 0, SUM([a, b]))", [3, 6, 9, 12, 5, 18, 21, 24, 27, 30]),
        ("SUM(IF(METRICS() > 8, METRICS(), 0))", [0, 0, 0, 0, 0, 12, 14, 16, 27, 30]),
        ("SUM(METRICS() / METRICS())", [2, 2, 2, 2, 1, 2, 2, 2, 2, 2]),
        ("SUM(SEARCH('{Shop,Shop} Orders', 'Sum', 60))", [3, 6, 9, 12, 5, 18, 21, 24, 27, 30]),
        (
            'MAX(SEARCH(\'{Shop,Shop} MetricName="Orders" Shop=("east" OR "west")\', \'Sum\', 60))',
            [2, 4, 6, 8, 5, 12, 14, 16, 18, 20],
        ),
    ],
)
def test_expression_gives(cloudwatch: Any, expression: str, values: list[float]) -> None:
    queries = [stat("a", "east", ReturnData=False), stat("b", "west", ReturnData=False)]
    (found,) = ask(cloudwatch, *queries, {"Id": "e", "Expression": expression})
    assert found["Values"] == pytest.approx(values)


def test_search_returns_every_series_and_new_ones_too(cloudwatch: Any) -> None:
    query = {"Id": "s", "Expression": "SEARCH('{Shop,Shop} MetricName=\"Orders\"', 'Sum', 300)", "Label": "Orders of"}
    assert [one["Label"] for one in ask(cloudwatch, query)] == ["Orders of east", "Orders of west"]
    cloudwatch.put_metric_data(
        Namespace="Shop",
        MetricData=[
            {"MetricName": "Orders", "Dimensions": [{"Name": "Shop", "Value": "north"}], "Value": 1, "Timestamp": NOON}
        ],
    )
    assert len(ask(cloudwatch, query)) == 3
    (total,) = ask(cloudwatch, query | {"ReturnData": False}, {"Id": "t", "Expression": "SUM(s)", "Period": 300})
    assert total["Values"] == [15 + 20 + 1, 40 + 80]


def test_search_that_finds_nothing_returns_nothing(cloudwatch: Any) -> None:
    assert ask(cloudwatch, {"Id": "s", "Expression": "SEARCH('{Shop,Shop} Refunds', 'Sum', 60)"}) == []
    assert ask(cloudwatch, {"Id": "s", "Expression": "SUM(SEARCH('{Shop,Shop} Refunds', 'Sum', 60))"}) == []


@pytest.mark.parametrize("expression", ["s * 2", "a + s", "IF(a > 0, s, 0)", "FILL(s, 0)", "SUM(RATE(s))"])
def test_what_nothing_was_found_for_gives_nothing(cloudwatch: Any, expression: str) -> None:
    search = {"Id": "s", "Expression": "SEARCH('{Shop,Shop} Refunds', 'Sum', 60)", "ReturnData": False}
    assert ask(cloudwatch, stat("a", "east", ReturnData=False), search, {"Id": "e", "Expression": expression}) == []


def test_arrays_of_different_lengths_are_refused(cloudwatch: Any) -> None:
    search = {"Id": "s", "Expression": "SEARCH('{Shop,Shop} Orders', 'Sum', 60)", "ReturnData": False}
    with pytest.raises(ClientError, match="do not fit"):
        ask(cloudwatch, stat("a", "east"), search, {"Id": "e", "Expression": "s + [a, a, a]"})


def test_a_search_keeps_its_own_shorter_period(cloudwatch: Any) -> None:
    query = {"Id": "s", "Expression": "SUM(SEARCH('{Shop,Shop} Orders', 'Sum', 60))", "Period": 300}
    (found,) = ask(cloudwatch, query)
    assert (found["Timestamps"], found["Values"]) == ([NOON, NOON + timedelta(minutes=5)], [3, 18])


def test_more_data_points_than_a_page_has_are_refused(cloudwatch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_POINTS_MAX", 10)
    assert ask(cloudwatch, stat("a", "east"))
    with pytest.raises(ClientError, match="more than 10 data points"):
        ask(cloudwatch, stat("a", "east"), stat("b", "west"))


def test_metrics_of_different_periods_meet_at_the_longest(cloudwatch: Any) -> None:
    queries = [stat("a", "east", period=60, ReturnData=False), stat("b", "east", period=300, ReturnData=False)]
    (found,) = ask(cloudwatch, *queries, {"Id": "e", "Expression": "b - a"})
    assert found["Timestamps"] == [NOON, NOON + timedelta(minutes=5)]
    assert found["Values"] == [15 - 1, 40 - 6]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"Id": "e", "Expression": "a + nothing"}, "refers to"),
        ({"Id": "e", "Expression": "SELECT SUM(Orders) FROM Shop"}, "not evaluated"),
        ({"Id": "e", "Expression": "SEARCH('{Shop,Shop} (Orders', 'Sum', 60)"}, "missing"),
        (stat("e", "east", "tm99"), "not evaluated"),
    ],
)
def test_request_that_cannot_be_answered_is_refused(cloudwatch: Any, query: dict[str, Any], says: str) -> None:
    with pytest.raises(ClientError, match=says):
        ask(cloudwatch, stat("a", "east"), query)
    with pytest.raises(ClientError, match="EndTime"):
        ask(cloudwatch, stat("a", "east"), EndTime=NOON)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ('{N,A} MetricName="X"', ["a1", "a2"]),
        ("{N,A} x", ["a1", "a2", "a3"]),
        ("{N,A} X NOT A=a2", ["a1", "a3"]),
        ("{N,A,B} X", ["ab"]),
        ('{"N","A"} A="a1" OR A="a3"', ["a1", "a3"]),
        ("{N,A} MetricName=X AND (a1 OR a3)", ["a1", "a3"]),
        ("{M,A} X", []),
        ("b1", ["ab"]),
        ("{N,A}", ["a1", "a2", "a3"]),
    ],
)
def test_search_finds(expression: str, found: list[str]) -> None:
    metrics = {
        ("N", "X", frozenset({("A", "a1")})): "a1",
        ("N", "X", frozenset({("A", "a2")})): "a2",
        ("N", "XY", frozenset({("A", "a3")})): "a3",
        ("N", "X", frozenset({("A", "a1"), ("B", "b1")})): "ab",
    }
    assert (
        sorted(metrics[one] for one in Search(text="", search=expression, stat="Sum", period_s=60).find(metrics))
        == found
    )
