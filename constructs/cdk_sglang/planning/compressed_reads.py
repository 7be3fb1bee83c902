"""Bytes that a step reads from DeepSeek-V4's compressed attention (SGLang 0.5.23, models/deepseek_v4.py; its pools are in `compressed_pools`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cdk_sglang.models.architecture import CompressedAttention

_WINDOW: Final = 128


def read_bytes(attention: CompressedAttention, head_dim: int, context: float) -> float:
    """Return the bytes that one token reads from its context in all layers of one GPU: the whole index, and the entries that it selects.

    Args:
        attention: The layers.
        head_dim: Width of the latent.
        context: Tokens of the request.
    """
    index = attention.index_head_dim + attention.index_head_dim // 128 * 4
    row = head_dim + attention.rope_head_dim + 8  # fp8 without a position, 16 bits with one, and scales
    return attention.fourfold_layers * index * context / 4 + attended_entries(attention, context) * row


def attended_entries(attention: CompressedAttention, context: float) -> float:
    """Return the entries that one token attends to, summed over layers.

    Args:
        attention: The layers.
        context: Tokens of the request.
    """
    chosen = attention.fourfold_layers * min(float(attention.index_top_k), context / 4)
    return chosen + attention.sparse_layers * context / 128 + attention.layers * min(context, _WINDOW)
