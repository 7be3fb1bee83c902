"""The pools of DeepSeek-V4's compressed attention, as SGLang 0.5.23 sizes them.

Read 2026-11-30 and compared with SGLang by `tests/planning/engine`: `DSV4PoolConfigurator` of `model_executor/pool_configurator.py`, and
`mem_cache/deepseek_v4_memory_pool.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cdk_sglang.models.architecture import CompressedAttention

_COMPRESSED_PAGE: Final = 256
_LATENT_ROW: Final = 585.0
"""Bytes of one token's latent in DeepSeek-V4's pages of 256 tokens: 448 fp8 values, 64 bfloat16 values, 8 bytes of scales, and page padding."""
_SPARSE_ROW: Final = 864.0
"""The same in pages of two entries, which layers with one entry per 128 tokens use."""
_WINDOW_SHARE: Final = 0.1
"""Uncompressed tokens per token of the pool (`swa_full_tokens_ratio` of model_overrides/deepseek_v4.py)."""
_FOURFOLD, _SPARSE = 4, 128
_FLOAT32: Final = 4
COMPRESSED_RUNNING_MAX: Final = 256
"""Default number of DeepSeek-V4 requests that SGLang decodes at once (`arg_groups/deepseek_v4_hook.py`)."""


def compressed_bytes(attention: CompressedAttention, head_dim: int, *, drafts: bool = False) -> float:
    """Return the bytes of one token in the pools of compressed attention, in all layers (`DSV4PoolConfigurator`).

    Args:
        attention: The attention.
        head_dim: Width of the latent.
        drafts: Whether drafts are verified, which doubles the ring buffers of incomplete entries.
    """
    layers = attention.plain_layers + attention.fourfold_layers + attention.sparse_layers
    ring = 16 if drafts else 8
    unfinished = ring / _COMPRESSED_PAGE * 4 * (head_dim + attention.index_head_dim) * _FLOAT32
    window = _LATENT_ROW * layers + unfinished * attention.fourfold_layers
    index = attention.index_head_dim + attention.index_head_dim // 128 * _FLOAT32
    fourfold = attention.fourfold_layers * (_LATENT_ROW + index) / _FOURFOLD
    return _WINDOW_SHARE * window + fourfold + attention.sparse_layers * _SPARSE_ROW / _SPARSE


def compressed_state_bytes(
    attention: CompressedAttention, head_dim: int, *, running: int, drafts: bool = False
) -> float:
    """Return the bytes that requests keep for incomplete entries of 128 tokens, whatever the length of the requests.

    Args:
        attention: The attention.
        head_dim: Width of the latent.
        running: Requests decoded at once.
        drafts: Whether drafts are verified.
    """
    ring = 256 if drafts else 128
    rows = math.ceil(((running + 1) * ring + ring + 1) / _SPARSE) * _SPARSE
    return rows * 2 * head_dim * _FLOAT32 * attention.sparse_layers
