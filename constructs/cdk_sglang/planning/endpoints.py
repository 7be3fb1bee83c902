"""Instances of one endpoint: how many its copies need, what they cost, and whether updates have room."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cdk_sglang.errors import Problem
from cdk_sglang.planning.cost import costs_by_type, dearest_usd, instances_of, usd_of
from cdk_sglang.planning.fleet_plan import EndpointPlan
from cdk_sglang.planning.layouts import Room
from cdk_sglang.planning.packing import unusable_share
from cdk_sglang.planning.room import roll_problems, second_fleet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdk_sglang.hardware import Price
    from cdk_sglang.planning.fleet_plan import ComponentPlan
    from cdk_sglang.planning.fleet_request import EndpointRequest

SCALE_IN_TAIL_MINUTES = 25
"""From the last request to the end of an instance: about 25 minutes without IDLE_RELEASE (field report, stdapi.ai#43)."""


def pack_endpoint(
    *,
    endpoint: EndpointRequest,
    plans: list[ComponentPlan],
    prices: Mapping[str, Price | None],
    where: str,
    problems: list[Problem],
    warnings: list[str],
) -> EndpointPlan:
    """Return the plan of an endpoint; layouts are those of its first type, costs those of all.

    Args:
        endpoint: The endpoint.
        plans: Those of its components.
        prices: By type, where known.
        where: Of the endpoint, for messages.
        problems: Gets what speaks against deploying it.
        warnings: Gets what is to be known.
    """
    first = endpoint.instances[0]
    room = Room(endpoint, plans)
    least = {c.name: c.min_copies for c in endpoint.components}
    most = {c.name: max(c.min_copies, c.max_copies) for c in endpoint.components}
    middle = {name: math.ceil((least[name] + most[name]) / 2) for name in least}
    layouts = room.layouts(most, first)
    types = costs_by_type(endpoint, room, copies=(least, middle, most), prices=prices)
    too_few = _count_problems(endpoint, room, least=least, most=most, where=where)
    problems += too_few
    if not too_few:
        problems += roll_problems(endpoint, room, least=least, most=most, where=where, warnings=warnings)
    refused, notes = second_fleet(endpoint, types=types, where=where, warnings=warnings)
    problems += refused
    extra = room.layouts({name: copies + 1 for name, copies in most.items()}, first)
    dearest = dearest_usd(types)
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
        scale_in_tail_usd=None if dearest is None else dearest * SCALE_IN_TAIL_MINUTES / 60,
        notes=tuple(notes),
    )


def _count_problems(
    endpoint: EndpointRequest, room: Room, *, least: Mapping[str, int], most: Mapping[str, int], where: str
) -> list[Problem]:
    limit = endpoint.max_instances
    if limit is None:
        return []
    path = f"{where}.capacity.max_instances"
    fewest, instance = room.needed(least)
    fewest = max(fewest, endpoint.min_instances)
    if fewest > limit:
        return [
            Problem(
                path,
                f"{fewest} instances{_of(endpoint, instance.name)} are needed for the minimum copies, {limit} allowed; raise it, or "
                f"lower min_copies, or use an instance with more than {instance.gpu_count} GPUs",
            ),
        ]
    needed, instance = room.needed(most)
    if needed > limit:
        return [
            Problem(
                path,
                f"{needed} instances{_of(endpoint, instance.name)} are needed for the maximum copies, {limit} allowed; raise it to "
                f"{needed}, or lower max_copies",
            ),
        ]
    return []


def _of(endpoint: EndpointRequest, name: str) -> str:
    """Name the type where it is not the first: a pool may come as any of its types."""
    return "" if name == endpoint.instances[0].name else f" of {name}"
