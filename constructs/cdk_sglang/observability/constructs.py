"""Creates an `ObservedEndpoint` from a construct, for authors of other apps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.observability.observed import ObservedEndpoint, observed_endpoint
from cdk_sglang.planning import ResolvedEndpoint

if TYPE_CHECKING:
    from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint


def observed_construct(endpoint: InferenceEndpoint) -> ObservedEndpoint:
    """Return an `ObservedEndpoint` of an endpoint with its current components, without a plan.

    Args:
        endpoint: The endpoint.

    Raises:
        ConfigurationError: It has no components yet.
    """
    components = {name: component.plan for name, component in endpoint.components.items()}
    if not components:
        raise_if_any([Problem(endpoint.node.id, "has no components yet; add them first")])
    return observed_endpoint(
        ResolvedEndpoint(name=endpoint.node.id, hosting=next(iter(components.values())).hosting, components=components),
        endpoint_name=endpoint.endpoint_name,
        component_names={name: component.component_name for name, component in endpoint.components.items()},
    )
