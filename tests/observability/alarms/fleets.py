"""An endpoint that is watched, whose components say only what a test is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdk_sglang.environments.planning import resolve_fleet
from cdk_sglang.environments.settings import Environment
from cdk_sglang.observability.observed import ObservedEndpoint, observed_endpoint
from cdk_sglang.planning import plan_fleet


def observed(components: Mapping[str, Mapping[str, Any]], **endpoint: Any) -> ObservedEndpoint:
    """Return the endpoint "prod-chat" with components on one instance type, as an environment file describes them."""
    capacity = {"type": "ml.g6e.12xlarge", "min_instances": 1, "max_instances": 100}
    content = {
        "network": {"vpc": "none"},
        "endpoints": {
            "chat": {
                "capacity": capacity,
                **endpoint,
                "components": {
                    name: {"model": {"prefix": f"weights/{name}/"}, **component}
                    for name, component in components.items()
                },
            }
        },
    }
    settings = Environment.model_validate(content)
    resolved = resolve_fleet(settings, name="prod", region="us-east-1")
    plans = {plan.name: plan for plan in plan_fleet(resolved.request).endpoints}
    return observed_endpoint(resolved.endpoints["chat"], endpoint_name="prod-chat", plan=plans.get("chat"))
