"""Metrics of emulated GPUs and of their hosts. No GPU is measured here: every value is a stand-in, and has the label `stand_in`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import psutil

from localcloud.aws.hosting.copies import Copy
from localcloud.aws.hosting.records import Component, Instance, gpus_of
from localcloud.aws.metrics import labels

Reading: TypeAlias = tuple[str, dict[str, str], float]
BUSY_PERCENT = 10.0
"""GPU utilisation per concurrent request of a copy: a stand-in."""
HELD_SHARE = 0.85
"""Share of its memory that a GPU with a running copy uses: a stand-in, about SGLang's own share."""
_IDLE_CELSIUS, _BUSY_CELSIUS = 35.0, 40.0
_GIB = 1024**3
# Memory per GPU in GiB: EC2 accelerated-computing page, read 2026-11.
_MEMORY_GIB = {
    "g4dn": 16, "g5": 24, "g6": 24, "g6e": 48, "g7": 32, "g7e": 96, "p4d": 40, "p4de": 80, "p5": 80, "p5e": 141, "p5en": 141,
    "p6-b200": 180, "p6-b300": 270, "p6e-gb200": 186,
}  # fmt: skip
_OTHER_GIB = 24


def memory_of(instance_type: str) -> float:
    """Memory of one GPU of an instance type, in bytes."""
    return float(_MEMORY_GIB.get(instance_type.removeprefix("ml.").partition(".")[0], _OTHER_GIB) * _GIB)


def busy_percent(copy: Copy) -> float:
    """Utilisation of a copy's GPUs in this period and the one before."""
    return min(100.0, BUSY_PERCENT * max(copy.busiest_before, copy.busiest, copy.peak, copy.outstanding))


def holders(instance: Instance, components: Sequence[Component]) -> list[tuple[Component, Copy] | None]:
    """Which copy has each GPU of an instance, None for a free one; copies keep their GPUs, in the order of their start."""
    copies = [
        (component, copy)
        for component in components
        for copy in component.copies
        if copy.instance_id == instance.id and copy.state != "stopped"
    ]
    found: list[tuple[Component, Copy] | None] = [None] * gpus_of(instance.type)
    waiting: list[tuple[Component, Copy]] = []
    for component, copy in sorted(copies, key=lambda pair: pair[1].born):
        for index in copy.gpu_ids:
            found[index] = (component, copy)
        if not copy.gpu_ids:
            waiting.append((component, copy))
    for component, copy in waiting:
        free = [index for index, holder in enumerate(found) if holder is None]
        copy.gpu_ids = tuple(free[: copy.gpus])
        for index in copy.gpu_ids:
            found[index] = (component, copy)
    return found


def gpu_readings(instance: Instance, components: Sequence[Component]) -> Iterator[Reading]:
    """Readings of an instance's GPUs with the names of NVIDIA's DCGM exporter, marked with the component that has the GPU."""
    memory = memory_of(instance.type)
    for index, holder in enumerate(holders(instance, components)):
        own = {labels.GPU: str(index), labels.STAND_IN: "true"}
        busy = used = 0.0
        if holder is not None:
            component, copy = holder
            own |= {labels.COMPONENT: component.name, labels.CONTAINER: copy.id}
            if copy.state in ("healthy", "unhealthy"):
                busy, used = busy_percent(copy), HELD_SHARE * memory
        values = {
            "DCGM_FI_DEV_GPU_UTIL": busy,
            "DCGM_FI_DEV_MEM_COPY_UTIL": busy / 2,
            "DCGM_FI_DEV_FB_USED": used,
            "DCGM_FI_DEV_FB_FREE": memory - used,
            "DCGM_FI_DEV_GPU_TEMP": _IDLE_CELSIUS + _BUSY_CELSIUS * busy / 100,
            "DCGM_FI_DEV_MEMORY_TEMP": _IDLE_CELSIUS + _BUSY_CELSIUS * busy / 100,
        }
        for name, value in values.items():
            yield name, own, value


def host_readings() -> Iterator[Reading]:
    """Readings of a host, with the names of Prometheus' node exporter: this machine's, for every emulated instance."""
    memory, disk = psutil.virtual_memory(), psutil.disk_usage("/")
    values = {
        "node_memory_MemTotal_bytes": memory.total,
        "node_memory_MemAvailable_bytes": memory.available,
        "node_filesystem_size_bytes": disk.total,
        "node_filesystem_avail_bytes": disk.free,
    }
    for name, value in values.items():
        yield name, {labels.STAND_IN: "true"}, float(value)
    times = psutil.cpu_times()
    for mode in ("user", "system", "idle"):
        yield "node_cpu_seconds_total", {labels.STAND_IN: "true", "mode": mode}, float(getattr(times, mode))
