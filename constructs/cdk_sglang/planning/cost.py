"""Cost of an endpoint over its instance types, warnings about uncertain prices, and checks of the budget."""

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
    "least room needs, each at the price of the most expensive"
)
"""Explanation of a pool's costs, shown below tables."""


BUDGET = "budget_usd_per_hour"
"""Path of budget problems, in an environment and for an endpoint of the library."""


def costs_by_type(
    endpoint: EndpointRequest,
    room: Room,
    *,
    copies: Sequence[Mapping[str, int]],
    prices: Mapping[str, Price | None],
) -> tuple[TypeCost, ...]:
    """Return the instances and the cost of an endpoint on each of its types.

    Args:
        endpoint: The endpoint.
        room: Places the endpoint's copies on instances.
        copies: Minimum, typical and maximum number of copies by component.
        prices: Prices by instance type.
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
    """Return the minimum number of instances on any type, the typical number on the first, and the maximum on any."""
    counts = [one.instances for one in types]
    return Range(
        low=min(count.low for count in counts),
        typical=counts[0].typical,
        high=max(count.high for count in counts),
    )


def usd_of(types: Sequence[TypeCost]) -> Range | None:
    """Return US dollars per hour; None if a type has no price, since the cost then has no bound.

    A pool may consist of any mix of its types: SageMaker tries the next type when the previous ones have no capacity. An instance is
    added only when a copy does not fit on the existing ones, so there are never more instances than the type with the least room needs,
    and none costs more than the most expensive type. The high end therefore holds for every mix, and may exceed the cost of a fleet of
    any single type.
    """
    costs = [one.usd_per_hour for one in types if one.usd_per_hour is not None]
    highest = highest_usd(types)
    if highest is None:
        return None
    return Range(
        low=min(cost.low for cost in costs),
        typical=costs[0].typical,
        high=instances_of(types).high * highest,
    )


def highest_usd(types: Sequence[TypeCost]) -> float | None:
    """Return the price of the most expensive type; None if a type has no price."""
    known = [one.price.usd_per_hour for one in types if one.price is not None]
    return max(known) if len(known) == len(types) else None


def total_usd(endpoints: Sequence[EndpointPlan]) -> Range | None:
    """Return the total cost of all endpoints; None if one has no price."""
    costs = [endpoint.usd_per_hour for endpoint in endpoints if endpoint.usd_per_hour is not None]
    if not costs or len(costs) < len(endpoints):
        return None
    return Range(
        low=sum(cost.low for cost in costs),
        typical=sum(cost.typical for cost in costs),
        high=sum(cost.high for cost in costs),
    )


def budget_problems(request: FleetRequest, endpoints: Sequence[EndpointPlan], total: Range | None) -> list[Problem]:
    """Return a problem if a fleet may cost more than its budget, or if its maximum cost is unknown."""
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
            f"budget, or lower max_copies or max_instances{', or take the most expensive type out of a pool' if pools else ''}",
        ),
    ]


def _most(endpoint: EndpointPlan) -> str:
    """Return the maximum cost of an endpoint in words; for a pool, with the type that determines it."""
    usd = endpoint.usd_per_hour
    assert usd is not None
    if len(endpoint.types) == 1:
        return f"{usd.high:.2f}"
    most_expensive = max(endpoint.types, key=lambda one: 0.0 if one.price is None else one.price.usd_per_hour)
    return f"{usd.high:.2f} as {endpoint.instances.high:g} x {most_expensive.instance}"


def price_warnings(
    *,
    request: FleetRequest,
    where: str,
    instance: GpuInstance,
    price: Price | None,
    warnings: list[str],
) -> None:
    """Add what is uncertain about the price of one of the endpoint's types to `warnings`."""
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
