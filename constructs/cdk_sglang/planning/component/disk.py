"""Checks that the files of a model and of its KV cache fit on the NVMe of an instance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cdk_sglang.errors import Problem
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.planning.component.file_cache import FileCache, file_cache
from cdk_sglang.planning.component.variants import ModelVariant

if TYPE_CHECKING:
    from cdk_sglang.spec.component import Component

_GB: Final = 10**9


def disk_problems(path: str, component: Component, variants: Sequence[ModelVariant], *, copies: int) -> list[Problem]:
    """Return the instance types on whose NVMe the files of the model and the cache do not fit.

    This counts as many copies of the component as an instance can hold; they share the model's files. Types without NVMe have a volume
    of unknown size and are not checked.

    Args:
        path: Path of the component.
        component: The component.
        variants: Its options on the endpoint's types.
        copies: Maximum number of copies.
    """
    weights_gb = (component.model.weights_bytes or 0) / _GB
    problems = []
    for variant in variants:
        cache = file_cache(variant.server, facts=variant.facts, added=component.environment)
        for instance in variant.instances:
            if instance.nvme_gb <= 0:
                continue
            if weights_gb > instance.nvme_gb:
                problems.append(
                    Problem(
                        f"{path}.model",
                        f"{weights_gb:,.0f} GB of files, and {instance.name} has {instance.nvme_gb:,.0f} GB of NVMe, where SageMaker "
                        "puts them; use a type with more",
                    )
                )
            elif cache is not None:
                together = min(copies, instance.gpu_count // variant.server.gpus_per_copy)
                problems += _cache_problems(f"{path}.server", cache, instance, weights_gb, max(1, together))
    return problems


def _cache_problems(
    path: str, cache: FileCache, instance: GpuInstance, weights_gb: float, copies: int
) -> list[Problem]:
    setting = f"{path}.hicache.storage_extra_config"
    room = f"{instance.name} has {instance.nvme_gb:,.0f} GB of NVMe"
    weights = f" beside {weights_gb:,.0f} GB of weights" if weights_gb else ""
    free_gb = cache.min_free_bytes / _GB
    if free_gb + weights_gb > instance.nvme_gb:
        return [
            Problem(f"{setting}.min_free_space", f"{free_gb:,.0f} GB are to stay free{weights}, and {room}; use less")
        ]
    needed = weights_gb + copies * (cache.copy_gb or 0)
    if needed <= instance.nvme_gb:
        return []
    files = copies * cache.writers
    fits = math.floor((instance.nvme_gb - weights_gb) / files)
    of = f"{cache.writers} {'process' if cache.writers == 1 else 'processes'}"
    times = of if copies == 1 else f"{of} of {copies} copies"
    advice = f"use {fits}G or less" if fits else "leave the storage backend out"
    return [
        Problem(
            f"{setting}.max_size",
            f"{cache.max_bytes / _GB:,.0f} GB for each of {times}{weights} are {needed:,.0f} GB, and {room}; {advice}, or a "
            "type with more",
        ),
    ]
