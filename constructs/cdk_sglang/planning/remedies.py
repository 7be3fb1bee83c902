"""Options with which a component that does not fit would fit on the same instance, each tried with the planner before it is named."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from cdk_sglang.planning.memory import memory_of

if TYPE_CHECKING:
    from cdk_sglang.hardware import Gpu
    from cdk_sglang.planning.fleet_request import ComponentRequest
    from cdk_sglang.planning.parallel import Parallelism

LEAN_CHUNK, LEAN_GRAPHS = 2048, 24
"""What SGLang took itself on 24 GB GPUs up to 0.5.19 (one to three GPUs): less room for prefills and graphs, more for the cache."""
LEAN_BELOW_MIB = 35 * 1024
HIGHEST_FRACTION = 0.92
"""Most to advise for weights and cache: activations and CUDA graphs need the rest."""


def same_instance_remedy(component: ComponentRequest, gpu: Gpu, split: Parallelism, context: int) -> str:
    """Return the options to set, in words; empty where none makes one request of `context` tokens fit.

    Args:
        component: What does not fit as it is.
        gpu: Each GPU.
        split: How a copy is spread.
        context: Longest request to hold.
    """
    lean, words = component, ""
    if gpu.memory_mib < LEAN_BELOW_MIB and _is_wider(component):
        lean = dataclasses.replace(
            component,
            engine=dataclasses.replace(
                component.engine, chunked_prefill_size=LEAN_CHUNK, cuda_graph_max_bs=LEAN_GRAPHS
            ),
        )
        words = f"chunked_prefill_size: {LEAN_CHUNK} and cuda_graph_max_bs: {LEAN_GRAPHS}"
        if component.mem_fraction is None and _fits(lean, gpu, split, context):
            return words
    fraction = _fraction(lean, gpu, split, context)
    if fraction is None:
        return ""
    return f"mem_fraction_static: {fraction:.2f}" + (f" with {words}" if words else "")


def _is_wider(component: ComponentRequest) -> bool:
    """Return whether chunks or graphs are larger than the lean ones, as they are by default."""
    chunk, graphs = component.engine.chunked_prefill_size, component.engine.cuda_graph_max_bs
    return chunk is None or not 0 < chunk <= LEAN_CHUNK or graphs is None or graphs > LEAN_GRAPHS


def _fraction(component: ComponentRequest, gpu: Gpu, split: Parallelism, context: int) -> float | None:
    """Return the least share of memory, in hundredths, at which it fits; None above `HIGHEST_FRACTION`."""
    hundredths = math.floor(memory_of(component, gpu, split).fraction * 100) + 1
    for step in range(max(1, hundredths), round(HIGHEST_FRACTION * 100) + 1):
        tried = dataclasses.replace(component, mem_fraction=step / 100)
        if _fits(tried, gpu, split, context):
            return step / 100
    return None


def _fits(component: ComponentRequest, gpu: Gpu, split: Parallelism, context: int) -> bool:
    memory = memory_of(component, gpu, split)
    return memory.cache_gib > 0 and memory.shortfall_gib(context) <= 0
