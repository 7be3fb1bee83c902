"""Where a component fits: the splits over an instance's GPUs, and the cheapest instance type that has one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cdk_sglang.hardware import GpuInstance, price_usd_per_hour
from cdk_sglang.planning.memory import memory_of
from cdk_sglang.planning.refusals import split_problems

if TYPE_CHECKING:
    from cdk_sglang.hardware import Gpu, PriceTable
    from cdk_sglang.planning.fleet_request import ComponentRequest
    from cdk_sglang.planning.parallel import Parallelism

SIZES = (1, 2, 4, 8)


def fitting_splits(component: ComponentRequest, instance: GpuInstance, context: float) -> list[Parallelism]:
    """Return the tensor-parallel sizes at which one request of `context` tokens fits and the engine starts."""
    fits = []
    for size in SIZES:
        split = component.split_of(size)
        if split.gpus > instance.gpu_count:
            break
        if size % component.attention_dp:
            continue
        if holds(component, instance.gpu, split, context):
            fits.append(split)
    return fits


def holds(component: ComponentRequest, gpu: Gpu, split: Parallelism, context: float) -> bool:
    """Return whether the engine starts and one request of `context` tokens fits.

    Args:
        component: The component.
        gpu: Type of each GPU.
        split: How a copy is spread over GPUs.
        context: Tokens of the longest request that must fit.
    """
    if split_problems(component.facts.architecture, gpu, split, component.engine):
        return False
    memory = memory_of(component, gpu, split)
    return memory.cache_gib > 0 and memory.shortfall_gib(context) <= 0


def whole_instances(copies: int, instance: GpuInstance, gpus: int) -> int:
    """Return the number of whole instances that some copies take, which is what is billed.

    Args:
        copies: Number of copies; at least one is counted.
        instance: Instance type.
        gpus: GPUs of a copy.
    """
    return math.ceil(max(1, copies) / (instance.gpu_count // gpus))


def nearest_fit(component: ComponentRequest, context: float, region: str, prices: PriceTable | None) -> str:
    """Return in words the instance type and tp_size on which the minimum number of copies is cheapest; empty if it fits nowhere."""
    found: list[tuple[float, int, str]] = []
    for instance in GpuInstance.all():
        splits = fitting_splits(component, instance, context)
        price = price_usd_per_hour(instance, region, table=prices)
        if splits and price is not None:
            count = whole_instances(component.min_copies, instance, splits[0].gpus)
            found.append((count * price.usd_per_hour, splits[0].tensor, instance.name))
    if not found:
        return ""
    usd, size, name = min(found)
    return f"{name} with tp_size {size} ({usd:,.2f} $/h)"
