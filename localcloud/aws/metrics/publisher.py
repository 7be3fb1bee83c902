"""CloudWatch metrics of inference components, with the names and dimensions of SageMaker (monitoring-cloudwatch page)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from localcloud.aws.clock import clock
from localcloud.aws.hosting.records import Component, Endpoint, gpus_of
from localcloud.aws.hosting.store import LOCK, Store, stores

PERIOD_S = 10
"""Seconds per data point of SageMaker's high-resolution metrics; here, of every invocation metric."""
_UTILISATION_S = 60
"""Seconds per data point of utilisation: the default of MetricPublishFrequencyInSeconds."""
_NAMESPACE = "AWS/SageMaker"
_UTILISATION = ("/aws/sagemaker/Endpoints", "/aws/sagemaker/InferenceComponents")
_BUSY_PERCENT = 10.0
"""GPUUtilizationNormalized per concurrent request of a copy: a stand-in, since nobody measures a GPU here."""
_KEPT_S = 3 * 3600
_FORGET_S = 600


def tick() -> None:
    """Publish the metrics of the last period, once it is over."""
    with LOCK:
        for state in stores():
            if clock().now() - state.last_metrics >= PERIOD_S:
                state.last_metrics = clock().now()
                for component in state.components.values():
                    _publish(state, component)
            if clock().now() - state.last_forgotten >= _FORGET_S:
                state.last_forgotten = clock().now()
                _forget(state)
            if clock().now() - state.last_utilisation >= _UTILISATION_S:
                state.last_utilisation = clock().now()
                for endpoint in state.endpoints.values():
                    _publish_utilisation(state, endpoint)


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
            copy.busiest = max(copy.busiest, copy.peak, copy.outstanding)
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


def _publish_utilisation(state: Store, endpoint: Endpoint) -> None:
    """Publish which share of the GPUs copies reserve and how busy those were, while there are instances."""
    name = endpoint.data["EndpointName"]
    components = [c for c in state.components.values() if c.data["EndpointName"] == name and not c.base]
    for variant, instances in endpoint.instances.items():
        ready = {instance.id: gpus_of(instance.type) for instance in instances if instance.ready_at <= clock().now()}
        total = sum(ready.values())
        if not total:
            continue
        reserved = busy = 0.0
        for component in components:
            copies = [copy for copy in component.copies if copy.instance_id in ready and copy.state != "stopped"]
            shares = [min(100.0, _BUSY_PERCENT * copy.busiest) for copy in copies]
            reserved += sum(copy.gpus for copy in copies)
            busy += sum(copy.gpus * share for copy, share in zip(copies, shares, strict=True))
            for copy in copies:
                copy.busiest = copy.outstanding
            if copies:
                dimensions = {"InferenceComponentName": component.name}
                _put(state, _UTILISATION[1], dimensions, {"GPUUtilizationNormalized": sum(shares) / len(shares)})
        values = {"GPUReservation": 100 * reserved / total, "GPUUtilizationNormalized": busy / total}
        _put(state, _UTILISATION[0], {"EndpointName": name, "VariantName": variant}, values)


def _put(state: Store, namespace: str, dimensions: dict[str, str], percent: dict[str, float]) -> None:
    named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    points = [
        {"MetricName": name, "Dimensions": named, "Value": value, "Unit": "Percent", "Timestamp": clock().utc()}
        for name, value in percent.items()
    ]
    cloudwatch_backends[state.account][state.region].put_metric_data(namespace, points)


def _forget(state: Store) -> None:
    """Drop points older than three hours, CloudWatch's retention for periods below a minute, so that they do not pile up."""
    backend = cloudwatch_backends[state.account][state.region]
    oldest = datetime.fromtimestamp(clock().now() - _KEPT_S, UTC).replace(tzinfo=None)  # as moto keeps times
    backend.metric_data = [
        d for d in backend.metric_data if d.namespace not in (_NAMESPACE, *_UTILISATION) or d.timestamp > oldest
    ]
