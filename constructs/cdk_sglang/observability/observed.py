"""What dashboards, alarms and showback read of an endpoint: its names in AWS, the specification and the plan. No CDK."""

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
    """A component that is watched.

    Attributes:
        component_name: Name in SageMaker, such as prod-chat-llama.
        resolved: The component, with every value resolved.
        plan: What the plan says of the component; None if nothing is known of its model.
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
    """An endpoint that is watched.

    Attributes:
        name: Short name, such as chat.
        endpoint_name: Name in SageMaker, such as prod-chat.
        resolved: The endpoint, with every value resolved.
        components: Its components.
        plan: What the plan says of the endpoint; None if nothing is known of any of its models.
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
    """Return what is watched of an endpoint.

    Args:
        resolved: The endpoint, with every value resolved.
        endpoint_name: Name in SageMaker.
        plan: What the plan says of the endpoint; nothing by default.
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
