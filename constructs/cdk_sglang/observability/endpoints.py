"""From an endpoint's construct to what is observed of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.observability.observed import ObservedEndpoint, observed_endpoint
from cdk_sglang.planning import FleetRequest, ResolvedEndpoint, plan_fleet

if TYPE_CHECKING:
    from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint


def observed(endpoint: InferenceEndpoint) -> ObservedEndpoint:
    """Return what is observed of an endpoint, with the plan of those of its components whose models are known.

    Args:
        endpoint: The endpoint, with its components: one that is added later is not observed.

    Raises:
        ConfigurationError: The endpoint has no component.
    """
    components = {name: component.plan for name, component in endpoint.components.items()}
    if not components:
        text = f"{endpoint.endpoint_name} has no component yet; add its components before it is observed"
        raise ConfigurationError([Problem(endpoint.node.path, text)])
    resolved = ResolvedEndpoint(
        name=endpoint.node.id, hosting=next(iter(components.values())).hosting, components=components
    )
    plan = None
    if resolved.is_planned:
        request = FleetRequest(
            environment=resolved.name,
            region=resolved.hosting.price_region,
            endpoints=(resolved.request(),),
            prices=resolved.hosting.prices,
        )
        (plan,) = plan_fleet(request).endpoints
    return observed_endpoint(
        resolved,
        endpoint_name=endpoint.endpoint_name,
        plan=plan,
        component_names={name: component.component_name for name, component in endpoint.components.items()},
    )
