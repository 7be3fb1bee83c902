"""Which instances hold the copies of an endpoint's components, and how many they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.planning.fleet_plan import ComponentPlan
from cdk_sglang.planning.fleet_request import EndpointRequest
from cdk_sglang.planning.packing import Need, pack


class Room:
    """How many instances an endpoint needs for given copies of its components."""

    def __init__(self, endpoint: EndpointRequest, plans: Sequence[ComponentPlan]) -> None:
        """Take the GPUs of a copy from the plans of the components."""
        self._endpoint = endpoint
        self._gpus = {plan.name: plan.gpus_by_type for plan in plans}

    def layouts(self, copies: Mapping[str, int], instance: GpuInstance) -> tuple[tuple[str, ...], ...]:
        """Return the instances of one type that hold so many copies, as `pack` does."""
        needs = [
            Need(
                name=component.name,
                gpus=self._gpus[component.name][instance.name],
                host_memory_gib=component.host_memory_gib,
                vcpus=component.vcpus,
            )
            for component in self._endpoint.components
            for _ in range(copies[component.name])
        ]
        return pack(needs, instance)

    def needed(self, copies: Mapping[str, int]) -> tuple[int, GpuInstance]:
        """Return the most instances that so many copies need, and the type on which they do: the first of those that need as many."""
        counts = [(len(self.layouts(copies, instance)), instance) for instance in self._endpoint.instances]
        return max(counts, key=lambda count: count[0])
