"""Classic CloudWatch metrics of endpoints and inference components, with the names and dimensions of SageMaker (monitoring-cloudwatch page).

Not published: OverheadLatency, ModelSetupTime and the FirstChunk metrics, which the emulation does not measure.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from localcloud.aws.clock import clock
from localcloud.aws.hosting.copies import Copy
from localcloud.aws.hosting.records import Component
from localcloud.aws.hosting.store import LOCK, Store, stores
from localcloud.aws.metrics import alarms, utilisation
from localcloud.aws.metrics.points import metric_of
from localcloud.aws.metrics.utilisation import put

PERIOD_S = 10
"""Seconds per data point of SageMaker's high-resolution metrics; here, of every invocation metric."""
_NAMESPACE = "AWS/SageMaker"
_OF_COMPONENTS = ("NoCapacityInvocationFailures",)
"""Counts that have only the component as dimension."""
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
            for endpoint in state.endpoints.values():
                utilisation.publish(state, endpoint)


def _publish(state: Store, component: Component) -> None:
    healthy = [copy for copy in component.copies if copy.state in ("healthy", "unhealthy")]
    counts, component.counts = component.counts, {}
    latencies, component.latencies_us = component.latencies_us, []
    if healthy:
        counts = {"Invocations": 0, "NoCapacityInvocationFailures": 0} | counts
    named = {"InferenceComponentName": component.name}
    variant = {"EndpointName": component.data["EndpointName"], "VariantName": component.data["VariantName"]}
    _put(state, named, counts, latencies)
    _put(state, variant, {name: count for name, count in counts.items() if name not in _OF_COMPONENTS}, latencies)
    if not healthy:
        return
    invocations = counts["Invocations"]
    put(state, _NAMESPACE, named, {"InvocationsPerCopy": invocations / len(healthy)}, "None")
    peaks = [_peak(copy) for copy in healthy]
    for dimensions in (named, variant):
        put(state, _NAMESPACE, dimensions, {"ConcurrentRequestsPerCopy": peaks}, "None")
    put(state, _NAMESPACE, variant, {"ConcurrentRequestsPerModel": sum(peaks)}, "None")
    _publish_instances(state, component, variant, invocations)


def _publish_instances(state: Store, component: Component, variant: dict[str, str], invocations: int) -> None:
    """Publish per instance type, and with enhanced metrics per instance and container."""
    endpoint = state.endpoints[component.data["EndpointName"]]
    instances = {instance.id: instance for instance in endpoint.instances.get(component.data["VariantName"], [])}
    enhanced = utilisation.is_enhanced(state.config_of(endpoint))
    if instances:
        values = {"InvocationsPerInstance": invocations / len(instances)}
        put(state, _NAMESPACE, variant, values, "None")
        for kind in {instance.type for instance in instances.values()}:
            put(state, _NAMESPACE, variant | {"InstanceType": kind}, values, "None")
    for copy in component.copies:
        instance = instances.get(copy.instance_id)
        counts, copy.counts = {"Invocations": 0} | copy.counts, {}
        latencies, copy.latencies_us = copy.latencies_us, []
        if instance is None:
            continue
        typed = variant | {"InstanceType": instance.type}
        _put(state, typed, counts, latencies)
        if enhanced:
            _put(state, typed | {"InstanceId": instance.id}, counts, latencies)
            one = {"InferenceComponentName": component.name, "InstanceId": instance.id, "ContainerId": copy.id}
            _put(state, one, counts, latencies)


def _put(state: Store, dimensions: dict[str, str], counts: dict[str, int], latencies_us: list[float]) -> None:
    put(state, _NAMESPACE, dimensions, counts, "None")
    if latencies_us:
        put(state, _NAMESPACE, dimensions, {"ModelLatency": latencies_us}, "Microseconds")


def _peak(copy: Copy) -> float:
    """Maximum concurrent requests of a copy since the last call, which resets it."""
    peak = max(copy.peak, copy.outstanding)
    copy.busiest, copy.peak = max(copy.busiest, peak), copy.outstanding
    return float(peak)


def _forget(state: Store) -> None:
    """Drop points older than three hours, CloudWatch's retention for periods below a minute, so that they do not accumulate.

    On AWS longer periods are kept for days; here, the points that an alarm reads are kept unchanged.
    """
    backend = cloudwatch_backends[state.account][state.region]
    kept, now = alarms.looks_back(state), clock().now()
    own = (_NAMESPACE, utilisation.ENDPOINTS, utilisation.COMPONENTS)
    young = datetime.fromtimestamp(now - _KEPT_S, UTC).replace(tzinfo=None)

    def is_kept(datum: Any) -> bool:
        stamp = datum.timestamp
        is_young = stamp.tzinfo is None and stamp >= young  # so are nearly all of hours of points, every ten minutes
        if is_young or datum.namespace not in own:
            return True
        age: float = now - stamp.replace(tzinfo=UTC).timestamp()
        return age <= _KEPT_S or age <= kept.get(metric_of(datum.namespace, datum.name, datum.dimensions), 0.0)

    backend.metric_data = [datum for datum in backend.metric_data if is_kept(datum)]
