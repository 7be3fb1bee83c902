"""Resources other than GPUs that one copy of a component reserves on its instance."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from cdk_sglang.arguments import checked
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.tokens import OrToken
from cdk_sglang.validation import Spec

_HOST_SHARE: Final = 0.5
"""Share of an instance's cores and memory that its copies reserve together. GPUs decide the packing. A copy is not placed if it reserves more
cores or memory than the instance has left next to its own agents, and AWS does not publish how much those use."""

_MIB_PER_GIB: Final = 1024


class HostResources(Spec):
    """Host cores and memory that one copy reserves in addition to its GPUs."""

    _noun = "resources"

    # Minimums of ComputeResourceRequirements: botocore 1.44.5. The maximums are not limits of AWS: no instance has that much.
    cpu_cores: Annotated[float, Field(ge=0.25, le=1024), OrToken]
    """Host cores."""
    memory_mib: Annotated[int, Field(ge=128, le=8 * 1024 * 1024), OrToken]
    """Host memory in MiB (not GPU memory)."""

    @classmethod
    @checked()
    def share_of(cls, instance: GpuInstance, *, gpus: int) -> HostResources:
        """Return half of the cores and memory that go with `gpus` of the instance's GPUs.

        Args:
            instance: Instance type that the copy runs on.
            gpus: GPUs of the copy.
        """
        share = _HOST_SHARE * gpus / instance.gpu_count
        return cls(
            cpu_cores=max(1, int(instance.vcpus * share)), memory_mib=int(instance.memory_gib * _MIB_PER_GIB * share)
        )
