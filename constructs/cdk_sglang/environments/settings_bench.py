"""Checks of an environment's workloads against its components."""

from __future__ import annotations

from collections.abc import Mapping

from cdk_sglang.checks import did_you_mean
from cdk_sglang.errors import Problem
from cdk_sglang.spec.component import Component
from cdk_sglang.spec.endpoint import Endpoint
from cdk_sglang.spec.workload import Workload


def component_paths(endpoints: Mapping[str, Endpoint]) -> dict[str, Component]:
    """Return every component of an environment by its path, <endpoint>/<component>."""
    return {
        f"{name}/{short_name}": component
        for name, endpoint in endpoints.items()
        for short_name, component in endpoint.components.items()
    }


def workload_problems(workloads: Mapping[str, Workload], endpoints: Mapping[str, Endpoint]) -> list[Problem]:
    """Return a problem for every workload that names an unknown component, or sends longer requests than the component accepts."""
    components = component_paths(endpoints)
    problems = []
    for name, workload in workloads.items():
        path = workload.component or (next(iter(components)) if len(components) == 1 else None)
        if path is None:
            problems.append(
                Problem(
                    f"bench.{name}.component",
                    f"missing; the environment has {len(components)} components: {', '.join(components)}",
                )
            )
        elif path not in components:
            problems.append(
                Problem(f"bench.{name}.component", f"unknown component {path!r}; {did_you_mean(path, components)}")
            )
        else:
            problems += [problem.under(f"bench.{name}") for problem in length_problems(workload, components[path])]
    return problems


def length_problems(workload: Workload, component: Component) -> list[Problem]:
    """Return a problem if a component would reject the mean request of a workload because of its length."""
    limit = component.server.context_length
    if limit is None or workload.dataset is not None:
        return []
    prompt = workload.input_tokens or component.load.input_tokens
    answer = workload.output_tokens or component.load.output_tokens
    turns = 1 if workload.turns is None else workload.turns.mean
    if turns * (prompt + answer) <= limit:
        return []
    times = "" if turns == 1 else f" in each of {turns} turns"
    return [
        Problem(
            "input_tokens",
            f"{prompt:g} and {answer:g} output_tokens{times} are more than the component's context_length, {limit}; use fewer",
        )
    ]
