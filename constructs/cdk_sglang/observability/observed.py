"""Input of dashboards, alarms and showback for an endpoint: its names in AWS, the specification and the plan. No CDK."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdk_sglang.planning import ResolvedComponent, ResolvedEndpoint

if TYPE_CHECKING:
    from cdk_sglang.planning.fleet_plan import ComponentPlan, EndpointPlan
    from cdk_sglang.spec.component import Component


@dataclass(frozen=True, kw_only=True)
class ObservedComponent:
    """A component that is observed.

    Attributes:
        component_name: Name in SageMaker, such as prod-chat-llama.
        resolved: The component, with every value resolved.
        plan: Plan of the component; None if its model is unknown.
    """

    component_name: str
    resolved: ResolvedComponent
    plan: ComponentPlan | None = None

    @property
    def name(self) -> str:
        """Short name on its endpoint, such as llama."""
        return self.resolved.name

    @property
    def specification(self) -> Component:
        """The component as it is specified: its objectives, expected load, scaling and adapters."""
        return self.resolved.component


@dataclass(frozen=True, kw_only=True)
class ObservedEndpoint:
    """An endpoint that is observed.

    Attributes:
        name: Short name, such as chat.
        endpoint_name: Name in SageMaker, such as prod-chat.
        resolved: The endpoint, with every value resolved.
        components: Its components.
        plan: Plan of the endpoint; None if all its models are unknown.
        variant_name: Name of the endpoint's only production variant.
    """

    name: str
    endpoint_name: str
    resolved: ResolvedEndpoint
    components: tuple[ObservedComponent, ...]
    plan: EndpointPlan | None = None
    variant_name: str = "AllTraffic"


def observed_endpoint(
    resolved: ResolvedEndpoint,
    *,
    endpoint_name: str,
    plan: EndpointPlan | None = None,
    component_names: Mapping[str, str] | None = None,
) -> ObservedEndpoint:
    """Return an `ObservedEndpoint` from a resolved endpoint.

    Args:
        resolved: The endpoint, with every value resolved.
        endpoint_name: Name in SageMaker.
        plan: Plan of the endpoint; none by default.
        component_names: Names in SageMaker by short name; "<endpoint name>-<short name>" by default.
    """
    plans = {} if plan is None else {component.name: component for component in plan.components}
    names = component_names or {}
    return ObservedEndpoint(
        name=resolved.name,
        endpoint_name=endpoint_name,
        resolved=resolved,
        components=tuple(
            ObservedComponent(
                component_name=names.get(name, f"{endpoint_name}-{name}"), resolved=component, plan=plans.get(name)
            )
            for name, component in resolved.components.items()
        ),
        plan=plan,
    )
