"""Number of instances that an endpoint needs for its copies, and the layout of the copies on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cdk_sglang.errors import Problem
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.planning.packing import Need, pack


@dataclass(frozen=True, kw_only=True)
class CopyNeeds:
    """What a copy of one component takes of an instance, and the allowed numbers of copies.

    Args:
        name: Name of the component.
        gpus_by_type: GPUs of a copy by instance type.
        min_copies: Minimum number of copies.
        max_copies: Maximum number of copies.
        host_memory_gib: Host memory reserved per copy; 0 if none is reserved.
        vcpus: CPU cores reserved per copy; 0 if none is reserved.
    """

    name: str
    gpus_by_type: Mapping[str, int]
    min_copies: int
    max_copies: int
    host_memory_gib: float = 0.0
    vcpus: float = 0.0


class Room:
    """Computes how many instances an endpoint needs for given numbers of copies of its components.

    Args:
        instances: Instance types of the endpoint, most preferred first.
        needs: Needs of each component's copies.
    """

    def __init__(self, instances: Sequence[GpuInstance], needs: Iterable[CopyNeeds]) -> None:
        self.instances = instances
        self.needs = tuple(needs)
        self.least: dict[str, int] = {need.name: need.min_copies for need in self.needs}
        self.most: dict[str, int] = {need.name: max(need.min_copies, need.max_copies) for need in self.needs}

    def layouts(self, copies: Mapping[str, int], instance: GpuInstance) -> tuple[tuple[str, ...], ...]:
        """Return the layout of these copies on instances of one type, as `pack` computes it."""
        needs = [
            Need(
                name=need.name,
                gpus=need.gpus_by_type[instance.name],
                host_memory_gib=need.host_memory_gib,
                vcpus=need.vcpus,
            )
            for need in self.needs
            for _ in range(copies[need.name])
        ]
        return pack(needs, instance)

    def needed(self, copies: Mapping[str, int]) -> tuple[int, GpuInstance]:
        """Return the maximum number of instances that these copies need on any type, and the first type on which they need that many."""
        counts = [(len(self.layouts(copies, instance)), instance) for instance in self.instances]
        return max(counts, key=lambda count: count[0])


def least_instances(min_instances: int | None, least_copies: Iterable[int]) -> int:
    """Return the minimum number of instances: as specified, else 0 if every component may scale to zero, else 1.

    Args:
        min_instances: Minimum number of instances as specified; None if unspecified.
        least_copies: Minimum number of copies of each component.
    """
    return min(1, max(least_copies, default=1)) if min_instances is None else min_instances


def count_problems(room: Room, *, min_instances: int, max_instances: int | None, where: str) -> list[Problem]:
    """Return a problem if an endpoint's limits allow fewer instances than the copies of its components need.

    Args:
        room: Computes the instances that copies need.
        min_instances: Minimum number of instances of the endpoint.
        max_instances: Maximum number of instances of the endpoint; None for as many as the copies need.
        where: Path of the endpoint.
    """
    if max_instances is None:
        return []
    path = f"{where}.capacity.max_instances"
    fewest, instance = room.needed(room.least)
    fewest = max(fewest, min_instances)
    if fewest > max_instances:
        copies, lower = ("all copies", "copies") if room.least == room.most else ("the minimum copies", "min_copies")
        return [
            Problem(
                path,
                f"{fewest} instances{_of(room, instance)} are needed for {copies}, {max_instances} allowed; raise it to "
                f"{fewest}, lower {lower}, or use an instance with more than {instance.gpu_count} GPUs",
            ),
        ]
    if room.most == room.least:
        return []
    needed, instance = room.needed(room.most)
    if needed > max_instances:
        return [
            Problem(
                path,
                f"{needed} instances{_of(room, instance)} are needed for the maximum copies, {max_instances} allowed; raise it to "
                f"{needed}, or lower max_copies",
            ),
        ]
    return []


def _of(room: Room, instance: GpuInstance) -> str:
    """Return the instance type in words if it is not the first: a pool may get instances of any of its types."""
    return "" if instance.name == room.instances[0].name else f" of {instance.name}"
