"""Which instances hold the copies of an endpoint's components, and how many they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cdk_sglang.errors import Problem
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.planning.packing import Need, pack


@dataclass(frozen=True, kw_only=True)
class CopyNeeds:
    """What a copy of one component takes of an instance, and how many copies there may be.

    Args:
        name: The component.
        gpus_by_type: GPUs of a copy by instance type.
        min_copies: Copies that always run.
        max_copies: Copies it may grow to.
        host_memory_gib: Host memory reserved per copy; 0 for none.
        vcpus: CPU cores reserved per copy; 0 for none.
    """

    name: str
    gpus_by_type: Mapping[str, int]
    min_copies: int
    max_copies: int
    host_memory_gib: float = 0.0
    vcpus: float = 0.0


class Room:
    """How many instances an endpoint needs for given copies of its components.

    Args:
        instances: Instance types of the endpoint, the most wanted first.
        needs: What the copies of each component take.
    """

    def __init__(self, instances: Sequence[GpuInstance], needs: Iterable[CopyNeeds]) -> None:
        self.instances = instances
        self.needs = tuple(needs)
        self.least: dict[str, int] = {need.name: need.min_copies for need in self.needs}
        self.most: dict[str, int] = {need.name: max(need.min_copies, need.max_copies) for need in self.needs}

    def layouts(self, copies: Mapping[str, int], instance: GpuInstance) -> tuple[tuple[str, ...], ...]:
        """Return the instances of one type that hold so many copies, as `pack` does."""
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
        """Return the most instances that so many copies need, and the type on which they do: the first of those that need as many."""
        counts = [(len(self.layouts(copies, instance)), instance) for instance in self.instances]
        return max(counts, key=lambda count: count[0])


def least_instances(min_instances: int | None, least_copies: Iterable[int]) -> int:
    """Return how many instances stay whatever the load: as specified, else 0 if every component may go to zero, else 1.

    Args:
        min_instances: Fewest instances as specified; None if unspecified.
        least_copies: Fewest copies of each component.
    """
    return min(1, max(least_copies, default=1)) if min_instances is None else min_instances


def count_problems(room: Room, *, min_instances: int, max_instances: int | None, where: str) -> list[Problem]:
    """Say that an endpoint may not have as many instances as the copies of its components need.

    Args:
        room: Where the copies go.
        min_instances: Fewest instances of the endpoint.
        max_instances: Most instances of the endpoint; None for as many as the copies need.
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
    """Name the type where it is not the first: a pool may come as any of its types."""
    return "" if instance.name == room.instances[0].name else f" of {instance.name}"
