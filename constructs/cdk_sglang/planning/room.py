"""Room on an endpoint for its copies, and for those that an update starts before the old ones end.

A pool may get instances of any of its types, so the room is that of a fleet of only the type with the least room. That an update needs
room in addition to the serving copies is an assumption: AWS's sample shows it (two copies on two instances became three instances), but
no page documents it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_sglang.errors import Problem
from cdk_sglang.planning.cost import highest_usd, instances_of
from cdk_sglang.planning.layouts import Room

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdk_sglang.planning.fleet_plan import TypeCost
    from cdk_sglang.planning.fleet_request import EndpointRequest


def roll_problems(
    endpoint: EndpointRequest,
    room: Room,
    *,
    least: Mapping[str, int],
    most: Mapping[str, int],
    where: str,
    warnings: list[str],
) -> list[Problem]:
    """Report rolling updates of a component that have no room for one batch in addition to the serving copies.

    If there is no room even while every component has its minimum number of copies, an update can never start: a problem. If there is no
    room only while all have their maximum, it waits until there are fewer copies: a warning.
    """
    limit = endpoint.max_instances
    problems = []
    for component in endpoint.components if limit is not None else ():
        batch = component.rolling
        if batch is None:
            continue
        assert limit is not None
        few, many = max(least[component.name], 1), most[component.name]
        extra_few, extra_many = batch.in_one_step(few), batch.in_one_step(many)
        needed, instance = room.needed({**least, component.name: few + extra_few})
        path = f"{where}.components.{component.name}.rollout.max_batch"
        if needed > limit:
            problems.append(
                Problem(
                    path,
                    f"a rolling update starts {_copies(extra_few)} beside the {few} of {component.name} that serve at least, which "
                    f"takes {needed} instances of {instance.name}, max_instances {limit} allowed, so no update could ever start; raise "
                    f"max_instances by {needed - limit}{' or use a smaller batch' if extra_few > 1 else ''}",
                )
            )
            continue
        needed, instance = room.needed({**most, component.name: many + extra_many})
        if needed > limit:
            warnings.append(
                Problem(
                    path,
                    f"with all components at their most copies, a rolling update that starts {_copies(extra_many)} of {component.name} "
                    f"takes {needed} instances of {instance.name}, max_instances {limit} allowed: it waits until there are fewer copies, and "
                    f"fails when it waits too long; raise max_instances by {needed - limit}, use a smaller batch, or update at a quiet hour",
                )
            )
    return problems


def _copies(count: int) -> str:
    return "1 more copy" if count == 1 else f"{count} more copies"


def second_fleet(
    endpoint: EndpointRequest, *, types: Sequence[TypeCost], where: str, warnings: list[str]
) -> tuple[list[Problem], list[str]]:
    """Return what a blue/green update takes: problems if a reservation can never hold both fleets, and its cost.

    That a reservation has room for a second fleet if its instance count allows it is an assumption (docs/adr/0032-leaving-a-reservation.md).

    Args:
        endpoint: The endpoint.
        types: Instances and cost on each of its types.
        where: Path of the endpoint, for messages.
        warnings: Receives problems that occur only under some conditions.

    Returns:
        Problems and notes.
    """
    if endpoint.update == "rolling":
        return [], []
    instances = instances_of(types)
    low, high = max(int(instances.low), 1), max(int(instances.high), 1)
    count = endpoint.reserved_count
    if count is not None:
        least, most = (f"{n} + {n}" for n in (low, high))
        path = f"{where}.rollout"
        if endpoint.update == "blue_green" and 2 * low > count:
            return [
                Problem(
                    path,
                    f"blue/green starts a second fleet beside the first, {least} instances at least, and {count} are reserved; use "
                    "strategy: rolling with min_instances 2 or more, or reserve more",
                ),
            ], []
        if 2 * high > count:
            chosen = "blue/green" if endpoint.update else "an update without rollout, which is blue/green,"
            warnings.append(
                Problem(
                    path,
                    f"{chosen} starts a second fleet beside the first, up to {most} instances, and {count} are reserved: it fails "
                    "where the plan has no room; use strategy: rolling, or keep max_instances at half of the plan",
                )
            )
    if endpoint.update is None:
        return [], []
    more = str(low) if low == high else f"{low} to {high}"
    usd = ""
    highest = highest_usd(types)
    if highest is not None and count is None:
        least_usd = min(max(one.instances.low, 1) * one.price.usd_per_hour for one in types if one.price is not None)
        most_usd = high * highest
        usd = f", {most_usd:,.2f} USD" if least_usd == most_usd else f", {least_usd:,.2f} to {most_usd:,.2f} USD"
        usd += " per hour more"
    return [], [
        Problem(
            where,
            f"an update of the endpoint is blue/green: it needs {more} more {' or '.join(one.instance for one in types)} until the old fleet "
            f"ends{usd}, and the quota for twice as many",
        ),
    ]
