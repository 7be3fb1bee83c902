"""Changes with which a component fits on the same instance, cheapest first; each is verified with the planner before it is proposed."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cdk_sglang.models.architecture import Quantization
from cdk_sglang.models.known_models import all_models
from cdk_sglang.planning.fits import fitting_splits, holds
from cdk_sglang.planning.memory import memory_of
from cdk_sglang.planning.pools import cache_format

if TYPE_CHECKING:
    from cdk_sglang.hardware import Gpu, GpuInstance, Price
    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.planning.fleet_request import ComponentRequest
    from cdk_sglang.planning.parallel import Parallelism

LEAN_CHUNK, LEAN_GRAPHS = 2048, 24
"""SGLang's own defaults on 24 GB GPUs up to 0.5.19 (one to three GPUs): less memory for prefills and graphs, more for the cache."""
LEAN_BELOW_MIB = 35 * 1024
HIGHEST_FRACTION = 0.92
"""Highest fraction to propose for weights and cache: activations and CUDA graphs need the rest."""
_CONTEXT_STEP: Final = 1024
_FP8_CACHE: Final = 8.9
"""Lowest compute capability on which SGLang's kernels read a cache in fp8_e4m3."""
_IN_FP8: Final = "kv_cache_dtype: fp8_e4m3"
_FORMATS: Final = re.compile(r"-(fp8|nvfp4|fp4|awq|gptq|int4|int8|mxfp4|w4a16|w8a8)\b.*$", re.IGNORECASE)
"""Suffix of a repository's name that states the format of its weights."""


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """One change with which a component fits on the same instance.

    Args:
        setting: SGLang's options and their values, or another change, in words.
        gpus: GPUs of a copy with it.
    """

    setting: str
    gpus: int


def same_instance_remedies(
    component: ComponentRequest, instance: GpuInstance, split: Parallelism, context: int
) -> list[Remedy]:
    """Return the changes that each make one request of `context` tokens fit, cheapest first; empty if none does.

    Args:
        component: Component that does not fit as it is.
        instance: Instance type.
        split: How a copy is spread over GPUs.
        context: Tokens of the longest request that must fit.
    """
    gpu, gpus = instance.gpu, split.gpus
    of_fraction = _share_of_memory(component, gpu, split, context)
    found = [Remedy(setting=of_fraction, gpus=gpus)] if of_fraction else []
    if component.facts.architecture.quantization.float32:
        half = dataclasses.replace(component, facts=component.facts.in_float32(wide=False))
        if holds(half, gpu, split, context):
            found.insert(0, Remedy(setting="dtype: auto", gpus=gpus))
    in_fp8 = dataclasses.replace(component, kv_dtype="fp8")
    plain = cache_format(component.facts.architecture, gpu, component.kv_dtype) in {"bf16", "float32"}
    if plain and float(gpu.compute_capability) >= _FP8_CACHE:
        if holds(in_fp8, gpu, split, context):
            found.append(Remedy(setting=_IN_FP8, gpus=gpus))
        elif not found and (both := _share_of_memory(in_fp8, gpu, split, context)):
            found.append(Remedy(setting=f"{both} and {_IN_FP8}", gpus=gpus))
    if shorter := _shorter(component, gpu, split, context):
        found.append(Remedy(setting=shorter, gpus=gpus))
    wider = [other for other in fitting_splits(component, instance, context) if other.gpus > gpus]
    if wider and component.tp_size_by_type.get(instance.name, component.tp_size) is not None:
        found.append(Remedy(setting=f"tp_size: {wider[0].tensor}", gpus=wider[0].gpus))
    if smaller := _stored_smaller(component, gpu, split, context):
        found.append(Remedy(setting=f"model.id: {smaller}", gpus=gpus))
    return found


def remedies_text(remedies: list[Remedy], *, price: Price | None, instance: GpuInstance) -> str:
    """Return the remedies as part of a sentence, grouped by cost.

    Args:
        remedies: At least one, cheapest first.
        price: Price of the instance; omitted from the text if None.
        instance: Instance type.
    """
    parts = []
    for gpus in dict.fromkeys(remedy.gpus for remedy in remedies):
        settings = ", or ".join(remedy.setting for remedy in remedies if remedy.gpus == gpus)
        usd = "" if price is None else f" ({price.usd_per_hour * gpus / instance.gpu_count:,.2f} $/h per copy)"
        parts.append(settings + usd)
    return f"it fits here with {', or '.join(parts)}"


def _share_of_memory(component: ComponentRequest, gpu: Gpu, split: Parallelism, context: int) -> str:
    """Return the share of memory, and on small GPUs the options, with which it fits; empty if there is none."""
    lean, words = _lean(component, gpu)
    if words and component.mem_fraction is None and holds(lean, gpu, split, context):
        return words
    fraction = _fraction(lean, gpu, split, context)
    if fraction is None:
        return ""
    return f"mem_fraction_static: {fraction:.2f}" + (f" with {words}" if words else "")


def _lean(component: ComponentRequest, gpu: Gpu) -> tuple[ComponentRequest, str]:
    """Return the component with small chunks and graphs, and these options; unchanged and "" if they free nothing or are already set."""
    if gpu.memory_mib >= LEAN_BELOW_MIB or not _is_wider(component):
        return component, ""
    engine = dataclasses.replace(component.engine, chunked_prefill_size=LEAN_CHUNK, cuda_graph_max_bs=LEAN_GRAPHS)
    words = f"chunked_prefill_size: {LEAN_CHUNK} and cuda_graph_max_bs: {LEAN_GRAPHS}"
    return dataclasses.replace(component, engine=engine), words


def _is_wider(component: ComponentRequest) -> bool:
    """Return whether chunks or graphs are larger than the lean ones, as they are by default."""
    chunk, graphs = component.engine.chunked_prefill_size, component.engine.cuda_graph_max_bs
    return chunk is None or not 0 < chunk <= LEAN_CHUNK or graphs is None or graphs > LEAN_GRAPHS


def _fraction(component: ComponentRequest, gpu: Gpu, split: Parallelism, context: int) -> float | None:
    """Return the smallest share of memory, rounded to hundredths, at which it fits; None above `HIGHEST_FRACTION`."""
    hundredths = math.floor(memory_of(component, gpu, split).fraction * 100) + 1
    for step in range(max(1, hundredths), round(HIGHEST_FRACTION * 100) + 1):
        if holds(dataclasses.replace(component, mem_fraction=step / 100), gpu, split, context):
            return step / 100
    return None


def _shorter(component: ComponentRequest, gpu: Gpu, split: Parallelism, context: int) -> str:
    """Return a shorter context that fits, with lean options only if needed; empty if the expected load is longer."""
    if length := _context(component, gpu, split):
        return f"context_length: {length}"
    lean, words = _lean(component, gpu)
    length = _context(lean, gpu, split) if words and component.mem_fraction is None else None
    if length and length < context:
        return f"context_length: {length} and {words}"
    return ""


def _context(component: ComponentRequest, gpu: Gpu, split: Parallelism) -> int | None:
    """Return the longest context, in steps of 1,024 tokens, that fits in the pool; None if the expected load is longer."""
    memory = memory_of(component, gpu, split)
    length = memory.kv_tokens // _CONTEXT_STEP * _CONTEXT_STEP
    if length < max(_CONTEXT_STEP, component.input_tokens + component.output_tokens):
        return None
    return length if memory.shortfall_gib(length) <= 0 else None


def _stored_smaller(component: ComponentRequest, gpu: Gpu, split: Parallelism, context: int) -> str:
    """Return the id of the same model in a smaller format, the largest that fits; empty if the catalogue has none."""
    own = component.facts
    if own.architecture.quantization.float32:
        return ""  # with which SGLang refuses the smaller formats
    others = [other for other in all_models() if other.weights_gib < own.weights_gib and _same_model(own, other)]
    for other in sorted(others, key=lambda other: (-other.weights_gib, other.id)):
        if holds(dataclasses.replace(component, facts=other), gpu, split, context):
            return other.id
    return ""


def _same_model(one: ModelFacts, other: ModelFacts) -> bool:
    """Return whether two repositories hold the same model in different formats: names equal up to the format, and equal shapes."""
    names = [_FORMATS.sub("", facts.id.split("/")[-1]).lower() for facts in (one, other)]
    if names[0] != names[1] or other.architecture.quantization.method == "bf16":
        return False
    shapes = [dataclasses.replace(facts.architecture, quantization=Quantization()) for facts in (one, other)]
    return shapes[0] == shapes[1]
