"""Names of an environment's stacks, endpoints, components and adapters: which are too long, taken, or used twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from cdk_sglang.environments.naming import endpoint_name
from cdk_sglang.errors import Problem
from cdk_sglang.spec.physical_names import name_problems

if TYPE_CHECKING:
    from cdk_sglang.spec.endpoint import Endpoint

RESERVED: Final = {
    "foundation": "what all endpoints share",
    "observability": "what all endpoints' logs say",
    "dashboards": "the dashboards",
    "enrichment": "the account's OTel enrichment",
    "transaction-search": "the account's Transaction Search",
    "showback": "what the endpoints cost",
    "speculative": "the drafts of all components",
    "agent": "the agent",
}
"""Names of stacks, which no endpoint may use, with what each contains."""


def fleet_name_problems(environment: str, endpoints: Mapping[str, Endpoint]) -> list[Problem]:
    """Return what is wrong with the names of an environment's parts.

    Args:
        environment: Name of the environment.
        endpoints: Its endpoints by name.
    """
    problems = stack_name_problems(list(endpoints))
    for endpoint in endpoints:
        problems += name_problems(f"endpoints.{endpoint}", endpoint_name(environment, endpoint), "endpoint")
    for path, full, what in _component_names(environment, endpoints):
        problems += name_problems(path, full, what)
    return [*problems, *shared_names(environment, endpoints)]


def stack_name_problems(endpoints: Sequence[str]) -> list[Problem]:
    """Return a problem for every endpoint that has the name of another stack of its environment."""
    problems = []
    for endpoint in endpoints:
        path, watched = f"endpoints.{endpoint}", endpoint.removesuffix("-alarms")
        if endpoint in RESERVED:
            problems.append(Problem(path, f"{endpoint!r} names the stack of {RESERVED[endpoint]}; choose another name"))
        if watched != endpoint and watched in endpoints:
            text = f"{endpoint!r} names the stack of the alarms of {watched}; choose another name"
            problems.append(Problem(path, text))
    return problems


def shared_names(environment: str, endpoints: Mapping[str, Endpoint]) -> dict[Problem, str]:
    """Return a problem for every duplicate name: components and adapters of an account and Region share one namespace.

    Args:
        environment: Name of the environment.
        endpoints: Its endpoints by name.
    """
    owner: dict[str, str] = {}
    problems = {}
    for path, full, what in _component_names(environment, endpoints):
        if full in owner:
            problems[Problem(path, f"{what} name {full!r} is that of {owner[full]} too; rename one")] = full
        owner.setdefault(full, path)
    return problems


def _component_names(environment: str, endpoints: Mapping[str, Endpoint]) -> Iterator[tuple[str, str, str]]:
    """Yield path, full name and kind of everything that becomes an inference component in SageMaker."""
    for endpoint, endpoint_settings in endpoints.items():
        for component, component_settings in endpoint_settings.components.items():
            path = f"endpoints.{endpoint}.components.{component}"
            full = f"{endpoint_name(environment, endpoint)}-{component}"
            yield path, full, "component"
            for adapter in component_settings.adapters:
                yield f"{path}.adapters.{adapter}", f"{full}-{adapter}", "adapter"
