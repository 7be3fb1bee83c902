"""How a copy is split on each instance type (as specified, else over the fewest GPUs on which the model fits), and its share of their memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_sglang.planning.fits import fitting_splits
from cdk_sglang.planning.memory import memory_of
from cdk_sglang.planning.refusals import split_problems
from cdk_sglang.planning.static_fraction import StaticFraction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdk_sglang.hardware import GpuInstance
    from cdk_sglang.planning.fleet_request import ComponentRequest
    from cdk_sglang.planning.parallel import Parallelism


def context_of(component: ComponentRequest) -> int:
    """Return the longest request to plan for: as specified, else the model's own limit, else that of the planned load."""
    limit = component.facts.architecture.max_position_embeddings
    return component.context_length or limit or int(component.input_tokens + component.output_tokens)


def split_on(component: ComponentRequest, instance: GpuInstance) -> Parallelism:
    """Return how a copy is split on an instance type; over all its GPUs if none of the sizes fits."""
    size = component.tp_size_by_type.get(instance.name, component.tp_size)
    if size is None:
        fits = fitting_splits(component, instance, context_of(component))
        return fits[0] if fits else component.split(instance.gpu_count)
    return component.split_of(max(1, size))


def is_split_refused(component: ComponentRequest, instances: Iterable[GpuInstance]) -> bool:
    """Return whether SGLang refuses the split of a copy on any of the types, so that the number of GPUs has to change.

    Args:
        component: The component.
        instances: Instance types of the endpoint.
    """
    model = component.facts.architecture
    return any(split_problems(model, one.gpu, split_on(component, one), component.engine) for one in instances)


def tp_sizes(component: ComponentRequest, instances: Iterable[GpuInstance]) -> dict[str, int]:
    """Return the GPUs of a forward pass by instance type.

    Args:
        component: The component.
        instances: Instance types of the endpoint.
    """
    return {instance.name: split_on(component, instance).tensor for instance in instances}


def planned_fraction(component: ComponentRequest, instance: GpuInstance) -> StaticFraction:
    """Return the share of each GPU's memory that the plan uses on an instance type, and SGLang's own default.

    Args:
        component: The component.
        instance: Instance type.
    """
    memory = memory_of(component, instance.gpu, split_on(component, instance))
    return StaticFraction(
        planned=memory.fraction,
        engine_default=memory.engine_fraction,
        release_known=component.engine.release_known,
    )
