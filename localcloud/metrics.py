"""CloudWatch metrics of components, under the names and dimensions SageMaker publishes (monitoring-cloudwatch page)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from localcloud.clock import clock
from localcloud.store import LOCK, Component, Store, stores

PERIOD_S = 10
"""High-resolution metrics have one point in 10 s; here all have."""
_NAMESPACE = "AWS/SageMaker"
_KEPT_S = 3 * 3600


def count(component: Component, metric: str) -> None:
    """One more of something."""
    with LOCK:
        component.counts[metric] = component.counts.get(metric, 0) + 1


def tick() -> None:
    """Publish what the last period brought."""
    with LOCK:
        for state in stores():
            if clock().now() - state.last_metrics >= PERIOD_S:
                state.last_metrics = clock().now()
                for component in state.components.values():
                    _publish(state, component)
                _forget(state)


def _publish(state: Store, component: Component) -> None:
    healthy = [copy for copy in component.copies if copy.state in ("healthy", "unhealthy")]
    counts, component.counts = component.counts, {}
    latencies, component.latencies_us = component.latencies_us, []
    data: list[tuple[str, list[float], str]] = [(name, [float(value)], "None") for name, value in counts.items()]
    if healthy:
        for name in ("Invocations", "NoCapacityInvocationFailures"):
            data += [(name, [0.0], "None")] if name not in counts else []
        data.append(("InvocationsPerCopy", [counts.get("Invocations", 0) / len(healthy)], "None"))
        peaks = []
        for copy in healthy:
            peaks.append(float(max(copy.peak, copy.outstanding)))
            copy.peak = copy.outstanding
        data.append(("ConcurrentRequestsPerCopy", peaks, "None"))
    if latencies:
        data.append(("ModelLatency", latencies, "Microseconds"))
    dimensions = (
        [{"Name": "InferenceComponentName", "Value": component.name}],
        [
            {"Name": "EndpointName", "Value": component.data["EndpointName"]},
            {"Name": "VariantName", "Value": component.data["VariantName"]},
        ],
    )
    now = datetime.fromtimestamp(clock().now(), UTC)
    points: list[dict[str, Any]] = [
        {"MetricName": name, "Dimensions": dims, "Values": values, "Unit": unit, "Timestamp": now}
        for name, values, unit in data
        for dims in dimensions
        if values
    ]
    if points:
        cloudwatch_backends[state.account][state.region].put_metric_data(_NAMESPACE, points)


def _forget(state: Store) -> None:
    """Points below a minute are kept for three hours (CloudWatch's retention); older ones would pile up here."""
    backend = cloudwatch_backends[state.account][state.region]
    oldest = datetime.fromtimestamp(clock().now() - _KEPT_S, UTC)
    backend.metric_data = [d for d in backend.metric_data if d.namespace != _NAMESPACE or d.timestamp > oldest]
