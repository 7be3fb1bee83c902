"""Checks whether a component can run on an instance type: its context, its split over GPUs, and its memory.

This is the only place that decides it; both the plan of a fleet and the library, for each component added to an endpoint, use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_sglang.errors import Problem
from cdk_sglang.hardware import price_usd_per_hour
from cdk_sglang.planning.fits import nearest_fit
from cdk_sglang.planning.memory import MemoryPlan, memory_of
from cdk_sglang.planning.refusals import split_problems
from cdk_sglang.planning.remedies import remedies_text, same_instance_remedies
from cdk_sglang.planning.splits import context_of, split_on

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdk_sglang.hardware import GpuInstance, PriceTable
    from cdk_sglang.planning.fleet_request import ComponentRequest


def component_problems(
    component: ComponentRequest,
    instances: Iterable[GpuInstance],
    *,
    path: str,
    region: str,
    prices: PriceTable | None = None,
) -> list[Problem]:
    """Return why a component cannot run on some of the instance types that its copies may be placed on; empty if it can.

    Args:
        component: The component.
        instances: The instance types.
        path: Path of the component, for messages.
        region: AWS Region whose prices the advice uses.
        prices: Prices that take precedence over the package's.
    """
    problems = context_problems(component, path=path)
    for instance in instances:
        problems += instance_problems(component, instance, path=path, region=region, prices=prices)
    return list(dict.fromkeys(problems))  # problems that do not concern GPUs are the same on each type


def context_problems(component: ComponentRequest, *, path: str) -> list[Problem]:
    """Return why a context length is beyond the model's limit; empty if it is not, or if the model states no limit."""
    limit = component.facts.architecture.max_position_embeddings
    if component.context_length is None or not limit or component.context_length <= limit:
        return []
    return [
        Problem(
            f"{path}.server.context_length",
            f"{component.context_length} is beyond the {limit} of {component.facts.id}; use {limit} or less",
        )
    ]


def instance_problems(
    component: ComponentRequest,
    instance: GpuInstance,
    *,
    path: str,
    region: str,
    prices: PriceTable | None = None,
) -> list[Problem]:
    """Return why a component cannot run on an instance type: its split over the GPUs, or their memory.

    Args:
        component: The component.
        instance: The instance type.
        path: Path of the component, for messages.
        region: AWS Region whose prices the advice uses.
        prices: Prices that take precedence over the package's.
    """
    model = component.facts.architecture
    split = split_on(component, instance)
    where = f"{path}.server.tp_size"
    problems = []
    if split.gpus > instance.gpu_count:
        problems.append(
            Problem(
                where,
                f"{split.gpus} GPUs asked, {instance.name} has {instance.gpu_count}; use {instance.gpu_count} or less",
            )
        )
    refusals = split_problems(model, instance.gpu, split, component.engine, gpus=instance.gpu_count)
    problems += [Problem(where, f"{component.facts.id} on {instance.name}: {problem}") for problem in refusals]
    if not model.kv_known:
        return [
            *problems,
            Problem(f"{path}.model", f"{component.facts.id}: {component.facts.note or 'the KV cache is not known'}"),
        ]
    context = context_of(component)
    context = min(context, model.max_position_embeddings or context)  # beyond the model's limit: reported separately
    memory = memory_of(component, instance.gpu, split)
    short = missing_gib(memory, context)
    pool = component.engine.max_total_tokens
    has_context_length = component.context_length is not None  # the rules of the options then compare both
    if short <= 0 and not has_context_length and pool is not None and pool < context:
        text = f"{pool} tokens hold no request of context_length {context}; raise it, leave it out, or set context_length: {pool}"
        problems.append(Problem(f"{path}.server.max_total_tokens", text))
    if short > 0:
        near = nearest_fit(component, context, region, prices)
        remedies = (
            []
            if refusals or split.gpus > instance.gpu_count
            else same_instance_remedies(component, instance, split, context)
        )
        advice = (
            f"nearest fit: {near}"
            if near
            else "no instance type holds it; use a smaller format, model or context_length"
        )
        if remedies:
            here = remedies_text(remedies, price=price_usd_per_hour(instance, region, table=prices), instance=instance)
            advice = here + (f"; {advice}" if near else "")
        problems.append(
            Problem(
                where,
                f"{component.facts.id} with context_length {context} does not fit {split.gpus} x {instance.gpu.product} of "
                f"{instance.name}: {short:.1f} GiB short per GPU ({memory.weights_gib:.1f} GiB of weights, {memory.total_gib:.1f} GiB there); {advice}",
            )
        )
    return problems


def missing_gib(memory: MemoryPlan, context: float) -> float:
    """Return the GiB missing per GPU for the weights and one request of `context` tokens; 0 if both fit."""
    return max(0.0, memory.shortfall_gib(context), -memory.cache_gib)
