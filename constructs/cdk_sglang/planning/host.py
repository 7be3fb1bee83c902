"""What a copy takes of its instance in addition to GPUs: host memory, and space on the local NVMe."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cdk_sglang.errors import Problem
from cdk_sglang.planning.fleet_plan import DiskUse
from cdk_sglang.planning.parallel import GIB

if TYPE_CHECKING:
    from cdk_sglang.hardware import GpuInstance
    from cdk_sglang.planning.fleet_request import ComponentRequest, HostMemory
    from cdk_sglang.planning.memory import MemoryPlan


def plan_host(component: ComponentRequest, memory: MemoryPlan, *, gpus: int) -> HostMemory | None:
    """Return a copy's host memory, including a cache tier whose size is a multiple of the GPUs' KV cache.

    Args:
        component: The component.
        memory: Memory plan of its GPUs.
        gpus: Number of GPUs of the copy.
    """
    host = component.host
    if host is None or host.cache_ratio is None:
        return host
    return dataclasses.replace(host, cache_gib=host.cache_ratio * max(0.0, memory.cache_gib) * gpus)


def plan_disk(component: ComponentRequest, instance: GpuInstance, *, gpus: int) -> DiskUse | None:
    """Return the NVMe use of an instance filled with a component's copies; None on a type without NVMe.

    Args:
        component: The component.
        instance: The instance type.
        gpus: Number of GPUs of a copy.
    """
    if instance.nvme_gb <= 0:
        return None
    return DiskUse(
        weights_gb=component.facts.weights_gib * GIB / 1e9,
        cache_gb=component.file_cache_gb,
        copies=max(1, min(instance.gpu_count // gpus, component.max_copies)),
        nvme_gb=instance.nvme_gb,
    )


def host_line(host: HostMemory, disk: DiskUse | None) -> str:
    """Return in words what a copy takes of its instance in addition to GPUs."""
    parts = {"cache": host.cache_gib, "adapters": host.adapters_gib, "buffers while loading": host.loading_gib}
    taken = "".join(f", {gib:,.1f} for {name}" for name, gib in parts.items() if gib)
    line = f"{host.reserved_gib:,.1f} GiB of host memory{taken}"
    if disk is None:
        return line
    files = ", cache files without a limit" if disk.cache_gb is None else ""
    if disk.cache_gb:
        files = f", {disk.copies} x {disk.cache_gb:,.0f} for cache files"
    return f"{line}; of the instance's {disk.nvme_gb:,.0f} GB of NVMe {disk.weights_gb:,.0f} for weights{files}"


def host_warnings(path: str, host: HostMemory | None) -> list[str]:
    """Return a warning if a tier that is a multiple of the GPUs' cache exceeds the copy's reserved memory; a size in GB is checked at synth."""
    if host is None or host.cache_ratio is None or host.needed_gib <= host.reserved_gib:
        return []
    beside = f" beside {host.adapters_gib:.1f} GiB of adapters" if host.adapters_gib else ""
    return [
        Problem(
            f"{path}.server.hicache.ratio",
            f"{host.cache_ratio:g} times the cache of the GPUs is {host.cache_gib:.1f} GiB of host memory{beside}, and "
            f"the copy reserves {host.reserved_gib:.1f} GiB; leave the ratio out, or raise resources.memory_mib",
        ),
    ]
