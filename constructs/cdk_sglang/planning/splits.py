"""GPUs of a copy on each instance type: as asked, else the fewest on which the model fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_sglang.planning.alternatives import fitting_splits
from cdk_sglang.planning.parallel import Parallelism

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdk_sglang.hardware import GpuInstance
    from cdk_sglang.planning.fleet import ComponentRequest


def context_of(component: ComponentRequest) -> int:
    """Return the longest request to plan for: as asked, else the model's own limit, else the planned load's."""
    limit = component.facts.architecture.max_position_embeddings
    return component.context_length or limit or int(component.input_tokens + component.output_tokens)


def split_on(component: ComponentRequest, instance: GpuInstance) -> Parallelism:
    """Return how a copy is split on an instance type; over all its GPUs where none of the sizes fits."""
    size = component.tp_size_by_type.get(instance.name, component.tp_size)
    if size is None:
        fits = fitting_splits(component, instance, context_of(component))
        size = fits[0].gpus if fits else instance.gpu_count
    return Parallelism(
        gpus=max(1, size), attention_dp=component.attention_dp, expert_parallel=component.expert_parallel
    )


def tp_sizes(component: ComponentRequest, instances: Iterable[GpuInstance]) -> dict[str, int]:
    """Return the GPUs of a copy by instance type."""
    return {instance.name: split_on(component, instance).gpus for instance in instances}
