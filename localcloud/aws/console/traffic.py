"""Current requests of each component: GetMetricData over the last minutes, with SageMaker's period of ten seconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from moto.cloudwatch.models import cloudwatch_backends

from localcloud.aws.clock import clock
from localcloud.aws.metrics import data

_PERIOD_S: Final = 10
_POINTS: Final = 30
_SERIES: Final = {
    "requests": ("Invocations", "Sum"),
    "p50_us": ("ModelLatency", "p50"),
    "p90_us": ("ModelLatency", "p90"),
    "client_errors": ("Invocation4XXErrors", "Sum"),
    "server_errors": ("Invocation5XXErrors", "Sum"),
    "refused": ("NoCapacityInvocationFailures", "Sum"),
}


def traffic(account: str, region: str, components: list[str]) -> dict[str, dict[str, Any]]:
    """Requests and latencies of components in the last five minutes.

    Args:
        account: Account id.
        region: Region.
        components: Names of inference components.

    Returns:
        By component: ``period_s``, and a list of values for each series, oldest first, None where nothing was published.
    """
    end = (clock().now() // _PERIOD_S) * _PERIOD_S
    published = cloudwatch_backends[account][region].metric_data
    known = (account, region, end, *components, id(published), len(published))
    found = _answered.get(known)
    if found is None:
        found = _ask(account, region, components, end)
        _answered.clear()
        _answered[known] = found
    return found


_answered: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
"""The last answer, by its arguments: pages ask every second, and data changes every ten seconds."""


def _ask(account: str, region: str, components: list[str], end: float) -> dict[str, dict[str, Any]]:
    start = end - _PERIOD_S * _POINTS
    queries = [
        {"Id": f"{name}__{index}", "MetricStat": _stat(component, metric, stat)}
        for index, component in enumerate(components)
        for name, (metric, stat) in _SERIES.items()
    ]
    since, until = (datetime.fromtimestamp(moment, UTC) for moment in (start, end))
    answers = data.answered(cloudwatch_backends[account][region], queries, since, until, "TimestampAscending")
    found = {str(answer["id"]): answer for answer in answers}
    return {
        component: {"period_s": _PERIOD_S} | {name: _values(found[f"{name}__{index}"], start) for name in _SERIES}
        for index, component in enumerate(components)
    }


def _stat(component: str, metric: str, stat: str) -> dict[str, Any]:
    dimensions = [{"Name": "InferenceComponentName", "Value": component}]
    named = {"Namespace": "AWS/SageMaker", "MetricName": metric, "Dimensions": dimensions}
    return {"Metric": named, "Period": _PERIOD_S, "Stat": stat}


def _values(answer: dict[str, Any], start: float) -> list[float | None]:
    stamps = (moment.replace(tzinfo=UTC).timestamp() for moment in answer["timestamps"])
    known = dict(zip(stamps, answer["values"], strict=True))
    return [known.get(start + _PERIOD_S * index) for index in range(_POINTS)]
