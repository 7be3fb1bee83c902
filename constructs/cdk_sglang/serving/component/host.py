"""Host memory of a copy on the instance types that it may run on."""

from __future__ import annotations

from collections.abc import Iterable

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.spec.resources import HostResources


def least_memory_mib(instances: Iterable[GpuInstance], resources: HostResources | None, *, gpus: int) -> int:
    """Return the host memory in MiB of a copy with `gpus` GPUs on the type that has least; the reservation itself if it is specified."""
    if resources is not None:
        return resources.memory_mib
    return min(HostResources.share_of(instance, gpus=gpus).memory_mib for instance in instances)
