"""What components and adapters served on a day: requests from CloudWatch, and tokens counted by SGLang where CloudWatch supports PromQL."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .promql import series_of
from .rows import Usage
from .spans import HOUR_SECONDS

_QUERIES = 500
"""Maximum number of queries in a GetMetricData call
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html, read 2026-11)."""

_log = logging.getLogger()


@dataclass(frozen=True, kw_only=True)
class Metric:
    """CloudWatch metric with the requests of a component or adapter.

    Attributes:
        namespace: Namespace.
        name: Name.
        statistic: Statistic.
        dimension: Its only dimension, the name in SageMaker. That requests of an adapter are not among those of its component is assumed: an
            adapter is an inference component of its own, and AWS's page on the metrics does not mention adapters (read 2026-11).
    """

    namespace: str
    name: str
    statistic: str
    dimension: str


def requests(
    cloudwatch: Any, names: Sequence[str], metric: Metric, *, start: dt.datetime, end: dt.datetime
) -> dict[str, dict[int, int]]:
    """Return the requests of components and adapters, by name and hour since 1970.

    Args:
        cloudwatch: Client of boto3.
        names: Their names in SageMaker.
        metric: The metric.
        start: Full hour.
        end: Moment after the last one.
    """
    found: dict[str, dict[int, int]] = {name: {} for name in names}
    paginator = cloudwatch.get_paginator("get_metric_data")
    for some in _packs(names, _QUERIES):
        queries = [
            {
                "Id": f"m{index}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": metric.namespace,
                        "MetricName": metric.name,
                        "Dimensions": [{"Name": metric.dimension, "Value": name}],
                    },
                    "Period": HOUR_SECONDS,
                    "Stat": metric.statistic,
                },
            }
            for index, name in enumerate(some)
        ]
        for page in paginator.paginate(MetricDataQueries=queries, StartTime=start, EndTime=end):
            for result in page["MetricDataResults"]:
                hours = found[some[int(result["Id"][1:])]]
                for moment, value in zip(result["Timestamps"], result["Values"], strict=True):
                    hour = int(moment.timestamp()) // HOUR_SECONDS
                    hours[hour] = hours.get(hour, 0) + round(value)
    return found


def tokens(
    session: Any, address: str, queries: Mapping[str, str], *, label: str, at: dt.datetime
) -> dict[str, tuple[int, int]]:
    """Return input and output tokens by name in SageMaker; empty if CloudWatch does not answer, since requests are sufficient.

    Args:
        session: Session of boto3, for Region and credentials.
        address: Address of CloudWatch.
        queries: PromQL for input and output tokens, by "in" and "out".
        label: Label with the name.
        at: End of the period that the queries look back over.
    """
    counted: dict[str, list[int]] = {}
    try:
        for index, key in enumerate(("in", "out")):
            for series in series_of(session, address, queries[key], at):
                name = next(
                    (series["metric"][one] for one in (label, label.replace(".", "_")) if one in series["metric"]), ""
                )
                if name:
                    counted.setdefault(name, [0, 0])[index] += round(float(series["value"][1]))
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError) as error:  # HTTP errors are OSErrors
        _log.warning(json.dumps({"tokens": "planned", "because": f"CloudWatch's PromQL did not answer: {error}"}))
        return {}
    return {name: (pair[0], pair[1]) for name, pair in counted.items()}


def of_day(
    cloudwatch: Any,
    session: Any,
    names: Sequence[str],
    settings: Mapping[str, Any],
    *,
    start: dt.datetime,
    end: dt.datetime,
) -> Usage:
    """Return what components and adapters served.

    Args:
        cloudwatch: Client of boto3.
        session: Session of boto3.
        names: Names in SageMaker.
        settings: Settings of the function.
        start: Full hour.
        end: Moment after the last one.
    """
    metric = Metric(**settings["requests"])
    measured: dict[str, tuple[int, int]] = {}
    if settings.get("tokens"):
        window = f"[{int((end - start).total_seconds())}s]"
        queries = {key: settings["tokens"][key].replace("[1d]", window) for key in ("in", "out")}
        address = cloudwatch.meta.endpoint_url
        measured = tokens(session, address, queries, label=settings["tokens"]["label"], at=end)
    counted = requests(cloudwatch, names, metric, start=start, end=end)
    return Usage(requests=counted, tokens={name: pair for name, pair in measured.items() if name in counted})


def _packs(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for first in range(0, len(names), size):
        yield names[first : first + size]
