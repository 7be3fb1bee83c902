"""Requests of each component and their latency: CloudWatch's points of a minute, over the last quarter of an hour."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cdk_sglang.metrics.classic import classic_metric
from cdk_sglang.metrics.promql import Place

PERIOD_S: Final = 60
POINTS: Final = 15
SERIES: Final[Mapping[str, tuple[str, str]]] = {
    "requests": ("Invocations", "Sum"),
    "p50_us": ("ModelLatency", "p50"),
    "p90_us": ("ModelLatency", "p90"),
    "client_errors": ("Invocation4XXErrors", "Sum"),
    "server_errors": ("Invocation5XXErrors", "Sum"),
    "refused": ("NoCapacityInvocationFailures", "Sum"),
    "concurrent": ("ConcurrentRequestsPerCopy", "Maximum"),
}
"""Series of a component: the metric and its statistic."""
_QUERIES_MAX: Final = 500
"""Queries of one GetMetricData
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html, read 2026-11)."""


def read_traffic(
    cloudwatch: Any,
    endpoints: Mapping[str, Sequence[str]],
    now: dt.datetime,
) -> dict[str, dict[str, Any]]:
    """Return the requests of components.

    Args:
        cloudwatch: Client of CloudWatch.
        endpoints: Components by endpoint, all by their names in SageMaker.
        now: The moment up to whose minute is read.

    Returns:
        By component: ``period_s``, and a list of values for each series, the oldest first, None where nothing was published.
    """
    end = now.replace(second=0, microsecond=0)
    begin = end - dt.timedelta(seconds=PERIOD_S * POINTS)
    queries = [
        (component, name, query)
        for endpoint, components in endpoints.items()
        for component in components
        for name in SERIES
        if (query := _query(endpoint, component, name)) is not None
    ]
    found: dict[str, dict[str, Any]] = {
        component: {"period_s": PERIOD_S} | {name: [None] * POINTS for name in SERIES}
        for components in endpoints.values()
        for component in components
    }
    for first in range(0, len(queries), _QUERIES_MAX):
        batch = queries[first : first + _QUERIES_MAX]
        pages = cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[{"Id": f"m{number}", **query} for number, (_, _, query) in enumerate(batch)],
            StartTime=begin,
            EndTime=end,
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                component, name, _ = batch[int(result["Id"][1:])]
                _fill(found[component][name], result, begin)
    return found


def _fill(values: list[float | None], result: Mapping[str, Any], begin: dt.datetime) -> None:
    for moment, value in zip(result["Timestamps"], result["Values"], strict=True):
        index = int((moment - begin).total_seconds() // PERIOD_S)
        if 0 <= index < len(values):
            values[index] = value


def _query(endpoint: str, component: str, name: str) -> dict[str, Any] | None:
    metric, statistic = SERIES[name]
    place = Place(endpoint=endpoint, component=component)
    found = classic_metric(metric, place, statistic=statistic, period_seconds=PERIOD_S)
    if found is None:
        return None
    dimensions = [{"Name": key, "Value": value} for key, value in found.dimensions.items()]
    of = {"Namespace": found.metric.namespace, "MetricName": found.metric.name, "Dimensions": dimensions}
    return {"MetricStat": {"Metric": of, "Period": PERIOD_S, "Stat": statistic}}
