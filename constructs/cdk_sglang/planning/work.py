"""Work of a GPU for one decode step and for one prompt: bytes, operations and messages.

These are pure counts, independent of efficiency and engine. `timing` converts them to milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdk_sglang.models.facts import linear_bytes_per_weight
from cdk_sglang.planning.compressed_reads import attended_entries, read_bytes
from cdk_sglang.planning.parallel import Parallelism, kv_bytes_per_token

if TYPE_CHECKING:
    from cdk_sglang.models.architecture import ModelArchitecture


@dataclass(frozen=True, kw_only=True)
class Work:
    """Counts per GPU for tokens that pass through the model together.

    Args:
        dense_bytes: Bytes read of the weights of attention, MLPs and the output projection.
        expert_bytes: Bytes read of the weights of the experts that the tokens are routed to.
        kv_bytes: Bytes read of cached keys, values and recurrent state.
        dense_tflop: Operations of attention projections, MLPs and the output projection, 10^12.
        expert_tflop: Operations of experts.
        attention_tflop: Operations of attention itself.
        message_gb: Bytes of activations that each exchange between GPUs moves, summed over exchanges, 10^9.
        messages: Number of exchanges between GPUs.
    """

    dense_bytes: float
    expert_bytes: float
    kv_bytes: float
    dense_tflop: float
    expert_tflop: float
    attention_tflop: float
    message_gb: float
    messages: float


def decode_work(
    model: ModelArchitecture, split: Parallelism, *, requests: float, context: float, kv_dtype: str
) -> Work:
    """Return the work of one step that generates one token for each of `requests` requests of `context` tokens."""
    own = max(1.0, requests / split.attention_dp)
    counts = _common(model, split, tokens=requests, own_tokens=own, head_tokens=own)
    kv = kv_bytes_per_token(model, split, kv_dtype)
    window = min(context, float(model.sliding_window or context))
    cached = own * (kv.unbounded * context + kv.sliding * window + 2 * kv.state_per_request)
    if model.compressed is not None:
        cached = own * read_bytes(model.compressed, model.head_dim, context)
        scores = attended_entries(model.compressed, context) * 2.0 * model.head_dim
    elif model.mla is not None:
        width = 2.0 * model.mla.latent_size - model.mla.rope_head_dim
        attended = min(context, 2048.0) if model.mla.index_head_dim else context
        scores = model.full_layers * attended * width
    else:
        scores = model.full_layers * context * (model.head_dim + model.v_head_dim)
        scores += model.sliding_layers * window * (model.sliding_head_dim + model.sliding_v_head_dim)
    flop = 2 * own * model.heads / split.attention_tp * scores
    return _with_attention(counts, kv_bytes=cached, attention_tflop=flop / 1e12)


def prefill_work(model: ModelArchitecture, split: Parallelism, *, tokens: float) -> Work:
    """Return the work of one prompt of `tokens` tokens on the GPUs that serve it."""
    own = tokens
    counts = _common(model, split, tokens=tokens, own_tokens=own, head_tokens=1.0)
    window = min(tokens, float(model.sliding_window or tokens))
    if model.compressed is not None:
        scores = attended_entries(model.compressed, tokens / 2) * 2.0 * model.head_dim
    elif model.mla is not None:
        width = model.mla.nope_head_dim + model.mla.rope_head_dim + model.mla.v_head_dim
        attended = min(tokens / 2, 2048.0) if model.mla.index_head_dim else tokens / 2
        scores = model.full_layers * attended * width
    else:
        scores = model.full_layers * tokens / 2 * (model.head_dim + model.v_head_dim)
        scores += model.sliding_layers * min(tokens / 2, window) * (model.sliding_head_dim + model.sliding_v_head_dim)
    flop = 2 * own * model.heads / split.attention_tp * scores
    return _with_attention(counts, kv_bytes=0.0, attention_tflop=flop / 1e12)


@dataclass(frozen=True, kw_only=True)
class _Common:
    dense_bytes: float
    expert_bytes: float
    dense_tflop: float
    expert_tflop: float
    message_gb: float
    messages: float


def _with_attention(counts: _Common, *, kv_bytes: float, attention_tflop: float) -> Work:
    return Work(
        dense_bytes=counts.dense_bytes,
        expert_bytes=counts.expert_bytes,
        kv_bytes=kv_bytes,
        dense_tflop=counts.dense_tflop,
        expert_tflop=counts.expert_tflop,
        attention_tflop=attention_tflop,
        message_gb=counts.message_gb,
        messages=counts.messages,
    )


def _common(
    model: ModelArchitecture, split: Parallelism, *, tokens: float, own_tokens: float, head_tokens: float
) -> _Common:
    linear, expert = linear_bytes_per_weight(model)
    plain = model.quantization.plain_bytes
    head = float(model.vocab_size * model.hidden_size)
    attention = model.attention_parameters / split.attention_tp
    mlp = model.mlp_parameters / split.tensor
    router = model.router_parameters
    head_share = head / (split.attention_tp if split.attention_dp > 1 else split.tensor)
    dense_bytes = (attention + mlp) * linear + (router + head_share) * plain
    dense_flop = 2 * (attention * own_tokens + mlp * tokens + head_share * head_tokens + router * own_tokens)
    expert_bytes = expert_flop = 0.0
    if model.moe is not None:
        moe = model.moe
        touched = moe.experts * (1 - (1 - moe.top_k / moe.experts) ** max(1.0, tokens))
        expert_bytes = moe.layers * touched * model.expert_size * expert / split.tensor
        expert_flop = 2 * moe.layers * moe.top_k * model.expert_size * tokens / split.tensor
    exchanges = 0.0
    if split.tensor > 1:
        blocks = model.attention_layers if split.attention_tp > 1 else 0
        mlps = (model.moe.layers if model.moe else 0) + model.dense_layers
        exchanges = float(blocks + mlps)
    return _Common(
        dense_bytes=dense_bytes,
        expert_bytes=expert_bytes,
        dense_tflop=dense_flop / 1e12,
        expert_tflop=expert_flop / 1e12,
        message_gb=exchanges * own_tokens * model.hidden_size * plain / 1e9,
        messages=exchanges,
    )
