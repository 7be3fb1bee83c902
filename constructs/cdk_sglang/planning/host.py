"""What a copy takes of its instance beside the GPUs: host memory, and room on the local NVMe."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdk_sglang.errors import Problem
from cdk_sglang.planning.parallel import GIB

if TYPE_CHECKING:
    from cdk_sglang.hardware import GpuInstance
    from cdk_sglang.planning.fleet import ComponentRequest
    from cdk_sglang.planning.memory import MemoryPlan


@dataclass(frozen=True, kw_only=True)
class HostMemory:
    """Host memory of one copy, GiB, all its processes together. Python, CUDA and page cache are not counted.

    Args:
        reserved_gib: What the copy reserves of its instance.
        loading_gib: Buffers while weights are read, given back before the cache's tier is made; 0 where files are mapped into memory.
        cache_gib: The KV cache's tier in host memory.
        adapters_gib: LoRA adapters that SGLang keeps.
        cache_ratio: Where the tier is a multiple of the GPUs' KV cache, how many times it; None where its size is said.
    """

    reserved_gib: float
    loading_gib: float = 0.0
    cache_gib: float = 0.0
    adapters_gib: float = 0.0
    cache_ratio: float | None = None

    @property
    def needed_gib(self) -> float:
        """The most that is taken at once."""
        return max(self.loading_gib, self.cache_gib + self.adapters_gib)


@dataclass(frozen=True, kw_only=True)
class DiskUse:
    """The NVMe of one instance, GB (10^9 bytes), as full of a component's copies as its GPUs allow.

    Args:
        weights_gb: The model's files, which the copies on an instance share.
        cache_gb: What one copy's cache may write; None where nothing bounds it.
        copies: Copies on the instance.
        nvme_gb: What the instance has; 0 when it has none.
    """

    weights_gb: float
    cache_gb: float | None
    copies: int
    nvme_gb: float

    @property
    def needed_gb(self) -> float:
        """What is bound to be written when every copy's cache is full."""
        return self.weights_gb + self.copies * (self.cache_gb or 0.0)


def plan_host(component: ComponentRequest, memory: MemoryPlan, *, gpus: int) -> HostMemory | None:
    """Return a copy's host memory, with the size of a tier that is a multiple of what the GPUs hold.

    Args:
        component: The component.
        memory: What fits on each GPU.
        gpus: GPUs of the copy.
    """
    host = component.host
    if host is None or host.cache_ratio is None:
        return host
    return dataclasses.replace(host, cache_gib=host.cache_ratio * max(0.0, memory.cache_gib) * gpus)


def plan_disk(component: ComponentRequest, instance: GpuInstance, *, gpus: int) -> DiskUse | None:
    """Return what an instance full of a component's copies keeps on its NVMe; None on a type without.

    Args:
        component: The component.
        instance: The instance type.
        gpus: GPUs of a copy.
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
    """Return what a copy takes of its instance beside GPUs, in words."""
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
    """Say that a tier which is a multiple of the GPUs' cache is larger than what the copy reserves; a size in GB is a problem at synth."""
    if host is None or host.cache_ratio is None or host.needed_gib <= host.reserved_gib:
        return []
    beside = f" beside {host.adapters_gib:.1f} GiB of adapters" if host.adapters_gib else ""
    return [
        (
            Problem(
                f"{path}.server.hicache.ratio",
                f"{host.cache_ratio:g} times the cache of the GPUs is {host.cache_gib:.1f} GiB of host memory{beside}, and "
                f"the copy reserves {host.reserved_gib:.1f} GiB; leave the ratio out, or raise resources.memory_mib",
            )
        )
    ]
