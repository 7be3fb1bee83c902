"""Components and workloads that can be measured in an environment, for `cdk-sglang bench --env`."""

from __future__ import annotations

from pathlib import Path

from cdk_sglang.benchmarking.target import BenchEnvironment, target_of
from cdk_sglang.checks import raise_if_any
from cdk_sglang.environments.location import ENVIRONMENTS
from cdk_sglang.environments.naming import endpoint_name
from cdk_sglang.environments.own import own_facts
from cdk_sglang.environments.planning import resolve_fleet
from cdk_sglang.environments.reading import load


def bench_environment(name: str, *, folder: Path = ENVIRONMENTS) -> BenchEnvironment:
    """Return the components and workloads of an environment.

    Args:
        name: The environment.
        folder: Folder of environments, with the user's own models and prices.

    Raises:
        ConfigurationError: The settings are wrong; one line per problem.
    """
    settings = load(name, folder=folder)
    fleet = resolve_fleet(settings, name=name, own=own_facts(settings, name=name, folder=folder))
    raise_if_any(problem for endpoint in fleet.endpoints.values() for problem in endpoint.problems)
    targets = {
        f"{endpoint}/{component}": target_of(
            resolved,
            environment=name,
            endpoint=endpoint,
            endpoint_name=endpoint_name(name, endpoint),
            component_name=f"{endpoint_name(name, endpoint)}-{component}",
        )
        for endpoint, found in fleet.endpoints.items()
        for component, resolved in found.components.items()
    }
    return BenchEnvironment(name=name, targets=targets, workloads=settings.bench, region=settings.region)
