"""How a model is split over GPUs, and the weights and bytes per token that each GPU then holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdk_sglang.models.architecture import DSA_FP8_MLA_BYTES, DSA_INDEX_BYTES
from cdk_sglang.models.facts import linear_bytes_per_weight
from cdk_sglang.planning.compressed_pools import compressed_bytes

if TYPE_CHECKING:
    from cdk_sglang.models.architecture import ModelArchitecture

GIB = 2**30
KV_BYTES = {"float32": 4.0, "bf16": 2.0, "fp8": 1.0, "fp4": 0.5625}
"""Bytes per cached value; fp4 keeps one fp8 scale per 16 values."""

LOADER_OVERHEAD_GIB = 0.08
"""Memory that loading takes on a single GPU in addition to the weights: allocator rounding and rotary tables.

SGLang logs a drop of 15.02 GiB for Llama-3.1-8B (14.96 of weights), 1.25 for Qwen3-0.6B (1.11), 0.98 for Qwen2.5-0.5B
(0.92) and 56.98 for Qwen3-30B-A3B (56.87).
"""
SPLIT_LOADER_OVERHEAD_GIB = 0.24
"""The same for each of several GPUs: SGLang logs 15.50 GiB for Qwen3-32B over 4 (15.26 of weights); one public log."""


@dataclass(frozen=True, kw_only=True)
class Parallelism:
    """How one copy of a model is spread over its GPUs.

    Args:
        gpus: Number of GPUs of the copy.
        attention_dp: Number of groups that each compute the attention of their own requests (DP attention); 1 for plain tensor parallelism.
        expert_parallel: Whether GPUs hold whole experts instead of a slice of each.
        expert_groups: Number of GPU groups that experts are spread over (`ep_size`), each of which shards its experts; if None, each GPU is a group.
        pipeline: Number of pipeline stages.
        replicas: Number of whole models in one copy (dp_size), which share its requests.
    """

    gpus: int = 1
    attention_dp: int = 1
    expert_parallel: bool = False
    pipeline: int = 1
    expert_groups: int | None = None
    replicas: int = 1

    @property
    def tensor(self) -> int:
        """GPUs that share one layer."""
        return max(1, self.gpus // self.pipeline // self.replicas)

    @property
    def groups(self) -> int:
        """Number of GPU groups that each serve their own requests."""
        return self.attention_dp * self.replicas

    @property
    def attention_tp(self) -> int:
        """GPUs that share one request's attention."""
        return max(1, self.tensor // self.attention_dp)

    @property
    def expert_tp(self) -> int:
        """GPUs that share one expert."""
        if not self.expert_parallel:
            return self.tensor
        return max(1, self.tensor // (self.expert_groups or self.tensor))

    def stage_share(self, layers: int) -> float:
        """Return the share of the layers that is on the largest pipeline stage.

        Args:
            layers: Number of layers of the model.
        """
        return math.ceil(layers / self.pipeline) / layers if layers else 1.0


def weights_bytes_per_gpu(model: ModelArchitecture, split: Parallelism, *, mtp: bool = False) -> float:
    """Return the bytes of weights on the GPU that holds the most.

    Attention, MLPs, embeddings and image encoders (`VisionAttention` of SGLang 0.5.23) are sharded. Key/value projections with fewer heads
    than shards, expert routers and the down projections of latent attention are replicated on every GPU. DP attention replicates attention.
    """
    linear, expert = linear_bytes_per_weight(model)
    plain = model.quantization.plain_bytes
    attention_tp = split.attention_tp
    replicated = model.mla_replicated_parameters
    sliced = model.attention_parameters - replicated
    attention = sliced / attention_tp + replicated + kv_projection_excess(model, attention_tp)
    embeddings = model.embedding_parameters / (attention_tp if split.attention_dp > 1 else split.tensor)
    total = attention * linear + model.mlp_parameters / split.tensor * linear
    total += model.expert_parameters / split.tensor * expert
    stage = split.stage_share(model.layers)
    total = (
        total * stage + (embeddings + model.vision_parameters / attention_tp + model.router_parameters * stage) * plain
    )
    if mtp:
        total += model.mtp_parameters / split.tensor * max(linear, expert)
    return total + absorbed_mla_bytes(model, attention_tp) * stage


def kv_projection_excess(model: ModelArchitecture, attention_tp: int) -> float:
    """Return the parameters of key/value projections that a GPU holds beyond its even share (with fewer heads than shards)."""
    if model.mla is not None:
        return 0.0
    excess = 0.0
    for layers, heads, width in (
        (model.full_layers, model.kv_heads, model.head_dim + model.v_head_dim),
        (model.sliding_layers, model.sliding_kv_heads, model.sliding_head_dim + model.sliding_v_head_dim),
    ):
        if layers and heads:
            held = max(1, math.ceil(heads / attention_tp))
            excess += layers * model.hidden_size * width * (held - heads / attention_tp)
    return excess


def absorbed_mla_bytes(model: ModelArchitecture, attention_tp: int) -> float:
    """Return the bytes of the unquantized copies of the latent up-projections that SGLang keeps for absorbed decoding."""
    if model.mla is None:
        return 0.0
    mla = model.mla
    values = model.full_layers * mla.kv_lora_rank * model.heads * (mla.nope_head_dim + mla.v_head_dim)
    return values * model.quantization.plain_bytes / attention_tp


@dataclass(frozen=True, kw_only=True)
class KvPerToken:
    """Bytes that one cached token takes on one GPU.

    Args:
        unbounded: Bytes in layers that keep the whole context.
        sliding: Bytes in sliding-window layers, while the token is inside the window.
        state_per_request: Bytes of recurrent state per request, whatever its length.
    """

    unbounded: float
    sliding: float
    state_per_request: float

    @property
    def all_layers(self) -> float:
        """Bytes of a token in every layer that caches tokens."""
        return self.unbounded + self.sliding


def kv_bytes_per_token(
    model: ModelArchitecture,
    split: Parallelism,
    kv_dtype: str = "bf16",
    *,
    plain_latent: bool = False,
    drafts: bool = False,
) -> KvPerToken:
    """Return the KV-cache bytes per token on the GPU with the most layers; every tensor-parallel GPU keeps the whole latent.

    Args:
        model: The model.
        split: How one copy is spread over GPUs.
        kv_dtype: Format of the cache.
        plain_latent: Whether sparse attention keeps its fp8 latent without scales (`pools.has_plain_fp8_latent`).
        drafts: Whether drafts are verified, for which compressed attention keeps more.
    """
    size = KV_BYTES[kv_dtype]
    tp = split.attention_tp
    linear = model.linear
    state = linear.state_bytes_per_slot / tp * split.stage_share(linear.layers) if linear else 0.0
    stage = split.stage_share(model.full_layers)
    if model.compressed is not None:
        per_token = compressed_bytes(model.compressed, model.head_dim, drafts=drafts)
        return KvPerToken(unbounded=per_token * stage, sliding=0.0, state_per_request=0.0)
    if model.mla is not None:
        indexed = model.mla.index_head_dim is not None
        scaled = indexed and kv_dtype == "fp8" and not plain_latent
        latent = float(DSA_FP8_MLA_BYTES) if scaled else model.mla.latent_size * size
        layer = latent + (DSA_INDEX_BYTES if indexed else 0)
        return KvPerToken(unbounded=model.full_layers * layer * stage, sliding=0.0, state_per_request=state)
    heads = max(1, math.ceil(model.kv_heads / tp))
    values = model.head_dim + model.v_head_dim
    full = model.full_layers * (heads * values * size + (DSA_INDEX_BYTES if model.index_head_dim else 0))
    sliding_heads = max(1, math.ceil(model.sliding_kv_heads / tp)) if model.sliding_layers else 0
    sliding = model.sliding_layers * sliding_heads * (model.sliding_head_dim + model.sliding_v_head_dim) * size
    return KvPerToken(
        unbounded=full * stage, sliding=sliding * split.stage_share(model.sliding_layers), state_per_request=state
    )
