"""Places copies on instances: GPUs, host memory and CPU cores, largest first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdk_sglang.hardware import GpuInstance


@dataclass(frozen=True, kw_only=True)
class Need:
    """Resources of an instance that one copy takes."""

    name: str
    gpus: int
    host_memory_gib: float = 0.0
    vcpus: float = 0.0


@dataclass
class _Host:
    gpus: list[str] = field(default_factory=list)
    memory_gib: float = 0.0
    vcpus: float = 0.0


def pack(needs: Iterable[Need], instance: GpuInstance) -> tuple[tuple[str, ...], ...]:
    """Return the instances that the copies need: for each instance, the component on each GPU (empty string: unused).

    Copies are placed, largest first, on the first instance with room, as SageMaker's binpacking does; a copy never spans two instances.
    """
    hosts: list[_Host] = []
    for need in sorted(needs, key=lambda n: (-n.gpus, -n.host_memory_gib, n.name)):
        if need.gpus > instance.gpu_count or need.host_memory_gib > instance.memory_gib or need.vcpus > instance.vcpus:
            continue
        for host in hosts:
            if _fits(host, need, instance):
                break
        else:
            host = _Host()
            hosts.append(host)
        host.gpus += [need.name] * need.gpus
        host.memory_gib += need.host_memory_gib
        host.vcpus += need.vcpus
    return tuple((*host.gpus, *([""] * (instance.gpu_count - len(host.gpus)))) for host in hosts)


def _fits(host: _Host, need: Need, instance: GpuInstance) -> bool:
    return (
        len(host.gpus) + need.gpus <= instance.gpu_count
        and host.memory_gib + need.host_memory_gib <= instance.memory_gib
        and host.vcpus + need.vcpus <= instance.vcpus
    )


def unusable_share(layouts: tuple[tuple[str, ...], ...], smallest_copy: int) -> float:
    """Return the share of GPUs left unused because fewer are free on their instance than the smallest copy needs."""
    total = sum(map(len, layouts))
    lost = sum(free for layout in layouts if 0 < (free := layout.count("")) < smallest_copy)
    return lost / total if total else 0.0
