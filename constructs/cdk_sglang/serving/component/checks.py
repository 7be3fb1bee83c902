"""What can be wrong with a component, said before any of it exists, and what its settings work out to on its endpoint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.capacity.packing import instances_needed
from cdk_sglang.serving.component.context import EndpointContext
from cdk_sglang.serving.component.disk import disk_problems
from cdk_sglang.serving.component.fit import fit_problems
from cdk_sglang.serving.component.variants import ModelVariant, gpus_by_type
from cdk_sglang.serving.endpoint.checks import bigger_or_fewer
from cdk_sglang.serving.rollout.rollback_alarms import ROLLBACK_ALARM_IDS
from cdk_sglang.serving.shared.names import name_problems
from cdk_sglang.serving.shared.tokens import is_token, token_problem
from cdk_sglang.serving.verification.endpoint_check import VERIFICATION_ID

if TYPE_CHECKING:
    from cdk_sglang.hardware import GpuInstance
    from cdk_sglang.serving.weights.model_source import ModelSource
    from cdk_sglang.spec.capacity import Capacity
    from cdk_sglang.spec.load import Load
    from cdk_sglang.spec.rollout import ComponentRollout
    from cdk_sglang.spec.scaling import ComponentScaling
    from cdk_sglang.spec.schedules import NightlyStop
    from cdk_sglang.spec.slo import Slo

_PARTS_OF_AN_ENDPOINT: Final = re.compile(
    rf"Config|ExecutionRole|Idle|Logs|Reservation|Resource|Models([A-Z].*)?|{VERIFICATION_ID}\d+|{'|'.join(sorted(ROLLBACK_ALARM_IDS))}"
)
"""Ids that an endpoint has or may have beside its components; those of models and of the verification are numbered or named by what they wait for."""


class PlacedComponent(Protocol):
    """A component whose copies take GPUs of an endpoint."""

    @property
    def gpus_by_type(self) -> Mapping[str, int]:
        """GPUs of a copy by instance type."""

    @property
    def most_copies(self) -> int:
        """Most copies there can be at once."""


def check_component(
    endpoint: EndpointContext,
    construct_id: str,
    name: str,
    *,
    model: ModelSource,
    variants: Sequence[ModelVariant],
    copies: int,
    scaling: ComponentScaling | None,
    added: Mapping[str, str],
    rollout: ComponentRollout | None,
    others: Mapping[str, PlacedComponent],
    problems: Sequence[Problem],
) -> None:
    """Raise everything wrong with a component, `problems` that are known included, before any of it exists."""
    problems = [*problems]
    if construct_id in others or _PARTS_OF_AN_ENDPOINT.fullmatch(construct_id):
        problems.append(Problem(construct_id, "the endpoint has something of this name already; choose another"))
    else:
        problems += name_problems(construct_id, name, "component") or endpoint.names.problems(
            construct_id, name, "component"
        )
    if is_token(copies):
        raise ConfigurationError([*problems, token_problem(f"{construct_id}.copies", "the number itself")])
    if copies < 1:
        problems.append(
            Problem(f"{construct_id}.copies", f"{copies} is not allowed; a component is created with 1 or more")
        )
    elif scaling is not None and not scaling.min_copies <= copies <= scaling.max_copies:
        problems.append(
            Problem(
                f"{construct_id}.copies",
                f"{copies} is outside of scaling, {scaling.min_copies} to {scaling.max_copies}; leave it out, or take one of those",
            )
        )
    if scaling is not None and scaling.copy_bounds[0] == 0:
        of_zero = endpoint.capacity.zero_copies_problems(region=endpoint.region)
        problems += [problem.under(f"{construct_id}.scaling.min_copies") for problem in of_zero]
    for variant in variants:
        problems += variant.problems(construct_id, image=endpoint.image, added=added)
    most = max(copies, 0 if scaling is None else scaling.copy_bounds[1])
    problems += disk_problems(construct_id, variants, weights_bytes=model.weights_bytes, copies=most, added=added)
    servers = {instance.name: variant.server for variant in variants for instance in variant.instances}
    problems += fit_problems(
        construct_id,
        model,
        servers,
        endpoint.capacity.instances,
        engine_version=endpoint.image.facts.sglang_version,
        region=endpoint.region,
    )
    problems += room_problems(
        endpoint.capacity,
        others.values(),
        construct_id,
        gpus=gpus_by_type(variants),
        copies=most,
        asked_by="copies" if scaling is None else "scaling.max_copies",
    )
    if rollout is not None:
        bounds = [(copies, copies)] if scaling is None else scaling.all_bounds
        problems += [problem.under(f"{construct_id}.rollout") for problem in rollout.problems(bounds=bounds)]
    may_be_zero = scaling is not None and scaling.copy_bounds[0] == 0
    if may_be_zero and endpoint.rollout is not None and endpoint.rollout.alarms.no_capacity is not None:
        problems.append(
            Problem(
                f"{construct_id}.scaling",
                "the component may have zero copies, and a request that wakes it would undo a rollout of the endpoint; "
                "set no_capacity of the endpoint's rollout.alarms to null, or keep a copy",
            )
        )
    raise_if_any(dict.fromkeys(problems))  # variants share what is not about GPUs


def room_problems(
    capacity: Capacity,
    others: Iterable[PlacedComponent],
    path: str,
    *,
    gpus: Mapping[str, int],
    copies: int,
    asked_by: str = "copies",
) -> list[Problem]:
    """Say why so many more copies have no room on the endpoint, on the first type, from the smallest on, that has none.

    Any type of a pool may be the one that is there, so all copies must fit on each.

    Args:
        capacity: Instance types of the endpoint and their bounds.
        others: Components that the endpoint has already.
        path: Of the component.
        gpus: GPUs of a copy by instance type.
        copies: Copies more.
        asked_by: The option they come from.
    """
    most = capacity.max_instances
    for instance in sorted(capacity.instances, key=lambda instance: instance.gpu_count):
        each = gpus[instance.name]
        if each > instance.gpu_count:
            return [
                Problem(
                    f"{path}.server",
                    f"{each} GPUs asked for one copy, {instance.name} has {instance.gpu_count}; "
                    f"{bigger_or_fewer(instance, each)}",
                ),
            ]
        wanted = [*gpus_of_copies(others, instance), *([each] * copies)]
        needed = instances_needed(wanted, gpus_per_instance=instance.gpu_count)
        if needed > most:
            return [
                Problem(
                    f"{path}.{asked_by}",
                    f"{sum(wanted)} GPUs asked by all copies of the endpoint, max_instances {most} x "
                    f"{instance.name} has {most * instance.gpu_count}, and no copy spans instances; "
                    f"raise max_instances to {needed} or ask for less",
                ),
            ]
    return []


def gpus_of_copies(components: Iterable[PlacedComponent], instance: GpuInstance) -> list[int]:
    """Return the GPUs that every copy takes on an instance type, with all components at their most copies."""
    return [component.gpus_by_type[instance.name] for component in components for _ in range(component.most_copies)]


def with_nightly_stop(path: str, scaling: ComponentScaling | None, copies: int, stop: NightlyStop) -> ComponentScaling:
    """Return a component's scaling with the nightly stop of its endpoint, whether or not it scales otherwise."""
    from cdk_sglang.spec.scaling import ComponentScaling

    try:
        return (scaling or ComponentScaling(min_copies=copies, max_copies=copies)).stopped_nightly(stop)
    except ConfigurationError as error:
        raise ConfigurationError(problem.under(path) for problem in error.problems) from None


def chosen_concurrency(
    path: str,
    scaling: ComponentScaling | None,
    model: ModelSource,
    variants: Sequence[ModelVariant],
    *,
    instances: Sequence[GpuInstance],
    load: Load | None,
    slo: Slo | None,
    engine_version: str,
) -> float | None:
    """Return the requests in flight at which scaling keeps a copy: the number given, else the planned one.

    Args:
        path: Path of the component, for messages.
        scaling: Bounds, target and schedules; None if the component does not scale.
        model: The model.
        variants: The component's options by instance type.
        instances: Instance types of the endpoint.
        load: Requests expected; by default those of the target.
        slo: Latency objectives that the planned number keeps; none by default.
        engine_version: SGLang's release in the image.

    Returns:
        None if nothing scales by concurrency.
    """
    if scaling is None or not scaling.has_policy:
        return None
    from cdk_sglang.spec.scaling import Concurrency

    target = scaling.tracked
    if not isinstance(target, Concurrency):
        return None
    if load is not None and target.model_fields_set & load.__class__.model_fields.keys():
        problem = Problem(f"{path}.load", "is given by scaling.target too (input_tokens, output_tokens); give it once")
        raise ConfigurationError([problem])
    if target.requests_per_copy is not None:
        return target.requests_per_copy
    from cdk_sglang.serving.component.planned import planned_concurrency

    return planned_concurrency(
        path,
        model,
        variants[0].server,
        instances,
        gpus_by_type=gpus_by_type(variants),
        load=load or target,
        slo=slo,
        engine_version=engine_version,
    )
