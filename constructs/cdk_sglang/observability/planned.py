"""Creates an `ObservedEndpoint` from a construct, with its plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_sglang.observability.constructs import observed_construct
from cdk_sglang.observability.observed import ObservedEndpoint, observed_endpoint
from cdk_sglang.planning import FleetRequest, plan_fleet

if TYPE_CHECKING:
    from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint


def planned_construct(endpoint: InferenceEndpoint) -> ObservedEndpoint:
    """Return an `ObservedEndpoint` of an endpoint with its current components, and the plan of those whose models are known.

    Args:
        endpoint: The endpoint.

    Raises:
        ConfigurationError: It has no components yet.
    """
    observed = observed_construct(endpoint)
    resolved = observed.resolved
    if not resolved.is_planned:
        return observed
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
        component_names={component.name: component.component_name for component in observed.components},
    )
