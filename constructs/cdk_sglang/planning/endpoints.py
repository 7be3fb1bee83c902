"""Instances of one endpoint: how many its copies need, what they cost, and whether there is room for updates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cdk_sglang.planning.cost import costs_by_type, highest_usd, instances_of, usd_of
from cdk_sglang.planning.fleet_plan import EndpointPlan
from cdk_sglang.planning.layouts import CopyNeeds, Room, count_problems
from cdk_sglang.planning.packing import unusable_share
from cdk_sglang.planning.room import roll_problems, second_fleet
from cdk_sglang.planning.splits import is_split_refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdk_sglang.errors import Problem
    from cdk_sglang.hardware import Price
    from cdk_sglang.planning.fleet_plan import ComponentPlan
    from cdk_sglang.planning.fleet_request import EndpointRequest

SCALE_IN_TAIL_MINUTES = 25
"""Time from the last request to the release of an instance: about 25 minutes without IDLE_RELEASE (field report, stdapi.ai#43)."""


def pack_endpoint(
    *,
    endpoint: EndpointRequest,
    plans: list[ComponentPlan],
    prices: Mapping[str, Price | None],
    where: str,
    problems: list[Problem],
    warnings: list[str],
) -> EndpointPlan:
    """Return the plan of an endpoint; layouts are for its first instance type, costs for all of them.

    Args:
        endpoint: The endpoint.
        plans: Plans of its components.
        prices: Prices by instance type, where known.
        where: Path of the endpoint, for messages.
        problems: Receives the problems that prevent its deployment.
        warnings: Receives its warnings.
    """
    first = endpoint.instances[0]
    room = Room(endpoint.instances, _needs(endpoint, plans))
    least, most = room.least, room.most
    middle = {name: math.ceil((least[name] + most[name]) / 2) for name in least}
    layouts = room.layouts(most, first)
    types = costs_by_type(endpoint, room, copies=(least, middle, most), prices=prices)
    is_refused = any(is_split_refused(component, endpoint.instances) for component in endpoint.components)
    too_few = []
    if not is_refused:  # a different split needs a different number of GPUs
        too_few = count_problems(
            room, min_instances=endpoint.min_instances, max_instances=endpoint.max_instances, where=where
        )
    problems += too_few
    if not too_few and not is_refused:
        problems += roll_problems(endpoint, room, least=least, most=most, where=where, warnings=warnings)
    refused, notes = second_fleet(endpoint, types=types, where=where, warnings=warnings)
    problems += refused
    extra = room.layouts({name: copies + 1 for name, copies in most.items()}, first)
    highest = highest_usd(types)
    return EndpointPlan(
        name=endpoint.name,
        instance=first.name,
        gpus_per_instance=first.gpu_count,
        components=tuple(plans),
        types=types,
        instances=instances_of(types),
        layouts=layouts,
        fragmentation=unusable_share(layouts, min((plan.gpus for plan in plans), default=1)),
        update_room=len(extra) <= len(layouts),
        price=prices[first.name],
        usd_per_hour=usd_of(types),
        scale_in_tail_usd=None if highest is None else highest * SCALE_IN_TAIL_MINUTES / 60,
        notes=tuple(notes),
    )


def _needs(endpoint: EndpointRequest, plans: list[ComponentPlan]) -> Iterator[CopyNeeds]:
    for component, plan in zip(endpoint.components, plans, strict=True):
        yield CopyNeeds(
            name=component.name,
            gpus_by_type=plan.gpus_by_type,
            min_copies=component.min_copies,
            max_copies=component.max_copies,
            host_memory_gib=component.host_memory_gib,
            vcpus=component.vcpus,
        )
    yield from endpoint.others
