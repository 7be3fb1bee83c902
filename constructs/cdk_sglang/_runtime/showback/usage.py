"""What components and adapters served on a day: requests of CloudWatch, and tokens that SGLang counted where CloudWatch answers PromQL."""

from __future__ import annotations

import datetime as dt
import json
import logging
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from .rows import Usage
from .spans import HOUR_SECONDS

_QUERIES = 500
"""Queries of a GetMetricData call
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html, read 2026-11)."""
_TIMEOUT_SECONDS = 30
_PATHS = ("/api/v1/query", "/prometheus/api/v1/query")
"""Paths of the PromQL API, each from a page of AWS's: CloudWatch's reference of QueryMetrics
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-PromQL-API-QueryMetrics.html, read 2026-11) and SageMaker's guide
(https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-detailed-observability-promql.html, read 2026-11)."""
_MISSING = (400, 403, 404)
"""What a path that does not exist may be answered."""

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
    """Return input and output tokens by name in SageMaker; nothing if CloudWatch does not answer, since requests say enough.

    Args:
        session: Session of boto3, for Region and credentials.
        address: Address of CloudWatch.
        queries: PromQL for input and output tokens, by "in" and "out".
        label: Label with the name.
        at: End of the time that the queries look back from.
    """
    counted: dict[str, list[int]] = {}
    try:
        for index, key in enumerate(("in", "out")):
            for series in _query(session, address, queries[key], at):
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


def _query(session: Any, address: str, query: str, at: dt.datetime) -> Sequence[Mapping[str, Any]]:
    *others, last = _PATHS
    for path in others:
        try:
            return _query_at(session, f"{address.rstrip('/')}{path}", query, at)
        except urllib.error.HTTPError as error:
            error.close()  # the error is also the reply, and keeps its socket
            if error.code not in _MISSING:
                raise
    return _query_at(session, f"{address.rstrip('/')}{last}", query, at)


def _query_at(session: Any, url: str, query: str, at: dt.datetime) -> Sequence[Mapping[str, Any]]:
    body = urllib.parse.urlencode({"query": query, "time": int(at.timestamp())})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest(method="POST", url=url, data=body, headers=headers)
    SigV4Auth(session.get_credentials(), "monitoring", session.region_name).add_auth(request)
    sent = urllib.request.Request(url, data=body.encode(), headers=dict(request.headers), method="POST")
    with urllib.request.urlopen(sent, timeout=_TIMEOUT_SECONDS) as reply:
        answer = json.load(reply)
    if answer["status"] != "success":
        raise ValueError(answer.get("error", "no success"))
    found: Sequence[Mapping[str, Any]] = answer["data"]["result"]
    return found


def _packs(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for first in range(0, len(names), size):
        yield names[first : first + size]
