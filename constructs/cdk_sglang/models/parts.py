"""Parts of a model that memory and speed depend on: the kinds of attention, experts, image encoder, quantization."""

from __future__ import annotations

from dataclasses import dataclass

BYTES_BF16 = 2.0
BYTES_FLOAT32 = 4.0
FP8_BYTES = 1.0
DSA_INDEX_BYTES = 132
"""Key of the sparse-attention indexer per token and layer: 128 fp8 values and one float32 scale (SGLang logs, GLM-5)."""
DSA_FP8_MLA_BYTES = 656
"""Latent of one token and layer in SGLang's fp8 layout for sparse attention: 512 fp8, 4 scales, 64 bfloat16 (GLM-5 log)."""


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """Storage format of the linear weights.

    Args:
        method: `bf16` without quantization, else `fp8`, `nvfp4`, `mxfp4`, `int4` or `int8`.
        block: Side of the square block that shares one scale; None for per-tensor, per-channel or group scales.
        group: Number of weights along the input that share one scale; None for the method's default.
        experts_only: Whether only routed experts are quantized; the rest stays in bfloat16 (or in `rest`).
        rest: Method of the other weights if `experts_only`.
        kv_cache: Method that the checkpoint specifies for the KV cache, such as `fp8`; None if it leaves that to the engine.
        needs_fp8_units: Whether this is a kind of fp8 that SGLang's loader refuses on a GPU without fp8 arithmetic.
        parts: Kinds of layers (`exceptions.KINDS`) with a different format, each with its method and the share of its layers.
        float32: Whether the engine keeps unquantized values, and by default the cache, in float32 (`dtype: float32`).
    """

    method: str = "bf16"
    block: int | None = None
    group: int | None = None
    experts_only: bool = False
    rest: str = "bf16"
    kv_cache: str | None = None
    needs_fp8_units: bool = False
    parts: tuple[tuple[str, str, float], ...] = ()
    float32: bool = False

    @property
    def plain_bytes(self) -> float:
        """Bytes of an unquantized value: of embeddings, and of every weight without quantization."""
        return BYTES_FLOAT32 if self.float32 else BYTES_BF16


BITS = {"bf16": 16.0, "fp8": 8.0, "int8": 8.0, "nvfp4": 4.5, "mxfp4": 4.25, "int4": 4.156}
"""Stored bits per weight, including scales.

nvfp4: one fp8 scale per 16 weights; mxfp4: one 8-bit exponent per 32 (OCP MX 1.0); int4: group of 128 with a 16-bit
scale and a 4-bit zero point (AWQ). Scales of fp8 blocks are counted from `block`.
"""


def bytes_per_weight(method: str, *, block: int | None = None, group: int | None = None) -> float:
    """Return the stored bytes per weight, including scales."""
    bits = BITS[method]
    if method == "int4" and group is not None:
        bits = 4 + 16 / group
    if block is not None:
        bits += 32 / block**2
    return bits / 8


@dataclass(frozen=True, kw_only=True)
class Mla:
    """Multi-head latent attention: one compressed key/value per token, the same on every tensor-parallel rank.

    Args:
        kv_lora_rank: Width of the compressed keys and values.
        rope_head_dim: Width of the part of a head with rotary position embedding.
        nope_head_dim: Width of the part of a head without it.
        v_head_dim: Width of a value head.
        q_lora_rank: Width of the compressed queries; None if they are not compressed.
        index_head_dim: Width of a head of the sparse-attention index; None without an index.
        index_heads: Heads of the sparse-attention index, if there is one.
        output_gate: Whether a projection as wide as the values gates the output of attention (Kimi-K3).
    """

    kv_lora_rank: int
    rope_head_dim: int
    nope_head_dim: int
    v_head_dim: int
    q_lora_rank: int | None
    index_head_dim: int | None = None
    index_heads: int = 64
    output_gate: bool = False

    @property
    def latent_size(self) -> int:
        """Values kept per token and layer."""
        return self.kv_lora_rank + self.rope_head_dim


@dataclass(frozen=True, kw_only=True)
class CompressedAttention:
    """DeepSeek-V4's attention: one latent per token, with older tokens compressed (SGLang 0.5.23, models/deepseek_v4.py).

    Args:
        q_lora_rank: Width of the compressed queries.
        o_lora_rank: Width of a group's compressed output.
        o_groups: Groups of heads whose output is compressed together.
        rope_head_dim: Width of the part of a head with rotary position embedding.
        index_head_dim: Width of a head of the index of compressed tokens.
        index_heads: Heads of that index.
        plain_layers: Number of layers that keep only the last tokens.
        fourfold_layers: Number of layers that keep one entry per four tokens, and an index of the entries.
        sparse_layers: Number of layers that keep one entry per 128 tokens.
        index_top_k: Entries of the fourfold layers that a token attends to.
    """

    q_lora_rank: int
    o_lora_rank: int
    o_groups: int
    rope_head_dim: int
    index_head_dim: int
    index_heads: int
    plain_layers: int
    fourfold_layers: int
    sparse_layers: int
    index_top_k: int = 512

    @property
    def layers(self) -> int:
        """Layers of every kind."""
        return self.plain_layers + self.fourfold_layers + self.sparse_layers

    def parameters(self, hidden_size: int, heads: int, head_dim: int) -> float:
        """Return the parameters of all layers.

        Args:
            hidden_size: Width of the model.
            heads: Query heads.
            head_dim: Width of a head, and of the latent.
        """
        whole = hidden_size * (self.q_lora_rank + head_dim)
        sliced = self.q_lora_rank * heads * head_dim + heads * head_dim * self.o_lora_rank
        sliced += self.o_groups * self.o_lora_rank * hidden_size
        # a compressor produces values and gates; the windows of the fourfold one overlap, so both are twice as wide
        compressors = hidden_size * 2 * head_dim * (2 * self.fourfold_layers + self.sparse_layers)
        index = self.q_lora_rank * self.index_heads * self.index_head_dim
        index += hidden_size * (self.index_heads + 4 * self.index_head_dim)
        return float(self.layers * (whole + sliced) + compressors + self.fourfold_layers * index)


@dataclass(frozen=True, kw_only=True)
class LinearAttention:
    """Layers whose state does not grow with the context (gated delta net, Mamba, KDA).

    `mixer_parameters` counts all its layers if heads do not describe them (Mamba).

    Args:
        layers: Number of such layers.
        key_heads: Heads of queries and keys.
        value_heads: Heads of values.
        key_head_dim: Width of a query and key head.
        value_head_dim: Width of a value head.
        conv_kernel: Tokens that the short convolution spans.
        state_bytes_per_slot: Bytes of state that one request keeps.
        mixer_parameters: Parameters of all such layers; 0 if the heads describe them.
    """

    layers: int
    key_heads: int = 0
    value_heads: int = 0
    key_head_dim: int = 0
    value_head_dim: int = 0
    conv_kernel: int = 4
    state_bytes_per_slot: float = 0.0
    mixer_parameters: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Moe:
    """Mixture-of-experts layers.

    Args:
        layers: Layers with experts.
        experts: Number of experts per layer.
        top_k: Number of experts that a token is routed to.
        intermediate_size: Inner width of an expert.
        shared_intermediate_size: Inner width of the shared experts; 0 without them.
    """

    layers: int
    experts: int
    top_k: int
    intermediate_size: int
    shared_intermediate_size: int = 0
    latent_size: int | None = None
    """Width of the experts' input and output if it is not the model's (Nemotron 3 Super and Ultra)."""


@dataclass(frozen=True, kw_only=True)
class VisionTower:
    """An image encoder as SGLang measures it: `num_hidden_layers` and `hidden_size` of the config's `vision_config`, else CLIP's.

    Qwen states the number of layers as `depth`, which SGLang does not read.
    """

    layers: int = 24
    hidden_size: int = 1024
