"""Percentiles that GetMetricData and GetMetricStatistics of the embedded AWS return."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tests.localcloud.helpers import SESSION


def test_a_percentile_is_a_value_that_was_published(driven: Any) -> None:
    cloudwatch = SESSION.client("cloudwatch")
    at = driven.utc().replace(second=0, microsecond=0)
    for value in range(1, 101):
        cloudwatch.put_metric_data(Namespace="N", MetricData=[{"MetricName": "m", "Timestamp": at, "Value": value}])
    span = {"StartTime": at - dt.timedelta(minutes=1), "EndTime": at + dt.timedelta(minutes=1)}

    def read(stat: str) -> list[float]:
        metric = {"Metric": {"Namespace": "N", "MetricName": "m"}, "Period": 60, "Stat": stat}
        answer = cloudwatch.get_metric_data(MetricDataQueries=[{"Id": "m", "MetricStat": metric}], **span)
        return [value for result in answer["MetricDataResults"] for value in result["Values"]]

    assert [read(stat) for stat in ("p50", "p99", "p99.9", "Maximum", "Sum")] == [[51], [100], [100], [100], [5050]]
