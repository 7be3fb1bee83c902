"""Copies wanted and running, and what scaled them, as metrics: against the scaling of the embedded AWS, on a driven clock."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.cloudwatch.models import cloudwatch_backends

from cdk_sglang._runtime.showback import logic
from cdk_sglang._runtime.showback import scaling as scaled
from cdk_sglang._runtime.showback.store import Store
from cdk_sglang.metrics.classic import Classic
from cdk_sglang.metrics.cloudwatch import SCALING, cloudwatch_metrics
from cdk_sglang.metrics.figures.copies import SCALING_REASONS, copies_short, decisions_made
from cdk_sglang.metrics.promql import Place
from tests.localcloud.helpers import SESSION
from tests.localcloud.test_scaling import RESOURCE, load, scaling, track
from tests.runtime.showback.test_function import BUCKET, plenty, refusing, settings, watched

__all__ = ["scaling"]  # the fixture of an endpoint whose component may have up to four copies
BEGIN = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
CONTENT = settings(watched("fleet"), sample_minutes=5)


@pytest.fixture
def aws(driven: Any, sagemaker: Any, scaling: Any) -> logic.Aws:
    s3 = SESSION.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    return logic.Aws(
        sagemaker=sagemaker,
        cloudwatch=SESSION.client("cloudwatch"),
        session=SESSION,
        store=Store(s3=s3, bucket=BUCKET),
        scaling=scaling,
    )


def points() -> dict[tuple[str, tuple[tuple[str, str], ...]], dict[dt.datetime, float]]:
    """Return what CloudWatch's Maximum is at every moment, by metric and dimensions."""
    found: dict[Any, dict[dt.datetime, float]] = {}
    for datum in cloudwatch_backends["123456789012"]["us-east-1"].metric_data:
        if datum.namespace != SCALING:
            continue
        fact = cloudwatch_metrics()[SCALING, datum.name]
        dimensions = {one.name: one.value for one in datum.dimensions}
        assert frozenset(dimensions) in fact.dimensions
        assert datum.unit == fact.unit
        series = found.setdefault((datum.name, tuple(sorted(dimensions.items()))), {})
        series[datum.timestamp] = max(datum.value, series.get(datum.timestamp, datum.value))
    return found


def total(name: str, **dimensions: str) -> float:
    return sum(points().get((name, tuple(sorted(dimensions.items()))), {}).values())


def drawn(aws: logic.Aws, figure: Callable[..., Classic | None], now: dt.datetime) -> list[float]:
    """Return what a panel's metric math shows of the component, the newest first."""
    classic = figure(Place(component="llama"), period_seconds=300)
    assert classic is not None
    stats: list[Any] = [
        {
            "Id": key,
            "MetricStat": {
                "Metric": {
                    "Namespace": one.metric.namespace,
                    "MetricName": one.metric.name,
                    "Dimensions": [{"Name": name, "Value": value} for name, value in one.dimensions.items()],
                },
                "Period": one.period_seconds,
                "Stat": one.statistic,
            },
            "ReturnData": False,
        }
        for key, one in classic.metrics.items()
    ]
    shown = {"Id": "shown", "Expression": classic.expression, "ReturnData": True}
    answer = aws.cloudwatch.get_metric_data(
        MetricDataQueries=[*stats, shown],
        StartTime=now - dt.timedelta(hours=1),
        EndTime=now + dt.timedelta(minutes=5),
    )
    return list(answer["MetricDataResults"][0]["Values"])


def sample(aws: logic.Aws, driven: Any) -> dict[str, Any]:
    return logic.sample(aws, CONTENT, due=driven.utc(), now=driven.utc(), seconds_left=plenty)


def test_copies_wanted_differ_from_copies_running_while_instances_are_missing(aws: logic.Aws, driven: Any) -> None:
    aws.scaling.register_scalable_target(**RESOURCE, MinCapacity=9, MaxCapacity=9)
    driven.advance(60)
    sample(aws, driven)
    target, running = (total(name, InferenceComponentName="llama") for name in ("CopiesWanted", "CopiesRunning"))
    assert target == 9
    assert 1 <= running < target
    assert drawn(aws, copies_short, driven.utc()) == [target - running]


def test_decisions_are_counted_once_by_their_reason_however_often_a_run_is_repeated(
    aws: logic.Aws, driven: Any
) -> None:
    track(aws.scaling, ScaleOutCooldown=0)
    load(driven, 180, per_copy=100)
    aws.scaling.register_scalable_target(**RESOURCE, MinCapacity=0, MaxCapacity=1)
    driven.advance(300)
    sample(aws, driven)
    first = points()
    sample(aws, driven)  # the same moment
    assert points() == first
    driven._now += 300
    sample(aws, driven)  # whose windows overlap
    decided = aws.scaling.describe_scaling_activities(ServiceNamespace="sagemaker", IncludeNotScaledActivities=True)
    reasons = [scaled.reason(one) for one in decided["ScalingActivities"]]
    assert set(reasons) == {"TargetTracking", "AlreadyAtMaxCapacity", "MaxCapacity"}
    for reason in SCALING_REASONS:
        assert total("ScalingDecisions", InferenceComponentName="llama", Reason=reason) == reasons.count(reason), reason
    assert total("ScalingDecisions", InferenceComponentName="llama") == len(reasons)
    assert sum(drawn(aws, decisions_made, driven.utc())) == len(reasons)


def test_a_run_that_was_missed_is_made_up_for(aws: logic.Aws, driven: Any) -> None:
    aws.scaling.register_scalable_target(**RESOURCE, MinCapacity=2, MaxCapacity=4)
    driven.advance(30)
    driven._now += 2 * 300
    sample(aws, driven)
    assert total("ScalingDecisions", InferenceComponentName="llama", Reason="MinCapacity") == 1


def test_nothing_that_scales_is_zero_and_no_gap(aws: logic.Aws, driven: Any) -> None:
    sample(aws, driven)
    assert list(points()["ScalingDecisions", (("InferenceComponentName", "llama"),)].values()) == [0.0] * scaled.WINDOWS


def test_costs_are_sampled_though_decisions_cannot_be_read(aws: logic.Aws, driven: Any) -> None:
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeScalingActivities")
    refused = refusing(aws.scaling, "describe_scaling_activities", denied, when=lambda _: True)
    result = sample(dataclasses.replace(aws, scaling=refused), driven)
    assert (result["kept"], result["scaling"]) == (True, "unread")
    assert total("CopiesRunning", InferenceComponentName="llama") == 1


class Pages:
    """Application Auto Scaling with many decisions, one every ten seconds back from a moment."""

    def __init__(self, newest: dt.datetime) -> None:
        self.newest = newest
        self.calls = 0

    def describe_scaling_activities(self, **request: Any) -> dict[str, Any]:
        self.calls += 1
        first = int(request.get("NextToken", 0))
        return {
            "ScalingActivities": [
                {
                    "ResourceId": f"inference-component/{'llama' if number % 2 else 'of-another-fleet'}",
                    "StartTime": self.newest - dt.timedelta(seconds=10 * number),
                    "Cause": "minimum capacity was set to 2",
                }
                for number in range(first, first + request["MaxResults"])
            ],
            "NextToken": str(first + request["MaxResults"]),
        }


def test_further_pages_are_read_as_far_as_the_windows_reach() -> None:
    client = Pages(BEGIN - dt.timedelta(seconds=5))
    found = scaled.decisions(client, {"llama"}, due=BEGIN, seconds=300, seconds_left=plenty, enough=60)
    assert [one.by_reason for one in found] == [{("llama", "MinCapacity"): 15}] * scaled.WINDOWS
    assert [one.began for one in found] == [BEGIN - dt.timedelta(minutes=back) for back in (15, 10, 5)]
    assert client.calls == 3  # ninety decisions in the windows, and a page that is older


@pytest.mark.parametrize(
    ("seconds", "left", "message"),
    [(3600, itertools.repeat(300.0), "more than 20 pages"), (300, iter([300.0, 30.0]), "no time is left")],
)
def test_reading_ends_after_so_many_pages_and_before_the_time_does(seconds: int, left: Any, message: str) -> None:
    client = Pages(BEGIN)
    with pytest.raises(scaled.TooManyPagesError, match=message):
        scaled.decisions(
            client, {"llama"}, due=BEGIN, seconds=seconds, seconds_left=lambda: float(next(left)), enough=60
        )
    assert client.calls <= scaled.PAGES


@pytest.mark.parametrize(
    ("activity", "reason"),
    [
        ({"Cause": "monitor alarm web-cpu-lt-25 in state ALARM triggered policy web-cpu-lt-25"}, "Alarm"),
        (
            {
                "Cause": "monitor alarm TargetTracking-inference-component/llama-AlarmLow-1 in state ALARM triggered policy x"
            },
            "TargetTracking",
        ),
        ({"Cause": "scheduled action name morning was triggered; minimum capacity was set to 3"}, "ScheduledAction"),
        ({"Cause": "maximum capacity was set to 1"}, "MaxCapacity"),
        ({"Cause": "something new"}, "Other"),
        ({}, "Other"),
        ({"NotScaledReasons": [{"Code": "AlreadyAtMinCapacity"}], "Cause": "x"}, "AlreadyAtMinCapacity"),
        ({"NotScaledReasons": [{"Code": "AutoScalingAnticipatedFlapping"}], "Cause": "x"}, "NotScaled"),
    ],
)
def test_every_cause_has_one_of_a_few_reasons(activity: dict[str, Any], reason: str) -> None:
    assert scaled.reason(activity) == reason
    assert set(SCALING_REASONS) == set(scaled.REASONS)
