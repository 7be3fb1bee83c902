"""Memory of one GPU: how much it has, what the model takes, what is left for the cache, and how many requests fit in the cache."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdk_sglang.planning.adapters import ALL_MODULES, adapter_slots_gib
from cdk_sglang.planning.compressed_pools import COMPRESSED_RUNNING_MAX, compressed_state_bytes
from cdk_sglang.planning.drafts import NO_DRAFT_KV, RUNNING_MAX, DraftKv, draft_bytes, draft_kv
from cdk_sglang.planning.formats import as_loaded
from cdk_sglang.planning.parallel import (
    GIB,
    LOADER_OVERHEAD_GIB,
    SPLIT_LOADER_OVERHEAD_GIB,
    Parallelism,
    kv_bytes_per_token,
    weights_bytes_per_gpu,
)
from cdk_sglang.planning.pools import (
    SLIDING_POOL_RATIO,
    STATE_RATIO,
    cache_format,
    has_plain_fp8_latent,
    sliding_ratio,
    state_pool,
)
from cdk_sglang.planning.refusals import split_problems
from cdk_sglang.planning.static_fraction import serves_images, sglang_fraction

if TYPE_CHECKING:
    from cdk_sglang.hardware import Gpu
    from cdk_sglang.models.architecture import ModelArchitecture
    from cdk_sglang.planning.drafts import Speculation
    from cdk_sglang.planning.fleet_request import ComponentRequest
    from cdk_sglang.planning.parallel import KvPerToken
    from cdk_sglang.planning.pools import StatePool
    from cdk_sglang.planning.static_fraction import EngineOptions

COMMUNICATION_GIB = 1.9
"""Memory taken on each GPU when tensor parallelism starts over NVLink: SGLang logs 1.96 to 2.01 on 8 H200 (2025-10)."""
INIT_GIB = 0.18
"""Memory taken on a single GPU between SGLang's first reading of free memory and the loading of weights: two logs of 2025 (16 GB and
24 GB GPUs) imply 0.17 and 0.19. An assumption beyond those two; with several GPUs, one log is explained without it."""
IMAGES_GIB = 100 / 1024
"""Memory reserved for embeddings of images, not available to the KV cache (SGLANG_VLM_CACHE_SIZE_MB of SGLang 0.5.23, kv_cache_configurator.py)."""
ACTIVATION_GIB = 1.4
"""vLLM's activation peak for 1.5B to 8B models at its default token budget (logs of 2025)."""
GRAPH_GIB_PER_SIZE = 1.44 / 52
"""CUDA graphs per captured batch size: 1.44 GiB for 52 sizes up to 512 on B200 (sglang#11830)."""
VLLM_UTILIZATION = 0.9
TRTLLM_FREE_FRACTION = 0.9
"""Defaults of --gpu-memory-utilization and free_gpu_memory_fraction."""


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """Memory of the fullest GPU of one copy, GiB.

    Args:
        total_gib: Free memory before anything is loaded.
        communication_gib: Taken by GPU-to-GPU communication; on a single GPU, taken when the engine starts.
        weights_gib: Weights as the engine logs them.
        draft_gib: Weights of a draft model or of prediction layers.
        adapters_gib: Slots for LoRA adapters.
        cache_gib: Left for the KV cache and recurrent state; negative if the weights alone do not fit.
        state_gib: Part of it that does not depend on the length of requests: recurrent state, and incomplete entries of compressed attention.
        reserve_gib: Memory that the engine's fraction reserves for activations and CUDA graphs.
        fraction: The static fraction (SGLang), utilization (vLLM) or free fraction (TensorRT-LLM).
        engine_fraction: The engine's default for `fraction`.
        kv: Bytes per cached token in the model's layers.
        draft_kv: Bytes per cached token that a draft adds.
        kv_tokens: Tokens that fit in the cache; 0 if none fit.
        kv_dtype: Format of the cache.
        sliding_ratio: Tokens that sliding layers keep per token of the pool.
        state: Slots for recurrent state; None without recurrent state, and for engines other than SGLang.
        running: Specified maximum number of requests that one DP-attention group decodes at once; None if unspecified.
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
    draft_kv: DraftKv = NO_DRAFT_KV
    kv_dtype: str = "bf16"
    sliding_ratio: float = SLIDING_POOL_RATIO
    state: StatePool | None = None
    running: int | None = None

    @property
    def bytes_per_token(self) -> float:
        """Bytes that a token takes in the cache, including those of a draft."""
        return pool_bytes(self.kv, self.draft_kv, self.sliding_ratio)

    @property
    def running_limit(self) -> int | None:
        """Maximum number of requests of one DP-attention group at once, whatever their length; None if only the cache limits them."""
        limits = [self.running, None if self.state is None else self.state.running]
        return min((limit for limit in limits if limit is not None), default=None)

    def requests(self, context: float) -> int:
        """Return how many requests of `context` tokens are served at once, as limited by the cache, the state slots and the specification.

        Args:
            context: Tokens of a request, including the answer.
        """
        if self.kv_tokens <= 0:
            return 0
        held = max(0, int(self.kv_tokens // max(1.0, context)))
        return held if self.running_limit is None else min(held, self.running_limit)

    def shortfall_gib(self, context: float) -> float:
        """Return the GiB missing per GPU to hold one request of `context` tokens; 0 if it fits.

        Args:
            context: Tokens of a request, including the answer.
        """
        needed = self.bytes_per_token * context / GIB
        of_state = 0.0 if self.state is None else self.state.missing_gib
        return max(0.0, needed - (self.cache_gib - self.state_gib), of_state)


def pool_bytes(kv: KvPerToken, draft: DraftKv, sliding: float = SLIDING_POOL_RATIO) -> float:
    """Return the bytes that a token of the pool takes on one GPU, in the layers of the model and of a draft.

    Args:
        kv: Bytes in the model's layers.
        draft: Bytes in the draft's layers.
        sliding: Tokens that sliding layers keep per token of the pool.
    """
    return kv.unbounded + draft.unbounded + (kv.sliding + draft.sliding) * sliding


def default_fraction(
    engine: str, model: ModelArchitecture, gpu: Gpu, split: Parallelism, options: EngineOptions | None = None
) -> float:
    """Return the share of memory that an engine takes by default."""
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
    speculation: Speculation | None = None,
    lora_slots: int = 0,
    lora_rank: int = 16,
    lora_modules: tuple[str, ...] = ALL_MODULES,
) -> MemoryPlan:
    """Return the memory plan of each GPU.

    SGLang: cache = free after load - free before load x (1 - fraction), the rule of its scheduler. vLLM: cache =
    utilization x total - weights - activations - graphs. TensorRT-LLM: cache = fraction x free after load.

    Args:
        model: The model.
        gpu: Type of each GPU.
        split: How one copy is spread over GPUs.
        engine: `sglang`, `vllm` or `trtllm`.
        kv_dtype: Format of the cache.
        fraction: The fraction, in the engine's own meaning; None for its default.
        options: SGLang's release and the options that determine its default.
        draft_gib: Weights of a draft model on each GPU.
        mtp: Whether the model's own prediction layers are loaded as the draft.
        speculation: How it drafts; counts the draft's weights and its share of each cached token. No draft by default.
        lora_slots: Number of adapters kept on the GPU; 0 without LoRA.
        lora_rank: Maximum rank of the adapters.
        lora_modules: Modules that adapters may change, as SGLang names them.
    """
    model = as_loaded(model, gpu, split, engine)
    communication = COMMUNICATION_GIB if split.tensor > 1 and gpu.nvlink_gb_s is not None else 0.0
    before = gpu.memory_gib - communication
    weights = weights_bytes_per_gpu(model, split) / GIB
    weights += LOADER_OVERHEAD_GIB if split.gpus == 1 else SPLIT_LOADER_OVERHEAD_GIB
    draft = draft_gib + (
        (weights_bytes_per_gpu(model, split, mtp=True) - weights_bytes_per_gpu(model, split)) / GIB if mtp else 0.0
    )
    if speculation is not None:
        draft += draft_bytes(model, split, speculation) / GIB
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
    plain = engine == "sglang" and has_plain_fp8_latent(model, gpu)
    speculates = mtp or speculation is not None
    kv = kv_bytes_per_token(model, split, kv_dtype, plain_latent=plain, drafts=speculates)
    drafted = draft_kv(model, split, kv_dtype, speculation, plain_latent=plain)
    running = _running(model, engine, split, options, speculates=speculates)
    slots = None
    if model.linear and engine == "sglang":
        slots = state_pool(
            model,
            state_bytes=kv.state_per_request,
            cache_bytes=cache * GIB,
            groups=split.attention_dp,
            options=options,
            drafted_tokens=0 if speculation is None else speculation.options(model)[1],
            running=None if running is None else running * split.attention_dp,
        )
    share_of_state = STATE_RATIO / (1 + STATE_RATIO) if model.linear else 0.0
    state = slots.taken_gib if slots else max(0.0, cache * share_of_state)
    if model.compressed is not None and running is not None:
        kept = compressed_state_bytes(model.compressed, model.head_dim, running=running, drafts=speculates)
        state = kept * split.stage_share(model.full_layers) / GIB
    ratio = sliding_ratio(model, engine, options)
    per_token = pool_bytes(kv, drafted, ratio)
    tokens = int((cache - state) * GIB // per_token) if cache > state and per_token > 0 else 0
    if options is not None and options.max_total_tokens is not None:
        tokens = min(tokens, options.max_total_tokens)
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
        draft_kv=drafted,
        kv_dtype=kv_dtype,
        sliding_ratio=ratio,
        state=slots,
        running=running,
    )


def _running(
    model: ModelArchitecture, engine: str, split: Parallelism, options: EngineOptions | None, *, speculates: bool
) -> int | None:
    """Return the maximum number of requests that one DP-attention group decodes at once: as specified, or as SGLang chooses for model and draft."""
    if engine != "sglang":
        return None
    limit = None if options is None else options.max_running_requests
    if limit is None and speculates:
        limit = RUNNING_MAX
    elif limit is None and model.compressed is not None:
        limit = COMPRESSED_RUNNING_MAX
    return None if limit is None else max(1, limit // split.attention_dp)


def memory_of(component: ComponentRequest, gpu: Gpu, split: Parallelism) -> MemoryPlan:
    """Return the memory plan of each GPU of a component's copy under SGLang, with the component's options.

    Args:
        component: The component.
        gpu: Type of each GPU.
        split: How one copy is spread over GPUs.
    """
    return plan_memory(
        component.facts.architecture,
        gpu,
        split,
        kv_dtype=cache_format(component.facts.architecture, gpu, component.kv_dtype),
        fraction=component.mem_fraction,
        options=component.engine,
        draft_gib=component.draft_gib,
        mtp=component.mtp,
        speculation=component.speculation,
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
    """Return the smallest number of GPUs (1, 2, 4, 8 ...) on which the model and one request of `context` tokens fit; None if there is none."""
    for exponent in range(int(math.log2(max(1, gpus))) + 1):
        split = Parallelism(gpus=2**exponent)
        plan = plan_memory(model, gpu, split, kv_dtype=kv_dtype, fraction=fraction)
        if not split_problems(model, gpu, split) and plan.shortfall_gib(context) <= 0 and plan.cache_gib > 0:
            return split
    return None
