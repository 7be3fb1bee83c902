"""What one copy of a component reserves of its instance besides GPUs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.serving.shared.tokens import is_token

_HOST_SHARE: Final = 0.5
"""Of an instance's cores and memory that its copies reserve together. GPUs decide the packing; a reservation of cores or memory
that the instance cannot grant beside its own agents would leave a copy unplaced, and AWS does not publish what those take."""

_MIB_PER_GIB: Final = 1024
_MIN_MEMORY_MIB: Final = 128  # ComputeResourceRequirements.MinMemoryRequiredInMb: botocore 1.44.5
_MIN_CPU_CORES: Final = 0.25  # ComputeResourceRequirements.NumberOfCpuCoresRequired: botocore 1.44.5


@checked_fields
@dataclass(frozen=True, kw_only=True)
class HostResources:
    """What one copy reserves of its instance besides GPUs.

    Args:
        cpu_cores: Cores; 0.25 or more.
        memory_mib: Host memory in MiB, not GPU memory; 128 or more.
    """

    cpu_cores: float
    memory_mib: int

    def __post_init__(self) -> None:
        problems = []
        if not self.cpu_cores >= _MIN_CPU_CORES and not is_token(self.cpu_cores):  # not >=: nan is refused too
            problems.append(
                Problem("resources.cpu_cores", f"{self.cpu_cores} is not allowed; use {_MIN_CPU_CORES} or more")
            )
        if self.memory_mib < _MIN_MEMORY_MIB and not is_token(self.memory_mib):
            problems.append(
                Problem("resources.memory_mib", f"{self.memory_mib} is not allowed; use {_MIN_MEMORY_MIB} or more")
            )
        if problems:
            raise ConfigurationError(problems)

    @staticmethod
    @checked()
    def share_of(instance: GpuInstance, *, gpus: int) -> HostResources:
        """Half of the cores and memory that go with so many of the instance's GPUs.

        Args:
            instance: Instance type that the copy runs on.
            gpus: GPUs of the copy.
        """
        share = _HOST_SHARE * gpus / instance.gpu_count
        return HostResources(
            cpu_cores=max(1, int(instance.vcpus * share)), memory_mib=int(instance.memory_gib * _MIB_PER_GIB * share)
        )


def least_memory_mib(instances: Iterable[GpuInstance], resources: HostResources | None, *, gpus: int) -> int:
    """Host memory of a copy of so many GPUs on the type that has least."""
    if resources is not None:
        return resources.memory_mib
    return min(HostResources.share_of(instance, gpus=gpus).memory_mib for instance in instances)
