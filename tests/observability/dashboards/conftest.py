"""Fleets that are observed: of any size, with and without a plan and promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from cdk_sglang.environments.planning import observed_endpoints, resolve_fleet
from cdk_sglang.environments.settings import Environment
from cdk_sglang.observability.dashboards.context import DashboardContext
from cdk_sglang.observability.observed import ObservedEndpoint
from tests.metrics.conftest import promtool

LLAMA = "meta-llama/Llama-3.2-3B-Instruct"
COMPONENT: dict[str, Any] = {
    "model": {"id": LLAMA, "prefix": "weights/llama/"},
    "scaling": {"min_copies": 1, "max_copies": 4},
    "slo": {"ttft_ms": 1000, "tpot_ms": 60, "availability_percent": 99.9},
}
POOL: dict[str, Any] = {"pool": ["ml.g6e.12xlarge", "ml.g6e.24xlarge"]}


def environment(endpoints: dict[str, dict[str, Any]], **more: Any) -> Environment:
    """Return an environment with these endpoints' components."""
    return Environment.model_validate(
        {
            "account": "111122223333",
            "region": "us-east-1",
            "network": {"vpc": "none"},
            "endpoints": {
                name: {"capacity": {**POOL, "max_instances": max(2, len(components))}, "components": components}
                for name, components in endpoints.items()
            },
            **more,
        }
    )


def observe(endpoints: dict[str, dict[str, Any]]) -> tuple[ObservedEndpoint, ...]:
    """Return what is observed of an environment called prod."""
    return observed_endpoints("prod", resolve_fleet(environment(endpoints), name="prod"))


@cache
def _planned() -> ObservedEndpoint:
    (endpoint,) = observe({"chat": {"llama": COMPONENT}})
    return endpoint


def many(endpoints: int, components: int) -> tuple[ObservedEndpoint, ...]:
    """Return endpoints with components, each planned and with every promise; one is planned, and the others are like it."""
    first = _planned()
    (one,) = first.components
    assert one.plan is not None
    found = []
    for number in range(endpoints):
        name = f"endpoint-{number}"
        names = [f"model-{component:03}" for component in range(components)]
        assert one.plan is not None
        found.append(
            replace(
                first,
                name=name,
                endpoint_name=f"prod-{name}",
                components=tuple(
                    replace(one, component_name=f"prod-{name}-{short}", resolved=replace(one.resolved, name=short))
                    for short in names
                ),
            )
        )
    return tuple(found)


@pytest.fixture
def context() -> Callable[..., DashboardContext]:
    """Return what makes a small fleet's dashboards: one endpoint with a component that has everything."""

    def make(
        *, enrichment: bool = True, runbooks: str | None = None, sampled: int | None = None, **changes: Any
    ) -> DashboardContext:
        return DashboardContext(
            name="prod",
            endpoints=observe({"chat": {"llama": {**COMPONENT, **changes}}}),
            enrichment=enrichment,
            runbooks=runbooks,
            sampled_seconds=sampled,
        )

    return make
