"""Host memory of a copy: adapters, the KV cache's tier and the buffers for reading weights, checked against the copy's reservation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cdk_sglang.engine import SglangOptions
from cdk_sglang.errors import Problem
from cdk_sglang.planning.adapters import adapter_host_gib
from cdk_sglang.planning.component.host_cache import host_cache_problems, sized_for_host
from cdk_sglang.planning.fleet_request import HostMemory
from cdk_sglang.spec.resources import HostResources
from cdk_sglang.tokens import is_token

if TYPE_CHECKING:
    from cdk_sglang.hardware import GpuInstance
    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.spec.component import Component
    from cdk_sglang.weights import AdapterConfig

_GIB: Final = 2**30
_MIB: Final = 2**20
_MIB_PER_GIB: Final = 1024
_GB: Final = 10**9

DEFAULT_LORA_SLOTS: Final = 8
"""SGLang's default for --max-loras-per-batch (0.5.23), which is also the minimum for --max-loaded-loras."""

_STREAMER: Final = "runai_streamer"
_STREAMER_LIMIT_VARIABLE: Final = "RUNAI_STREAMER_MEMORY_LIMIT"
_STREAMER_LIMIT_BYTES: Final = 40 * _GB
"""Default size of its buffer. An assumption: users report 40 GB for the versions that SGLang uses (0.15.7 and later); up to
commit 0bf29a0 its source has no limit (github.com/run-ai/runai-model-streamer, file_streamer/requests_iterator.py, read 2026-11)."""


@dataclass(frozen=True, kw_only=True)
class HostNeeds:
    """Host memory of each GPU's process in addition to the cache's tier; a copy has one process per GPU.

    Args:
        adapters: Number of adapters that SGLang keeps; 0 without adapters, or if their number is unbounded.
        adapter_gib: GiB of one adapter of the largest size that the options allow; 0 if the model is unknown.
        loading_gib: GiB of the buffer for reading weights; 0 if files are mapped into memory or their size is unknown.
    """

    adapters: int = 0
    adapter_gib: float = 0.0
    loading_gib: float = 0.0

    @property
    def adapters_gib(self) -> float:
        """GiB of all adapters of one process."""
        return self.adapters * self.adapter_gib


def host_needs(
    server: SglangOptions, *, facts: ModelFacts | None, weights_bytes: float | None, added: Mapping[str, str]
) -> HostNeeds:
    """Return the host memory that the options need.

    Args:
        server: SGLang's options.
        facts: Facts of the model; None if unknown.
        weights_bytes: Size of its files in bytes; derived from its facts if None.
        added: Further environment variables of the container.
    """
    if weights_bytes is None and facts is not None:
        weights_bytes = facts.weights_gib * _GIB
    lora = server.lora
    kept = None if lora is None else lora.max_loaded_loras
    return HostNeeds(
        adapters=kept or 0,
        adapter_gib=0.0 if kept is None else adapter_gib(server, facts, None) or 0.0,
        loading_gib=_loading_bytes(server, weights_bytes, added) / _GIB,
    )


def adapter_gib(server: SglangOptions, facts: ModelFacts | None, config: AdapterConfig | None) -> float | None:
    """Return the GiB that one adapter takes in each GPU's process; None if unknown.

    Args:
        server: SGLang's options, which limit the rank and modules of adapters.
        facts: The model.
        config: Rank and modules of the adapter; if None, the largest that the options allow.
    """
    lora = server.lora
    if lora is None or facts is None or not facts.described:
        return None
    rank = config.rank if config is not None else lora.max_rank
    modules = config.target_modules if config is not None else lora.target_modules
    if rank is None or modules is None:
        return None
    return adapter_host_gib(facts.architecture, rank=rank, modules=modules)


def least_memory_mib(instances: Iterable[GpuInstance], resources: HostResources | None, *, gpus: int) -> int:
    """Return the host memory in MiB of a copy with `gpus` GPUs on the type with the least memory; the reservation itself if specified."""
    if resources is not None:
        return resources.memory_mib
    return min(HostResources.share_of(instance, gpus=gpus).memory_mib for instance in instances)


def host_memory_problems(path: str, server: SglangOptions, needs: HostNeeds, memory_mib: int) -> list[Problem]:
    """Return what does not fit into the host memory that a copy reserves.

    Args:
        path: Path of the component's server options.
        server: SGLang's options, with the size of the cache's tier.
        needs: Other host memory of its processes.
        memory_mib: Host memory that a copy reserves.
    """
    if is_token(memory_mib):
        return []
    processes = server.gpus_per_copy
    problems = []
    adapters_gib = processes * needs.adapters_gib
    if adapters_gib * _MIB_PER_GIB > memory_mib:
        problems.append(_too_many_adapters(path, server, needs, memory_mib))
    else:
        problems += host_cache_problems(path, server, memory_mib, adapters_gib=adapters_gib)
    loading_gib = processes * needs.loading_gib
    if loading_gib * _MIB_PER_GIB > memory_mib:
        limit = memory_mib * _MIB // processes
        problems.append(
            Problem(
                f"{path}.load_format",
                f"{_STREAMER} reads {needs.loading_gib:.1f} GiB at a time into a buffer of each of {processes} processes, "
                f"{loading_gib:.1f} GiB, and the copy reserves {memory_mib} MiB of its host; set model_loader_extra_config: "
                f"{{memory_limit: {limit}}}, or raise resources.memory_mib to {math.ceil(loading_gib * _MIB_PER_GIB)}",
            )
        )
    return problems


def known_adapters_problems(
    path: str, server: SglangOptions, *, adapters: int, adapters_gib: float, memory_mib: int
) -> list[Problem]:
    """Return a problem if the adapters of a component, all of which SGLang keeps, do not fit into the copy's reservation.

    Args:
        path: Path of the first adapter that does not fit.
        server: SGLang's options, with the size of the cache's tier.
        adapters: Number of adapters, including it.
        adapters_gib: GiB that they take in each GPU's process.
        memory_mib: Host memory that a copy reserves.
    """
    if is_token(memory_mib):
        return []
    processes = server.gpus_per_copy
    tier_gib = processes * _tier_gib(server)
    needed = adapters_gib * processes + tier_gib
    if needed * _MIB_PER_GIB <= memory_mib:
        return []
    beside = f" beside {tier_gib:.1f} GiB of cache" if tier_gib else ""
    count = "1 adapter takes" if adapters == 1 else f"{adapters} adapters take"
    return [
        Problem(
            path,
            f"with it, {count} {adapters_gib * processes:.1f} GiB of host memory in {processes} "
            f"{_processes(processes)}{beside}, and the copy reserves {memory_mib} MiB; raise resources.memory_mib to "
            f"{math.ceil(needed * _MIB_PER_GIB)}, or let SGLang keep fewer with server.lora.max_loaded_loras",
        ),
    ]


def host_memory(server: SglangOptions, needs: HostNeeds, *, memory_mib: int, instance_gib: float) -> HostMemory:
    """Return a copy's host memory for the plan.

    Args:
        server: SGLang's options, with the size of the cache's tier.
        needs: What else its processes keep.
        memory_mib: Host memory that a copy reserves.
        instance_gib: Host memory of the instance, to which `host_memory_fraction` applies as an upper limit.
    """
    hicache, processes = server.hicache, server.gpus_per_copy
    fraction = None if hicache is None else hicache.host_memory_fraction
    return HostMemory(
        reserved_gib=memory_mib / _MIB_PER_GIB,
        loading_gib=processes * needs.loading_gib,
        cache_gib=processes * _tier_gib(server) if fraction is None else fraction * instance_gib,
        adapters_gib=processes * needs.adapters_gib,
        cache_ratio=None if hicache is None else hicache.ratio,
    )


def planned_host(component: Component, facts: ModelFacts, instance: GpuInstance, *, tp_size: int) -> HostMemory:
    """Return the host memory that a copy takes of an instance.

    Args:
        component: The component.
        facts: Facts of its model.
        instance: The instance type.
        tp_size: GPUs of a forward pass on it.
    """
    server = component.server
    split = server if tp_size == server.tp_size else server.with_tp_size(tp_size)
    needs = host_needs(split, facts=facts, weights_bytes=component.model.weights_bytes, added=component.environment)
    memory_mib = least_memory_mib([instance], component.resources, gpus=split.gpus_per_copy)
    sized = sized_for_host(split, memory_mib, adapters_gib=needs.adapters_gib * split.gpus_per_copy)
    return host_memory(sized, needs, memory_mib=memory_mib, instance_gib=instance.memory_gib)


def _too_many_adapters(path: str, server: SglangOptions, needs: HostNeeds, memory_mib: int) -> Problem:
    lora, processes = server.lora, server.gpus_per_copy
    assert lora is not None
    all_gib = processes * needs.adapters_gib
    fit = int(memory_mib / _MIB_PER_GIB / (processes * needs.adapter_gib))
    least = lora.max_loras_per_batch or DEFAULT_LORA_SLOTS
    fewer = f"use {fit} or fewer" if fit >= least else "lower max_rank, name fewer target_modules"
    return Problem(
        f"{path}.lora.max_loaded_loras",
        f"{needs.adapters} adapters of rank {lora.max_rank} take {all_gib:.1f} GiB of host memory in "
        f"{processes} {_processes(processes)}, and the copy reserves {memory_mib} MiB; {fewer}, or raise resources.memory_mib to "
        f"{math.ceil(all_gib * _MIB_PER_GIB)}",
    )


def _processes(count: int) -> str:
    return "process" if count == 1 else "processes, each of which keeps all of them"


def _tier_gib(server: SglangOptions) -> float:
    """Return the size of the tier of each GPU's process; 0 if it is not specified in gigabytes."""
    size = None if server.hicache is None else server.hicache.size_gb
    return 0.0 if size is None else size * _GB / _GIB


def _loading_bytes(server: SglangOptions, weights_bytes: float | None, added: Mapping[str, str]) -> float:
    """Return the buffer of each GPU's process: every process reads all files (SGLang 0.5.23, RunaiModelStreamerLoader, local paths)."""
    if server.load_format != _STREAMER or weights_bytes is None:
        return 0.0
    limit_bytes = (server.model_loader_extra_config or {}).get("memory_limit")
    if not isinstance(limit_bytes, int):  # SGLang then uses the variable
        text = added.get(_STREAMER_LIMIT_VARIABLE, "")
        if is_token(text):
            return 0.0
        limit_bytes = int(text) if text.removeprefix("-").isdecimal() else None
    limit = (
        _STREAMER_LIMIT_BYTES if limit_bytes is None else math.inf if limit_bytes < 0 else limit_bytes
    )  # -1: no limit, 0: the largest tensor
    return min(weights_bytes, limit)
