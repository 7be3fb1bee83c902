"""The KV cache's tier in host memory (HiCache), limited to the memory that a copy reserves on its host."""

from __future__ import annotations

import math
from typing import Final

from cdk_sglang.engine import SglangOptions
from cdk_sglang.errors import Problem
from cdk_sglang.tokens import is_token

_SHARE: Final = 0.8
"""Share of the copy's memory that adapters leave: SGLang's own default (--hicache-host-memory-fraction, 0.5.23), which it applies to the whole host."""

_GB: Final = 10**9
_MIB: Final = 2**20
_GIB: Final = 2**30


def sized_for_host(server: SglangOptions, memory_mib: int, *, adapters_gib: float = 0.0) -> SglangOptions:
    """Return the options with a size for the host tier, if they switch it on without a size.

    SGLang measures the memory of the whole host, which the copies on an instance share: each copy would take most of it.

    Args:
        server: SGLang's options.
        memory_mib: Host memory that a copy reserves.
        adapters_gib: Part of it that LoRA adapters take.
    """
    hicache = server.hicache
    is_sized = hicache is None or any((hicache.ratio, hicache.size_gb, hicache.host_memory_fraction))
    if hicache is None or is_sized or hicache.host_memory_mode == "buffer_only" or is_token(memory_mib):
        return server
    fits = _fits_gb(server, memory_mib, adapters_gib)
    return server if fits < 1 else server.model_copy(update={"hicache": hicache.model_copy(update={"size_gb": fits})})


def host_cache_problems(
    path: str, server: SglangOptions, memory_mib: int, *, adapters_gib: float = 0.0
) -> list[Problem]:
    """Return a problem if the host tier is larger than the copy's reservation.

    Args:
        path: Path of the options.
        server: SGLang's options.
        memory_mib: Host memory that a copy reserves.
        adapters_gib: Part of it that LoRA adapters take.
    """
    hicache = server.hicache
    if hicache is None or is_token(memory_mib):
        return []
    fits, size = _fits_gb(server, memory_mib, adapters_gib), hicache.size_gb
    beside = f" beside {adapters_gib:.1f} GiB of adapters" if adapters_gib else ""
    if fits < 1 and hicache.host_memory_mode != "buffer_only":
        return [
            Problem(
                f"{path}.hicache",
                f"the copy reserves {memory_mib} MiB of its host, too little for a tier{beside}; raise resources.memory_mib",
            )
        ]
    if size is not None and size > fits:
        fit = f"{fits} GB fit into {memory_mib} MiB of host memory{beside}; use {fits} or raise resources.memory_mib"
        return [Problem(f"{path}.hicache.size_gb", f"{size} GB for each of {server.gpus_per_copy} GPUs, and {fit}")]
    return []


def _fits_gb(server: SglangOptions, memory_mib: int, adapters_gib: float) -> int:
    """Gigabytes for each GPU's process."""
    left = memory_mib * _MIB - adapters_gib * _GIB
    return max(0, math.floor(_SHARE * left / server.gpus_per_copy / _GB))
