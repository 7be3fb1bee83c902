"""Memory of one GPU: what is there, what the model takes, what is left for the cache, and how many requests that holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdk_sglang.planning.adapters import ALL_MODULES, adapter_slots_gib
from cdk_sglang.planning.formats import format_problems
from cdk_sglang.planning.parallel import (
    GIB,
    LOADER_OVERHEAD_GIB,
    Parallelism,
    kv_bytes_per_token,
    weights_bytes_per_gpu,
)
from cdk_sglang.planning.static_fraction import serves_images, sglang_fraction

if TYPE_CHECKING:
    from cdk_sglang.hardware import Gpu
    from cdk_sglang.models.architecture import ModelArchitecture
    from cdk_sglang.planning.fleet_request import ComponentRequest
    from cdk_sglang.planning.parallel import KvPerToken
    from cdk_sglang.planning.static_fraction import EngineOptions

COMMUNICATION_GIB = 1.9
"""Taken on each GPU when tensor parallelism starts over NVLink: SGLang logs 1.96 to 2.01 on 8 H200 (2025-10)."""
INIT_GIB = 0.18
"""Taken on one GPU between SGLang's first look at free memory and the weights: two logs of 2025 (16 GB and 24 GB GPUs) imply
0.17 and 0.19. An assumption beyond those two; with more GPUs one log fits without it."""
IMAGES_GIB = 100 / 1024
"""Kept off the cache for embeddings of images (SGLANG_VLM_CACHE_SIZE_MB of SGLang 0.5.23, kv_cache_configurator.py)."""
ACTIVATION_GIB = 1.4
"""vLLM's activation peak of 1.5B to 8B models at its default budget (logs of 2025)."""
GRAPH_GIB_PER_SIZE = 1.44 / 52
"""CUDA graphs per captured batch size: 1.44 GiB for 52 sizes up to 512 on B200 (sglang#11830)."""
HYBRID_STATE_RATIO = 0.9
"""SGLang's default share of recurrent state to KV cache for hybrid models (--mamba-full-memory-ratio)."""
SLIDING_POOL_RATIO = 0.8
"""SGLang's default ratio of sliding-window to full-attention tokens (--swa-full-tokens-ratio): logs show 300,288 of 375,360."""
VLLM_UTILIZATION = 0.9
TRTLLM_FREE_FRACTION = 0.9
"""Defaults of --gpu-memory-utilization and free_gpu_memory_fraction."""


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """Memory of the fullest GPU of one copy, GiB.

    Args:
        total_gib: Free before anything is loaded.
        communication_gib: Taken by GPU-to-GPU communication, on one GPU by the engine's start.
        weights_gib: Weights as the engine logs them.
        draft_gib: A draft model's or prediction layers' weights.
        adapters_gib: Slots for LoRA adapters.
        cache_gib: Left for the KV cache (and recurrent state); negative when the weights alone do not fit.
        state_gib: Of that, recurrent state of hybrid models.
        reserve_gib: Kept for activations and CUDA graphs by the engine's fraction.
        fraction: The static fraction (SGLang), utilization (vLLM) or free fraction (TensorRT-LLM).
        engine_fraction: What the engine takes for it when it is not told.
        kv: Bytes per token.
        kv_tokens: Tokens the cache holds; 0 when nothing fits.
    """

    total_gib: float
    communication_gib: float
    weights_gib: float
    draft_gib: float
    adapters_gib: float
    cache_gib: float
    state_gib: float
    reserve_gib: float
    fraction: float
    engine_fraction: float
    kv: KvPerToken
    kv_tokens: int

    def requests(self, context: float) -> int:
        """Return how many requests of `context` tokens the cache holds at once.

        Args:
            context: Tokens of a request, answer included.
        """
        if self.kv_tokens <= 0:
            return 0
        return max(0, int(self.kv_tokens // max(1.0, context)))

    def shortfall_gib(self, context: float) -> float:
        """Return GiB missing per GPU to hold one request of `context` tokens; 0 when it fits.

        Args:
            context: Tokens of a request, answer included.
        """
        needed = (self.kv.unbounded + self.kv.sliding * SLIDING_POOL_RATIO) * context / GIB
        return max(0.0, needed - (self.cache_gib - self.state_gib))


def default_fraction(
    engine: str, model: ModelArchitecture, gpu: Gpu, split: Parallelism, options: EngineOptions | None = None
) -> float:
    """Return the share of memory an engine takes when it is not told."""
    if engine == "vllm":
        return VLLM_UTILIZATION
    if engine == "trtllm":
        return TRTLLM_FREE_FRACTION
    return sglang_fraction(model, gpu, split, options)


def plan_memory(
    model: ModelArchitecture,
    gpu: Gpu,
    split: Parallelism,
    *,
    engine: str = "sglang",
    kv_dtype: str = "bf16",
    fraction: float | None = None,
    options: EngineOptions | None = None,
    draft_gib: float = 0.0,
    mtp: bool = False,
    lora_slots: int = 0,
    lora_rank: int = 16,
    lora_modules: tuple[str, ...] = ALL_MODULES,
) -> MemoryPlan:
    """Return what fits on each GPU.

    SGLang: cache = free after load - free before load x (1 - fraction), the rule of its scheduler. vLLM: cache =
    utilization x total - weights - activations - graphs. TensorRT-LLM: cache = fraction x free after load.

    Args:
        model: The model.
        gpu: Each GPU.
        split: How one copy is spread.
        engine: `sglang`, `vllm` or `trtllm`.
        kv_dtype: Format of the cache.
        fraction: As the engine takes it; None for its default.
        options: SGLang's release and the options that its default follows.
        draft_gib: Weights of a draft model on each GPU.
        mtp: Load the model's own prediction layers as draft.
        lora_slots: Adapters kept on the GPU; 0 for none.
        lora_rank: Their rank.
        lora_modules: What they may change, as SGLang takes it.
    """
    communication = COMMUNICATION_GIB if split.tensor > 1 and gpu.nvlink_gb_s is not None else 0.0
    before = gpu.memory_gib - communication
    weights = weights_bytes_per_gpu(model, split) / GIB + LOADER_OVERHEAD_GIB
    draft = draft_gib + (
        (weights_bytes_per_gpu(model, split, mtp=True) - weights_bytes_per_gpu(model, split)) / GIB if mtp else 0.0
    )
    adapters = adapter_slots_gib(model, split, slots=lora_slots, rank=lora_rank, modules=lora_modules)
    default = default_fraction(engine, model, gpu, split, options)
    share = default if fraction is None else fraction
    init = INIT_GIB if engine == "sglang" and split.tensor == 1 else 0.0
    after = before - init - weights - draft - adapters
    if engine == "vllm":
        cache = share * gpu.memory_gib - communication - weights - draft - adapters - ACTIVATION_GIB
    elif engine == "trtllm":
        cache = share * (after - ACTIVATION_GIB)
    else:
        cache = after - before * (1 - share) - (IMAGES_GIB if serves_images(model, options) else 0.0)
    kv = kv_bytes_per_token(model, split, kv_dtype)
    state = cache * HYBRID_STATE_RATIO / (1 + HYBRID_STATE_RATIO) if model.linear and cache > 0 else 0.0
    per_token = kv.unbounded + kv.sliding * SLIDING_POOL_RATIO
    tokens = int((cache - state) * GIB // per_token) if cache > 0 and per_token > 0 else 0
    return MemoryPlan(
        total_gib=gpu.memory_gib,
        communication_gib=communication + init,
        weights_gib=weights,
        draft_gib=draft,
        adapters_gib=adapters,
        cache_gib=cache,
        state_gib=state,
        reserve_gib=max(0.0, after - max(0.0, cache)),
        fraction=share,
        engine_fraction=default,
        kv=kv,
        kv_tokens=tokens,
    )


def memory_of(component: ComponentRequest, gpu: Gpu, split: Parallelism) -> MemoryPlan:
    """Return what fits on each GPU of a component's copy under SGLang, with the options the component asks for.

    Args:
        component: The component.
        gpu: Each GPU.
        split: How one copy is spread.
    """
    return plan_memory(
        component.facts.architecture,
        gpu,
        split,
        kv_dtype=component.kv_dtype or "bf16",
        fraction=component.mem_fraction,
        options=component.engine,
        draft_gib=component.draft_gib,
        mtp=component.mtp,
        lora_slots=component.lora_slots,
        lora_rank=component.lora_rank,
        lora_modules=component.lora_modules,
    )


def smallest_split(
    model: ModelArchitecture,
    gpu: Gpu,
    *,
    gpus: int,
    context: float,
    kv_dtype: str = "bf16",
    fraction: float | None = None,
) -> Parallelism | None:
    """Return the fewest GPUs (1, 2, 4, 8 ...) on which the model and one request of `context` tokens fit; None if none."""
    for exponent in range(int(math.log2(max(1, gpus))) + 1):
        split = Parallelism(gpus=2**exponent)
        plan = plan_memory(model, gpu, split, kv_dtype=kv_dtype, fraction=fraction)
        if not split_problems(model, gpu, split) and plan.shortfall_gib(context) <= 0 and plan.cache_gib > 0:
            return split
    return None


def split_problems(model: ModelArchitecture, gpu: Gpu, split: Parallelism) -> list[str]:
    """Return why the engine would refuse this model on these GPUs; each line says what to do instead.

    Args:
        model: Shape of the model.
        gpu: GPU of the instance.
        split: How a copy is spread over GPUs.
    """
    problems = []
    tp, attention_tp = split.tensor, split.attention_tp
    if model.heads % attention_tp:
        fits = [n for n in (1, 2, 4, 8, 16) if model.heads % n == 0]
        problems.append(
            f"tp {tp} does not divide {model.heads} attention heads; use one of {', '.join(map(str, fits))}"
        )
    kv_heads = model.kv_heads if model.mla is None else attention_tp
    if kv_heads % attention_tp and attention_tp % kv_heads:
        problems.append(
            f"tp {tp} and {kv_heads} key/value heads do not divide each other; use {largest_divisor(kv_heads, tp)}"
        )
    quantization = model.quantization
    if quantization.method == "fp8" and quantization.block:
        problems += _block_problems(model, split, quantization.block)
    return problems + format_problems(model, gpu)


def _block_problems(model: ModelArchitecture, split: Parallelism, block: int) -> list[str]:
    """Block-quantized weights must be sliced at block borders: sglang#5858, Qwen3#1485."""
    tp = split.tensor
    slices = []
    if model.moe and not split.expert_parallel:
        slices.append(("expert width", model.moe.intermediate_size))
    if model.dense_layers:
        slices.append(("MLP width", model.intermediate_size))
    problems = []
    for name, width in slices:
        if width % tp or (width // tp) % block:
            fit = next(
                (n for n in (64, 32, 16, 8, 4, 2, 1) if n < tp and width % n == 0 and (width // n) % block == 0), None
            )
            advice = f"use tp {fit}" if fit else "use weights without block quantization"
            experts = f", or expert parallelism (ep_size {tp})" if name == "expert width" else ""
            problems.append(
                f"{name} {width} / tp {tp} = {width / tp:g} is not a multiple of the fp8 weight block {block}; {advice}{experts}"
            )
    return problems


def largest_divisor(number: int, at_most: int) -> int:
    """Return the largest divisor of `number` that is not above `at_most`."""
    return max(n for n in range(1, max(1, at_most) + 1) if number % n == 0)
