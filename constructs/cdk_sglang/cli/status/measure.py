"""What CloudWatch has measured for components: classic metrics, and SGLang's own metrics by PromQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cdk_sglang.cli.status.prometheus import NotMeasuredError
from cdk_sglang.metrics.classic import ClassicMetric, classic_metric
from cdk_sglang.metrics.promql import Place, gauge, mean, quantile, rate
from cdk_sglang.metrics.series import COMPONENT

if TYPE_CHECKING:
    from cdk_sglang.cli.status.prometheus import PromqlApi
    from cdk_sglang.observability.observed import ObservedComponent, ObservedEndpoint

K = TypeVar("K")
WINDOW: Final = "5m"
_WINDOW_SECONDS: Final = 300
_DAY_SECONDS: Final = 86_400
_QUERIES_MAX: Final = 500
"""Queries of one GetMetricData
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html, read 2026-11)."""
_AT_ONCE: Final = 8
_FAILURES: Final = ("Invocation5XXErrors", "MidStreamErrors")
_NO_CAPACITY: Final = "NoCapacityInvocationFailures"


@dataclass(frozen=True, kw_only=True)
class Promise:
    """The availability objective of a component.

    Attributes:
        objective: Share of requests that should succeed, 0 to 1.
        days: Days over which the objective is counted.
    """

    objective: float
    days: int


def promise_of(component: ObservedComponent) -> Promise | None:
    """Return the availability objective of a component; None if it has none."""
    slo = component.specification.slo
    values = {} if slo is None else slo.model_dump()
    percent = values.get("availability_percent")
    return None if percent is None else Promise(objective=percent / 100, days=int(values.get("window_days") or 30))


def engine_queries(endpoint_name: str) -> Mapping[str, tuple[str, float]]:
    """Return PromQL by component for the engine's figures: the field of `Measured`, its query, and the factor to its unit.

    Args:
        endpoint_name: Name of the endpoint in SageMaker.
    """
    place, labels = Place(endpoint=endpoint_name), (COMPONENT,)
    ttft, tpot = "time_to_first_token", "time_per_output_token"
    return {
        "ttft_mean_ms": (mean(ttft, place, window=WINDOW, labels=labels), 1000),
        "ttft_p99_ms": (quantile(0.99, ttft, place, window=WINDOW, labels=labels), 1000),
        "tpot_mean_ms": (mean(tpot, place, window=WINDOW, labels=labels), 1000),
        "tpot_p99_ms": (quantile(0.99, tpot, place, window=WINDOW, labels=labels), 1000),
        "output_tok_s": (rate("generation_tokens", place, window=WINDOW, labels=labels), 1),
        "kv_share_used": (gauge("kv_share_used", place, aggregate="max", labels=labels), 1),
        "queue": (gauge("queued_requests", place, labels=labels), 1),
    }


def engine_values(api: PromqlApi, endpoint_name: str) -> Mapping[str, Mapping[str, float]]:
    """Return the engine's figures of an endpoint: values of `Measured` by component and field.

    Args:
        api: CloudWatch's PromQL API.
        endpoint_name: Name of the endpoint in SageMaker.

    Raises:
        NotMeasuredError: There is nothing, and why.
    """
    queries = engine_queries(endpoint_name)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(lambda one: api.by_label(one[0], COMPONENT), queries.values()))
    found: dict[str, dict[str, float]] = {}
    for (name, (_, factor)), values in zip(queries.items(), answers, strict=True):
        for component, value in values.items():
            found.setdefault(component, {})[name] = value * factor
    if not found:
        raise NotMeasuredError("CloudWatch has no metrics of the engine")
    return found


class ClassicReader:
    """Reads classic metrics of many components with few calls.

    Args:
        cloudwatch: boto3's client of CloudWatch.
        now: Moment up to which data is read.
    """

    def __init__(self, cloudwatch: Any, now: dt.datetime) -> None:
        self._cloudwatch = cloudwatch
        self._now = now.replace(second=0, microsecond=0)

    def measured(self, endpoint: ObservedEndpoint) -> Mapping[str, Mapping[str, float]]:
        """Return values of `Measured` by component and field, of the last five whole minutes.

        Args:
            endpoint: The endpoint.
        """
        names = {
            "Invocations": "Sum",
            **dict.fromkeys(_FAILURES, "Sum"),
            "ConcurrentRequestsPerCopy": "Maximum",
            "ModelLatency": "p99",
        }
        begin = self._now - dt.timedelta(seconds=_WINDOW_SECONDS)
        metrics = {
            (component.component_name, name): classic_metric(
                name,
                Place(endpoint=endpoint.endpoint_name, component=component.component_name),
                statistic=statistic,
                period_seconds=60,
            )
            for component in endpoint.components
            for name, statistic in names.items()
        }
        values = self._read(metrics, begin)
        found: dict[str, dict[str, float]] = {}
        for component in endpoint.components:
            of = {name: values[component.component_name, name] for name in names}
            row = found.setdefault(component.component_name, {})
            if of["Invocations"]:
                requests = sum(of["Invocations"])
                row["requests_per_s"] = requests / _WINDOW_SECONDS
                if requests:
                    row["failed_share"] = min(1.0, sum(sum(of[name]) for name in _FAILURES) / requests)
            if of["ConcurrentRequestsPerCopy"]:
                row["concurrent_per_copy"] = max(of["ConcurrentRequestsPerCopy"])
            if of["ModelLatency"]:
                row["latency_p99_ms"] = max(of["ModelLatency"]) / 1000
        return found

    def budgets(self, endpoint: ObservedEndpoint) -> Mapping[str, float]:
        """Return the share of the error budget that is left, by component; components without objective or requests are left out.

        Failures are those of the alarms: answers of 5xx, broken streams and, where at least one copy always runs, requests without capacity.

        Args:
            endpoint: The endpoint.
        """
        left = {}
        for component in endpoint.components:
            promise = promise_of(component)
            if promise is None:
                continue
            failures = (*_FAILURES, _NO_CAPACITY) if component.resolved.copy_bounds[0] > 0 else _FAILURES
            place = Place(endpoint=endpoint.endpoint_name, component=component.component_name)
            values = self._read(
                {
                    name: classic_metric(name, place, statistic="Sum", period_seconds=_DAY_SECONDS)
                    for name in ("Invocations", *failures)
                },
                self._now - dt.timedelta(days=promise.days),
            )
            failed = sum(sum(values[name]) for name in failures)
            requests = max(sum(values["Invocations"]), failed)
            if requests:
                left[component.component_name] = 1 - failed / requests / (1 - promise.objective)
        return left

    def _read(self, metrics: Mapping[K, ClassicMetric | None], begin: dt.datetime) -> Mapping[K, list[float]]:
        """Return the values of each metric since a moment; none for a metric that AWS does not publish there."""
        values: dict[K, list[float]] = {key: [] for key in metrics}
        present = [(key, metric) for key, metric in metrics.items() if metric is not None]
        for start in range(0, len(present), _QUERIES_MAX):
            batch = present[start : start + _QUERIES_MAX]
            queries = [_query(f"m{number}", metric) for number, (_, metric) in enumerate(batch)]
            pages = self._cloudwatch.get_paginator("get_metric_data").paginate(
                MetricDataQueries=queries, StartTime=begin, EndTime=self._now
            )
            for page in pages:
                for result in page["MetricDataResults"]:
                    values[batch[int(result["Id"][1:])][0]] += result["Values"]
        return values


def _query(identifier: str, metric: ClassicMetric) -> dict[str, Any]:
    return {
        "Id": identifier,
        "MetricStat": {
            "Metric": {
                "Namespace": metric.metric.namespace,
                "MetricName": metric.metric.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions.items()],
            },
            "Period": metric.period_seconds,
            "Stat": metric.statistic,
        },
    }
