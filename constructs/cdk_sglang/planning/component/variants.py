"""The models of one component: one for all instance types, or one for each group of types that splits a copy differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdk_sglang.engine import SglangOptions, environment_problems
from cdk_sglang.errors import Problem
from cdk_sglang.planning.component.file_cache import file_cache_problems
from cdk_sglang.planning.component.host_cache import sized_for_host
from cdk_sglang.planning.component.host_memory import (
    HostNeeds,
    host_memory_problems,
    host_needs,
    least_memory_mib,
)
from cdk_sglang.planning.component.sizes import with_planned_fraction
from cdk_sglang.spec.task import TASK_VARIABLE, Task

if TYPE_CHECKING:
    from cdk_sglang.hardware import GpuInstance
    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.planning.component.hosting import Hosting
    from cdk_sglang.spec.component import Component
    from cdk_sglang.spec.image_facts import ImageFacts


@dataclass(frozen=True, kw_only=True)
class ModelVariant:
    """Server options and environment of a component on some of its endpoint's instance types.

    Args:
        instances: The types, most preferred first.
        server: The options, with the tp_size of these types.
        memory_mib: Host memory that a copy reserves on the type with the least memory.
        needs: Host memory of its processes in addition to the cache's tier.
        facts: Facts of the model; None if unknown, or if no option takes host memory or disk.
        rendered: Environment variables rendered from the options.
        has_experts: Whether the model is a mixture of experts; None if unknown, and if no option depends on it.
    """

    instances: tuple[GpuInstance, ...]
    server: SglangOptions
    memory_mib: int
    needs: HostNeeds
    facts: ModelFacts | None
    rendered: Mapping[str, str]
    has_experts: bool | None = None

    def problems(self, path: str, *, image: ImageFacts, added: Mapping[str, str]) -> list[Problem]:
        """Return the problems of the options on these types, and of the environment variables added to theirs.

        Args:
            path: Path of the component.
            image: Serving image.
            added: Environment variables that the user adds.
        """
        oldest = min((instance.gpu.compute_capability for instance in self.instances), key=float)
        return [
            *self.server.problems(
                f"{path}.server",
                gpu_capability=oldest,
                has_experts=self.has_experts,
                sglang_version=image.sglang_version,
            ),
            *self.server.problems_for(image.kind, f"{path}.server", sglang_version=image.sglang_version),
            *host_memory_problems(f"{path}.server", self.server, self.needs, self.memory_mib),
            *file_cache_problems(f"{path}.server", self.server, added),
            *environment_problems(added, f"{path}.environment", rendered=self.rendered),
        ]


def gpus_by_type(variants: Sequence[ModelVariant]) -> dict[str, int]:
    """Return the GPUs of a copy by instance type."""
    return {instance.name: variant.server.gpus_per_copy for variant in variants for instance in variant.instances}


def tp_size_problems(path: str, sizes: Mapping[str, int], instances: Sequence[GpuInstance]) -> list[Problem]:
    """Return a problem for each size whose type is not one of the endpoint's."""
    names = [instance.name for instance in instances]
    return [
        Problem(
            f"{path}.tp_size_by_type.{name}", f"the endpoint has no such type, it has {', '.join(names)}; remove it"
        )
        for name in sizes
        if name not in names
    ]


def model_variants(
    component: Component, hosting: Hosting, *, facts: ModelFacts | None, sizes: Mapping[str, int], task: Task = "chat"
) -> tuple[ModelVariant, ...]:
    """Return the variants of a component, one for each different set of options, that of the most preferred type first.

    Args:
        component: The component.
        hosting: Its endpoint, whose image decides how options become variables.
        facts: Facts of the model; None if unknown.
        sizes: GPUs of a forward pass by instance type.
        task: Task of the component; it is passed to the container unless it is chat.
    """
    of_task = {} if task == "chat" else {TASK_VARIABLE: task}
    server, kind = component.server, hosting.image.kind
    plain = server.lora is None and server.load_format is None and server.hicache is None
    has_experts = None if server.quantization is None or facts is None else facts.architecture.moe is not None
    decisive = None if plain else facts
    needs = host_needs(server, facts=decisive, weights_bytes=component.model.weights_bytes, added=component.environment)
    variants = []
    for split, types in _splits(component, hosting, facts=facts, sizes=sizes):
        memory_mib = least_memory_mib(types, component.resources, gpus=split.gpus_per_copy)
        adapters_gib = needs.adapters_gib * split.gpus_per_copy
        sized = sized_for_host(split, memory_mib, adapters_gib=adapters_gib)
        variants.append(
            ModelVariant(
                instances=types,
                server=sized,
                memory_mib=memory_mib,
                needs=needs,
                facts=decisive,
                rendered={**sized.environment(image_kind=kind, sglang_version=hosting.image.sglang_version), **of_task},
                has_experts=has_experts,
            )
        )
    return tuple(variants)


def _splits(
    component: Component, hosting: Hosting, *, facts: ModelFacts | None, sizes: Mapping[str, int]
) -> list[tuple[SglangOptions, tuple[GpuInstance, ...]]]:
    """Return each different set of options with its instance types, that of the most preferred type first."""
    server, version = component.server, hosting.image.sglang_version
    splits: list[tuple[SglangOptions, list[GpuInstance]]] = []
    for instance in hosting.instances:
        size = sizes[instance.name]
        split = server if size == server.tp_size else server.with_tp_size(size)
        options = with_planned_fraction(split, facts, instance, engine_version=version)
        same = next((types for known, types in splits if known == options), None)
        if same is None:
            splits.append((options, [instance]))
        else:
            same.append(instance)
    return [(options, tuple(types)) for options, types in splits]
