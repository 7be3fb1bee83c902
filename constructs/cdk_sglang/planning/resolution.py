"""Resolves an endpoint: every component on its instance types, and all problems that prevent their deployment.

This is the only path from a specification to the input of constructs, plan and report (docs/adr/0038-resolved-once.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cdk_sglang.planning.component.resolve import ResolvedComponent, resolve_component
from cdk_sglang.planning.cost import BUDGET
from cdk_sglang.planning.fleet_request import EndpointRequest, FleetRequest
from cdk_sglang.planning.layouts import Room, count_problems, least_instances
from cdk_sglang.planning.own import NOTHING_OWN, Own
from cdk_sglang.planning.splits import is_split_refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdk_sglang.errors import Problem
    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.planning.component.hosting import Hosting
    from cdk_sglang.spec.component import Component


@dataclass(frozen=True, kw_only=True)
class ResolvedEndpoint:
    """An endpoint with every value resolved.

    Attributes:
        name: Name of the endpoint.
        hosting: Values of the endpoint that its components depend on.
        components: Components by name.
    """

    name: str
    hosting: Hosting
    components: Mapping[str, ResolvedComponent]

    @property
    def problems(self) -> list[Problem]:
        """All problems of single components, except whether their models fit."""
        return [problem for component in self.components.values() for problem in component.problems]

    @property
    def is_planned(self) -> bool:
        """Whether the plan covers any of its components."""
        return any(component.is_planned for component in self.components.values())

    @property
    def unplanned(self) -> list[str]:
        """Components whose models are unknown, so that it is unknown whether they fit."""
        return [name for name, component in self.components.items() if component.facts is None]

    def request(self) -> EndpointRequest:
        """Return the planner's request for the endpoint."""
        capacity, components = self.hosting.capacity, self.components.values()
        return EndpointRequest(
            name=self.name,
            instances=capacity.instances,
            components=tuple(component.request() for component in components if component.is_planned),
            min_instances=least_instances(capacity.min_instances, (one.copy_bounds[0] for one in components)),
            max_instances=capacity.max_instances,
            reserved=capacity.reservation is not None,
            reserved_count=None if capacity.reservation is None else capacity.reservation.count,
            update=_update(self.hosting),
            others=tuple(component.needs for component in components if component.facts is None),
        )

    def room_problems(self, where: str) -> list[Problem]:
        """Return problems if the endpoint's limits allow fewer instances than the copies of its components need.

        Args:
            where: Path of the endpoint.
        """
        capacity = self.hosting.capacity
        room = Room(self.hosting.instances, (component.needs for component in self.components.values()))
        fewest = least_instances(capacity.min_instances, room.least.values())
        problems = count_problems(room, min_instances=fewest, max_instances=capacity.max_instances, where=where)
        if problems and any(
            is_split_refused(component.request(), self.hosting.instances)
            for component in self.components.values()
            if component.is_planned
        ):
            return []  # a different split needs a different number of GPUs
        return problems or self._canary_problems(where, room)

    def _canary_problems(self, where: str, room: Room) -> list[Problem]:
        """Return a problem for each draft that there is no room to measure."""
        drafted = {name: one for name, one in self.components.items() if one.component.speculative is not None}
        if not drafted:
            return []
        from cdk_sglang.planning.component.canaries import canary_problems

        return [
            problem
            for name, component in drafted.items()
            for problem in canary_problems(f"{where}.components.{name}", component, room.needs)
        ]

    def budget_problems(self, budget_usd_per_hour: float | None, *, path: str) -> list[Problem]:
        """Return problems if the endpoint may cost more than its own budget, or if its maximum cost is unknown.

        Args:
            budget_usd_per_hour: The budget; None for no limit.
            path: Path of the endpoint.
        """
        if budget_usd_per_hour is None:
            return []
        from cdk_sglang.planning.plan import plan_fleet

        plan = plan_fleet(
            FleetRequest(
                environment=self.name,
                region=self.hosting.price_region,
                endpoints=(self.request(),),
                budget_usd_per_hour=budget_usd_per_hour,
                prices=self.hosting.prices,
            )
        )
        return [problem.under(path) for problem in plan.problems if problem.path == BUDGET]


def resolve(
    name: str, components: Mapping[str, Component], hosting: Hosting, *, path: str, own: Own = NOTHING_OWN
) -> ResolvedEndpoint:
    """Resolve every component of an endpoint.

    Args:
        name: Name of the endpoint.
        components: Its components by name.
        hosting: Its instances, image and Region.
        path: Path of the endpoint, with which the paths of problems begin.
        own: The user's own models.
    """
    return ResolvedEndpoint(
        name=name,
        hosting=hosting,
        components={
            short_name: resolve_component(
                short_name,
                component,
                hosting,
                known=own.known(component.model),
                path=f"{path}.components.{short_name}",
                draft=_draft_facts(component, own),
            )
            for short_name, component in components.items()
        },
    )


def _draft_facts(component: Component, own: Own) -> ModelFacts | None:
    speculative = component.speculative
    return None if speculative is None or speculative.draft is None else own.known_facts(speculative.draft.hugging_face)


def _update(hosting: Hosting) -> Literal["blue_green", "rolling"] | None:
    if hosting.rollout is None:
        return None
    return "rolling" if hosting.rollout.strategy == "rolling" else "blue_green"
