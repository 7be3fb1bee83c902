"""Where a component fits: the splits over an instance's GPUs, and the nearest instance type that has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_sglang.hardware import GpuInstance, price_usd_per_hour
from cdk_sglang.planning.memory import memory_of, split_problems

if TYPE_CHECKING:
    from cdk_sglang.hardware import PriceTable
    from cdk_sglang.planning.fleet_request import ComponentRequest
    from cdk_sglang.planning.parallel import Parallelism

SIZES = (1, 2, 4, 8)


def fitting_splits(component: ComponentRequest, instance: GpuInstance, context: float) -> list[Parallelism]:
    """Return the tensor-parallel sizes at which one request of `context` tokens fits and the engine starts."""
    fits = []
    for size in SIZES:
        if size * component.pp_size > instance.gpu_count:
            break
        if size % component.attention_dp:
            continue
        split = component.split(size * component.pp_size)
        if split_problems(component.facts.architecture, instance.gpu, split):
            continue
        memory = memory_of(component, instance.gpu, split)
        if memory.cache_gib > 0 and memory.shortfall_gib(context) <= 0:
            fits.append(split)
    return fits


def nearest_fit(component: ComponentRequest, context: float, region: str, prices: PriceTable | None) -> str:
    """Return the cheapest instance type and tp_size on which the component fits, in words; empty when none does."""
    found: list[tuple[float, int, str]] = []
    for instance in GpuInstance.all():
        splits = fitting_splits(component, instance, context)
        price = price_usd_per_hour(instance, region, table=prices)
        if splits and price is not None:
            found.append((price.usd_per_hour, splits[0].tensor, instance.name))
    if not found:
        return ""
    _, size, name = min(found)
    return f"{name} with tp_size {size}"
