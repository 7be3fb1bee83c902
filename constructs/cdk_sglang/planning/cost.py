"""What an endpoint costs, whatever types its instances are of; what is uncertain about a price; and the budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_sglang.errors import Problem
from cdk_sglang.hardware import MAX_AGE_DAYS
from cdk_sglang.planning.fleet_plan import Range, TypeCost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdk_sglang.hardware import GpuInstance, Price
    from cdk_sglang.planning.fleet_plan import EndpointPlan
    from cdk_sglang.planning.fleet_request import EndpointRequest, FleetRequest
    from cdk_sglang.planning.layouts import Room

POOLS_MEAN = (
    "a pool may come as any mix of its types: min is the cheapest type's, typical the first's, max as many instances as the type with the "
    "least room needs, each at the price of the dearest"
)
"""What the costs of a pool are, for those who read a table."""


BUDGET = "budget_usd_per_hour"
"""Path of what is wrong with a budget, in an environment and of an endpoint of the library."""


def costs_by_type(
    endpoint: EndpointRequest,
    room: Room,
    *,
    copies: Sequence[Mapping[str, int]],
    prices: Mapping[str, Price | None],
) -> tuple[TypeCost, ...]:
    """Return what an endpoint takes on each of its types.

    Args:
        endpoint: The endpoint.
        room: Where its copies go.
        copies: Fewest, typical and most of each component.
        prices: By type.
    """
    costs = []
    for instance in endpoint.instances:
        low, typical, high = (max(endpoint.min_instances, len(room.layouts(some, instance))) for some in copies)
        price = prices[instance.name]
        each = None if price is None else price.usd_per_hour
        costs.append(
            TypeCost(
                instance=instance.name,
                instances=Range(low=low, typical=typical, high=high),
                price=price,
                usd_per_hour=None if each is None else Range(low=low * each, typical=typical * each, high=high * each),
            )
        )
    return tuple(costs)


def instances_of(types: Sequence[TypeCost]) -> Range:
    """Return fewest instances on any type, typical on the first, and most on any."""
    counts = [one.instances for one in types]
    return Range(
        low=min(count.low for count in counts),
        typical=counts[0].typical,
        high=max(count.high for count in counts),
    )


def usd_of(types: Sequence[TypeCost]) -> Range | None:
    """Return dollars per hour; None where a type has no price, since then nothing bounds them.

    A pool's instances may be of any mix of its types, each taken where the ones before have no capacity. An instance comes only
    where a copy has no room on those there are, so there are never more than the least roomy type needs, and none costs more than
    the dearest: the high end holds for every mix, and may lie above what all instances of one type cost.
    """
    costs = [one.usd_per_hour for one in types if one.usd_per_hour is not None]
    dearest = dearest_usd(types)
    if dearest is None:
        return None
    return Range(
        low=min(cost.low for cost in costs),
        typical=costs[0].typical,
        high=instances_of(types).high * dearest,
    )


def dearest_usd(types: Sequence[TypeCost]) -> float | None:
    """Return the price of the dearest type; None where one has no price."""
    known = [one.price.usd_per_hour for one in types if one.price is not None]
    return max(known) if len(known) == len(types) else None


def total_usd(endpoints: Sequence[EndpointPlan]) -> Range | None:
    """Return what all endpoints cost together; None where one has no price."""
    costs = [endpoint.usd_per_hour for endpoint in endpoints if endpoint.usd_per_hour is not None]
    if not costs or len(costs) < len(endpoints):
        return None
    return Range(
        low=sum(cost.low for cost in costs),
        typical=sum(cost.typical for cost in costs),
        high=sum(cost.high for cost in costs),
    )


def budget_problems(request: FleetRequest, endpoints: Sequence[EndpointPlan], total: Range | None) -> list[Problem]:
    """Say that a fleet may cost more than its budget, or that nobody can know."""
    budget = request.budget_usd_per_hour
    if budget is None or not endpoints:
        return []
    if total is None:
        unknown = {one.instance: None for endpoint in endpoints for one in endpoint.types if one.price is None}
        return [
            Problem(
                BUDGET,
                f"nothing holds the fleet to {budget:.2f} USD per hour, since no price of {', '.join(unknown)} is "
                f"known; give one with: cdk-sglang prices update --region {request.region}, use other types, or take the budget out",
            ),
        ]
    if total.high <= budget:
        return []
    parts = ", ".join(f"{endpoint.name} {_most(endpoint)}" for endpoint in endpoints)
    pools = any(len(endpoint.types) > 1 for endpoint in endpoints)
    return [
        Problem(
            BUDGET,
            f"the fleet costs up to {total.high:.2f} USD per hour ({parts}), {budget:.2f} allowed; raise the "
            f"budget, or lower max_copies or max_instances{', or take the dearest type out of a pool' if pools else ''}",
        ),
    ]


def _most(endpoint: EndpointPlan) -> str:
    """Return the most an endpoint costs; of a pool, with the type that decides it."""
    usd = endpoint.usd_per_hour
    assert usd is not None
    if len(endpoint.types) == 1:
        return f"{usd.high:.2f}"
    dearest = max(endpoint.types, key=lambda one: 0.0 if one.price is None else one.price.usd_per_hour)
    return f"{usd.high:.2f} as {endpoint.instances.high:g} x {dearest.instance}"


def price_warnings(
    *,
    request: FleetRequest,
    where: str,
    instance: GpuInstance,
    price: Price | None,
    warnings: list[str],
) -> None:
    """Add what is uncertain about the price of one of an endpoint's types to `warnings`."""
    if price is None:
        warnings.append(
            Problem(
                where,
                f"no price of {instance.name} is known; give one with: cdk-sglang prices update --region {request.region}",
            )
        )
        return
    if price.is_estimate:
        warnings.append(
            Problem(
                where,
                f"the price of {instance.name} in {request.region} is an estimate ({price.kind}, {price.region}, {price.date})",
            )
        )
    if request.today is not None and price.age_days(request.today) > MAX_AGE_DAYS:
        warnings.append(
            Problem(
                where,
                f"the price of {instance.name} is {price.age_days(request.today)} days old ({price.date}); refresh it with: "
                f"cdk-sglang prices update --region {request.region}",
            )
        )
