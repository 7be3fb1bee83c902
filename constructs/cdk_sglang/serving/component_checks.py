"""What can be wrong with a component, said before any of it exists, and what its settings work out to on its endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.serving.capacity import instances_needed
from cdk_sglang.serving.capacity_checks import zero_copies_problems
from cdk_sglang.serving.endpoint_checks import bigger_or_fewer
from cdk_sglang.serving.endpoint_truth import TRUTH_ID
from cdk_sglang.serving.host_cache import host_cache_problems
from cdk_sglang.serving.names import name_problems
from cdk_sglang.serving.planned import planned_concurrency
from cdk_sglang.serving.rollback_alarms import ROLLBACK_ALARM_IDS
from cdk_sglang.serving.rollout import ComponentRollout
from cdk_sglang.serving.scaling import ComponentScaling, Concurrency
from cdk_sglang.serving.sglang import SglangOptions, environment_problems
from cdk_sglang.serving.tokens import is_token, token_problem

if TYPE_CHECKING:
    from cdk_sglang.serving.endpoint import InferenceEndpoint

_PARTS_OF_AN_ENDPOINT: Final = frozenset(
    {"Config", "ExecutionRole", "Idle", "Logs", "Resource", f"{TRUTH_ID}0", *ROLLBACK_ALARM_IDS}
)


def check_component(
    endpoint: InferenceEndpoint,
    construct_id: str,
    name: str,
    *,
    server: SglangOptions,
    memory_mib: int,
    copies: int,
    scaling: ComponentScaling | None,
    added: Mapping[str, str],
    rendered: Mapping[str, str],
    rollout: ComponentRollout | None,
) -> None:
    """Collect everything wrong with a component before any of it exists."""
    problems = []
    if construct_id in endpoint.components or construct_id in _PARTS_OF_AN_ENDPOINT:
        problems.append(f"{construct_id}: the endpoint has something of this name already; choose another")
    if any(other.component_name == name for other in endpoint.components.values()):
        problems.append(f"{construct_id}: the endpoint has a component named {name!r} already; choose another name")
    problems += name_problems(construct_id, name, "component")
    if is_token(copies):
        raise ConfigurationError([*problems, token_problem(f"{construct_id}.copies", "the number itself")])
    if copies < 1:
        problems.append(f"{construct_id}.copies: {copies} is not allowed; a component is created with 1 or more")
    elif scaling is not None and not scaling.min_copies <= copies <= scaling.max_copies:
        problems.append(
            f"{construct_id}.copies: {copies} is outside of scaling, {scaling.min_copies} to {scaling.max_copies}; leave it out, or take one of those"
        )
    if scaling is not None and scaling.copy_bounds[0] == 0:
        problems += zero_copies_problems(f"{construct_id}.scaling.min_copies", endpoint)
    capabilities = sorted({instance.gpu.compute_capability for instance in endpoint.capacity.instances}, key=float)
    problems += server.problems(f"{construct_id}.server", gpu_capability=capabilities[0])
    problems += server.problems_for(endpoint.image.facts.kind, f"{construct_id}.server")
    problems += host_cache_problems(f"{construct_id}.server", server, memory_mib)
    problems += environment_problems(added, f"{construct_id}.environment", rendered=rendered)
    problems += room_problems(
        endpoint,
        construct_id,
        gpus_per_copy=server.gpus_per_copy,
        copies=max(copies, 0 if scaling is None else scaling.copy_bounds[1]),
        asked_by="copies" if scaling is None else "scaling.max_copies",
    )
    if rollout is not None:
        bounds = [(copies, copies)] if scaling is None else scaling.all_bounds
        problems += rollout.problems(f"{construct_id}.rollout", bounds=bounds)
    may_be_zero = scaling is not None and scaling.copy_bounds[0] == 0
    if may_be_zero and endpoint.rollout is not None and endpoint.rollout.alarms.no_capacity is not None:
        problems.append(
            f"{construct_id}.scaling: the component may have zero copies, and a request that wakes it would undo a rollout of the endpoint; "
            "set no_capacity of the endpoint's rollout.alarms to null, or keep a copy"
        )
    if problems:
        raise ConfigurationError(problems)


def room_problems(
    endpoint: InferenceEndpoint, path: str, *, gpus_per_copy: int, copies: int, asked_by: str = "copies"
) -> list[str]:
    """Say why so many more copies of so many GPUs have no room on the endpoint; `asked_by` is the option they come from."""
    capacity = endpoint.capacity
    smallest = min(capacity.instances, key=lambda instance: instance.gpu_count)
    if gpus_per_copy > smallest.gpu_count:
        return [
            (
                f"{path}.server: {gpus_per_copy} GPUs asked for one copy, {smallest.name} has {smallest.gpu_count}; "
                f"{bigger_or_fewer(smallest, gpus_per_copy)}"
            )
        ]
    placed = [
        component.gpus_per_copy for component in endpoint.components.values() for _ in range(component.most_copies)
    ]
    wanted = [*placed, *([gpus_per_copy] * copies)]
    needed = instances_needed(wanted, gpus_per_instance=capacity.gpus_per_instance)
    if needed > capacity.max_instances:
        return [
            (
                f"{path}.{asked_by}: {sum(wanted)} GPUs asked by all copies of the endpoint, max_instances {capacity.max_instances} x "
                f"{smallest.name} has {capacity.max_instances * capacity.gpus_per_instance}, and no copy spans instances; "
                f"raise max_instances to {needed} or ask for less"
            )
        ]
    return []


def with_nightly_stop(
    path: str, scaling: ComponentScaling | None, copies: int, endpoint: InferenceEndpoint
) -> ComponentScaling | None:
    """Return a component's scaling with the nightly stop of its endpoint, whether or not it scales otherwise."""
    stop = endpoint.nightly_stop
    if stop is None:
        return scaling
    try:
        return (scaling or ComponentScaling(min_copies=copies, max_copies=copies)).stopped_nightly(stop)
    except ConfigurationError as error:
        raise ConfigurationError([f"{path}.{problem}" for problem in error.problems]) from None


def chosen_concurrency(
    path: str,
    scaling: ComponentScaling | None,
    model_id: str | None,
    server: SglangOptions,
    endpoint: InferenceEndpoint,
) -> float | None:
    """Return the requests a copy is kept at: as asked, else as planned; None when nothing scales by concurrency."""
    if scaling is None or not scaling.has_policy or not isinstance(scaling.target, Concurrency):
        return None
    target = scaling.target
    if target.requests_per_copy is not None:
        return target.requests_per_copy
    return planned_concurrency(
        path,
        model_id,
        server,
        endpoint.capacity.instances,
        input_tokens=target.input_tokens,
        output_tokens=target.output_tokens,
    )
