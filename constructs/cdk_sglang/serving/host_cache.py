"""The KV cache's tier in host memory (HiCache), held to what a copy reserves of its host."""

from __future__ import annotations

import math
from typing import Final

from cdk_sglang.serving.sglang import SglangOptions
from cdk_sglang.serving.tokens import is_token

_SHARE: Final = 0.8
"""Of a copy's memory: SGLang's own default (--hicache-host-memory-fraction, 0.5.23), which it takes of the whole host."""

_GB: Final = 10**9
_MIB: Final = 2**20


def sized_for_host(server: SglangOptions, memory_mib: int) -> SglangOptions:
    """Return the options with the host tier's size, where they switch it on and leave its size open.

    SGLang measures the whole host, which the copies on an instance share: each would take most of it.

    Args:
        server: SGLang's options.
        memory_mib: Host memory that a copy reserves.
    """
    hicache = server.hicache
    given = hicache is None or any((hicache.ratio, hicache.size_gb, hicache.host_memory_fraction))
    if hicache is None or given or hicache.host_memory_mode == "buffer_only" or is_token(memory_mib):
        return server
    fits = _fits_gb(server, memory_mib)
    return server if fits < 1 else server.model_copy(update={"hicache": hicache.model_copy(update={"size_gb": fits})})


def host_cache_problems(path: str, server: SglangOptions, memory_mib: int) -> list[str]:
    """Say that the host tier is larger than what a copy reserves of its host.

    Args:
        path: Where the options stand.
        server: SGLang's options.
        memory_mib: Host memory that a copy reserves.
    """
    hicache = server.hicache
    if hicache is None or is_token(memory_mib):
        return []
    fits, size = _fits_gb(server, memory_mib), hicache.size_gb
    if fits < 1 and hicache.host_memory_mode != "buffer_only":
        return [
            f"{path}.hicache: the copy reserves {memory_mib} MiB of its host, too little for a tier; raise resources.memory_mib"
        ]
    if size is not None and size > fits:
        fit = f"{fits} GB fit into {memory_mib} MiB of host memory; use {fits} or raise resources.memory_mib"
        return [f"{path}.hicache.size_gb: {size} GB for each of {server.gpus_per_copy} GPUs, and {fit}"]
    return []


def _fits_gb(server: SglangOptions, memory_mib: int) -> int:
    """Gigabytes for each GPU's process."""
    return math.floor(_SHARE * memory_mib * _MIB / server.gpus_per_copy / _GB)
