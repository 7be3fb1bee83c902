"""Utilisation of instances and of components, with the names and dimensions of SageMaker.

GPU figures are stand-ins (see `gpus`). CPU and memory of a copy with a process are those of the process; CPU, memory and disk of an
instance are this machine's, for every emulated instance. CPUReservation and MemoryReservation are not published: the numbers of
cores and the memory of instance types are not known here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psutil
from moto.cloudwatch.models import cloudwatch_backends

from localcloud.aws.clock import clock
from localcloud.aws.hosting.copies import Copy, ProcessCopy
from localcloud.aws.hosting.records import Component, Endpoint, Instance, gpus_of
from localcloud.aws.hosting.store import Store
from localcloud.aws.metrics.gpus import BUSY_PERCENT, HELD_SHARE, holders

ENDPOINTS: Final = "/aws/sagemaker/Endpoints"
COMPONENTS: Final = "/aws/sagemaker/InferenceComponents"
_PERIOD_S = 60.0
"""Default of MetricPublishFrequencyInSeconds."""
_ROUNDING_S = 0.001
_NO_PROCESS_PERCENT = {"CPUUtilizationNormalized": 5.0, "MemoryUtilizationNormalized": 10.0}
"""Values of copies without a process: stand-ins."""


def publish(state: Store, endpoint: Endpoint) -> None:
    """Publish how the instances and components of an endpoint are used, if its interval is over and it has instances."""
    name, config = endpoint.data["EndpointName"], state.config_of(endpoint).get("MetricsConfig", {})
    period = float(config.get("MetricPublishFrequencyInSeconds", _PERIOD_S))
    now = clock().now()
    if now - state.last_utilisation.get(name, 0.0) < period - _ROUNDING_S:
        return
    state.last_utilisation[name] = now
    components = [c for c in state.components.values() if c.data["EndpointName"] == name and not c.base]
    enhanced = bool(config.get("EnableEnhancedMetrics", False))
    for variant, instances in endpoint.instances.items():
        for instance in instances:
            if instance.ready_at <= now and gpus_of(instance.type):
                _instance(
                    state, {"EndpointName": name, "VariantName": variant}, instance, components, enhanced=enhanced
                )
    for component in components:
        for copy in component.copies:
            copy.busiest_before, copy.busiest = copy.busiest, copy.outstanding


def is_enhanced(config: Mapping[str, Any]) -> bool:
    """Whether an endpoint configuration has enhanced metrics, which is off by default."""
    return bool(config.get("MetricsConfig", {}).get("EnableEnhancedMetrics", False))


def put(
    state: Store,
    namespace: str,
    dimensions: Mapping[str, str],
    values: Mapping[str, float | Sequence[float]],
    unit: str,
) -> None:
    """Publish values, each a number or several, with one set of dimensions."""
    named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    points = [
        {"MetricName": name, "Dimensions": named, "Values": _several(value), "Unit": unit, "Timestamp": clock().utc()}
        for name, value in values.items()
    ]
    if points:
        cloudwatch_backends[state.account][state.region].put_metric_data(namespace, points)


def _several(value: float | Sequence[float]) -> list[float]:
    return [float(value)] if isinstance(value, int | float) else [float(one) for one in value]


def _busy(copy: Copy) -> float:
    return min(100.0, BUSY_PERCENT * copy.busiest)


def _is_running(copy: Copy) -> bool:
    return copy.state in ("healthy", "unhealthy")


def _instance(
    state: Store, variant: dict[str, str], instance: Instance, components: Sequence[Component], *, enhanced: bool
) -> None:
    gpus = holders(instance, components)
    busy = [_busy(holder[1]) if holder else 0.0 for holder in gpus]
    held = [100 * HELD_SHARE if holder and _is_running(holder[1]) else 0.0 for holder in gpus]
    values = _gpu(busy, held) | {
        "GPUReservation": 100 * sum(holder is not None for holder in gpus) / len(gpus),
        "GPUUtilization": sum(busy),
        "GPUMemoryUtilization": sum(held),
        **_machine(),
    }
    typed = variant | {"InstanceType": instance.type}
    one = typed | {"InstanceId": instance.id}
    for dimensions in (variant, typed, *([one] if enhanced else [])):
        put(state, ENDPOINTS, dimensions, values, "Percent")
    for index in range(len(gpus) if enhanced else 0):
        own = _gpu([busy[index]], [held[index]]) | {"GPUUtilization": busy[index], "GPUMemoryUtilization": held[index]}
        put(state, ENDPOINTS, one | {"AcceleratorId": str(index)}, own, "Percent")
    _copies(state, instance, gpus, busy, held, enhanced=enhanced)


def _copies(
    state: Store,
    instance: Instance,
    gpus: Sequence[tuple[Component, Copy] | None],
    busy: Sequence[float],
    held: Sequence[float],
    *,
    enhanced: bool,
) -> None:
    present = {holder[1].id: holder for holder in gpus if holder}
    for component, copy in present.values():
        mine = [index for index, holder in enumerate(gpus) if holder and holder[1] is copy]
        values = _gpu([busy[i] for i in mine], [held[i] for i in mine]) | _process(copy)
        named = {"InferenceComponentName": component.name}
        one = named | {"InstanceId": instance.id, "ContainerId": copy.id}
        for dimensions in (named, named | {"InstanceType": instance.type}, *([one] if enhanced else [])):
            put(state, COMPONENTS, dimensions, values, "Percent")
        for index in mine if enhanced else ():
            put(state, COMPONENTS, one | {"AcceleratorId": str(index)}, _gpu([busy[index]], [held[index]]), "Percent")


def _gpu(busy: Sequence[float], held: Sequence[float]) -> dict[str, float]:
    return {
        "GPUUtilizationNormalized": sum(busy) / len(busy),
        "GPUMemoryUtilizationNormalized": sum(held) / len(held),
    }


def _machine() -> dict[str, float]:
    share = psutil.cpu_percent()
    return {
        "CPUUtilization": share * (psutil.cpu_count() or 1),
        "CPUUtilizationNormalized": share,
        "MemoryUtilization": psutil.virtual_memory().percent,
        "DiskUtilization": psutil.disk_usage("/").percent,
    }


def _process(copy: Copy) -> dict[str, float]:
    """Use of CPU and memory by the process of a copy and its children, in percent of this machine."""
    pid = copy.pid if isinstance(copy, ProcessCopy) else None
    if pid is None:
        return dict(_NO_PROCESS_PERCENT)
    memory = seconds = 0.0
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                memory += process.memory_percent()
                seconds += sum(process.cpu_times()[:2])
    now, (before_at, before_s) = clock().now(), copy.cpu_before
    copy.cpu_before = (now, seconds)
    passed = (now - before_at) * (psutil.cpu_count() or 1)
    busy = max(0.0, min(100.0, 100 * (seconds - before_s) / passed)) if passed > 0 else 0.0
    return {"CPUUtilizationNormalized": busy, "MemoryUtilizationNormalized": min(100.0, memory)}
