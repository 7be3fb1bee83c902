"""Figures of single GPUs: use, memory, temperature, by instance and GPU."""

from __future__ import annotations

from typing import Final

from cdk_sglang.metrics.classic import Classic, place_dimensions, search, utilization_namespace
from cdk_sglang.metrics.cloudwatch import cloudwatch_metrics
from cdk_sglang.metrics.figures.figure import Figure, line
from cdk_sglang.metrics.promql import Place, gauge
from cdk_sglang.metrics.series import GPU, INSTANCE

EACH_GPU: Final = (INSTANCE, GPU)


def each_gpu(name: str, place: Place, *, statistic: str | None = None, period_seconds: int = 300) -> Classic | None:
    """Return a metric of each GPU of an endpoint or component as a SEARCH; None for a whole fleet. Needs enhanced metrics.

    Args:
        name: Name under which AWS publishes the metric, such as GPUUtilizationNormalized.
        place: Endpoint or component.
        statistic: Statistic; the metric's own by default.
        period_seconds: Length of a period.
    """
    values = place_dimensions(place)
    namespace = utilization_namespace(place)
    if values is None:
        return None
    dimensions = next(each for each in cloudwatch_metrics()[namespace, name].enhanced if "AcceleratorId" in each)
    expression = search(name, namespace, dimensions, values, statistic=statistic, period_seconds=period_seconds)
    return Classic(expression=expression, period_seconds=period_seconds, needs_enhanced=True)


def gpu_utilization(place: Place) -> Figure:
    """Return the use of each GPU, in percent."""
    return Figure(
        key="gpu_utilization",
        title="GPU use by instance and GPU",
        unit="percent",
        advice="One GPU far below its siblings: its copy is stuck or the GPU is faulty; see its log for XID, and replace the instance.",
        query=gauge("gpu_utilization", place, aggregate="avg", labels=EACH_GPU),
        classic=each_gpu("GPUUtilizationNormalized", place),
        labels=EACH_GPU,
    )


def gpu_memory_used(place: Place) -> Figure:
    """Return the share of each GPU's memory in use."""
    used = gauge("gpu_memory_used", place, labels=EACH_GPU)
    free = gauge("gpu_memory_free", place, labels=EACH_GPU)
    return Figure(
        key="gpu_memory_used",
        title="GPU memory in use by instance and GPU",
        unit="ratio",
        advice="Above 0.97: the next long prompt may run out of memory; lower mem_fraction_static. SGLang reserves its KV cache at start.",
        query=f"({used}) / (({used}) + ({free}))",
        classic=each_gpu("GPUMemoryUtilizationNormalized", place),
        bands=line("nearly full", 0.97),
        labels=EACH_GPU,
        note="The classic form is in percent.",
    )


def gpu_temperature(place: Place, *, slowdown_celsius: float | None = None) -> Figure:
    """Return the temperature of each GPU, in degrees Celsius.

    Args:
        place: Endpoint or component.
        slowdown_celsius: Temperature at which this GPU slows itself down; no line by default.
    """
    return Figure(
        key="gpu_temperature",
        title="Temperature by instance and GPU",
        unit="celsius",
        advice="Far above its siblings: the GPU slows itself down; replace the instance.",
        query=gauge("gpu_temperature", place, aggregate="max", labels=EACH_GPU),
        bands=line("slows itself down", slowdown_celsius),
        labels=EACH_GPU,
    )


def gpu_spread(place: Place) -> Figure:
    """Return the difference in use between the busiest and the idlest GPU of each instance."""
    busiest = gauge("gpu_utilization", place, aggregate="max", labels=(INSTANCE,))
    idlest = gauge("gpu_utilization", place, aggregate="min", labels=(INSTANCE,))
    return Figure(
        key="gpu_spread",
        title="Difference between GPUs of an instance",
        unit="percent",
        advice="Large on an instance with one copy: a GPU is slower than its siblings; see its log for XID, and replace the instance.",
        query=f"({busiest}) - ({idlest})",
        labels=(INSTANCE,),
    )
