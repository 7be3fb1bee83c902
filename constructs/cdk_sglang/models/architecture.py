"""What a model is made of, as far as memory and speed depend on it: layers, attention, experts, quantization."""

from __future__ import annotations

from dataclasses import dataclass, field

BYTES_BF16 = 2.0
FP8_BYTES = 1.0
DSA_INDEX_BYTES = 132
"""Key of the sparse-attention indexer per token and layer: 128 fp8 values and one float32 scale (SGLang logs, GLM-5)."""
DSA_FP8_MLA_BYTES = 656
"""Latent of one token and layer in SGLang's fp8 layout for sparse attention: 512 fp8, 4 scales, 64 bfloat16 (GLM-5 log)."""


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """How the linear weights are stored.

    Args:
        method: `bf16` for none, `fp8`, `nvfp4`, `mxfp4`, `int4` or `int8`.
        block: Side of the square block that shares one scale; None for per-tensor, per-channel or group scales.
        group: Weights along the input that share one scale; None for the method's own.
        experts_only: Only routed experts are quantized; the rest stays in bfloat16 (or in `rest`).
        rest: Method of what is not an expert when `experts_only`.
        kv_cache: Method the checkpoint asks for the KV cache, such as `fp8`; None when it leaves that to the engine.
        needs_fp8_units: fp8 that SGLang's loader refuses on a GPU without fp8 arithmetic.
    """

    method: str = "bf16"
    block: int | None = None
    group: int | None = None
    experts_only: bool = False
    rest: str = "bf16"
    kv_cache: str | None = None
    needs_fp8_units: bool = False


BITS = {"bf16": 16.0, "fp8": 8.0, "int8": 8.0, "nvfp4": 4.5, "mxfp4": 4.25, "int4": 4.156}
"""Stored bits per weight, scales included.

nvfp4: one fp8 scale per 16 weights; mxfp4: one 8-bit exponent per 32 (OCP MX 1.0); int4: group of 128 with a 16-bit
scale and a 4-bit zero point (AWQ). Scales of fp8 blocks are counted from `block`.
"""


def bytes_per_weight(method: str, *, block: int | None = None, group: int | None = None) -> float:
    """Return stored bytes per weight, scales included."""
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
        rope_head_dim: Width of a head's part with a rotary position.
        nope_head_dim: Width of a head's part without a position.
        v_head_dim: Width of a value head.
        q_lora_rank: Width of the compressed queries; None if they are not compressed.
        index_head_dim: Width of a head of the sparse-attention index; None without an index.
        index_heads: Heads of the sparse-attention index, if there is one.
    """

    kv_lora_rank: int
    rope_head_dim: int
    nope_head_dim: int
    v_head_dim: int
    q_lora_rank: int | None
    index_head_dim: int | None = None
    index_heads: int = 64

    @property
    def latent_size(self) -> int:
        """Values kept per token and layer."""
        return self.kv_lora_rank + self.rope_head_dim


@dataclass(frozen=True, kw_only=True)
class LinearAttention:
    """Layers whose state does not grow with the context (gated delta net, Mamba, KDA).

    `mixer_parameters` are those of all its layers where they are not described by heads (Mamba).

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
        experts: Experts of a layer.
        top_k: Experts that a token goes to.
        intermediate_size: Inner width of an expert.
        shared_intermediate_size: Inner width of the experts that every token goes to; 0 without them.
    """

    layers: int
    experts: int
    top_k: int
    intermediate_size: int
    shared_intermediate_size: int = 0
    latent_size: int | None = None
    """Width the experts work in where it is not the model's (Nemotron 3 Super and Ultra)."""


@dataclass(frozen=True, kw_only=True)
class VisionTower:
    """An image encoder as SGLang measures it: `num_hidden_layers` and `hidden_size` of the config's `vision_config`, else CLIP's.

    Qwen writes its layers as `depth`, which SGLang does not read.
    """

    layers: int = 24
    hidden_size: int = 1024


@dataclass(frozen=True, kw_only=True)
class ModelArchitecture:
    """One decoder, dense or sparse, of any attention kind.

    Args:
        model_type: `model_type` of the config.
        hidden_size: Width.
        vocab_size: Vocabulary, padded as in the config.
        heads: Query heads.
        kv_heads: Key/value heads of full-attention layers.
        head_dim: Query and key width per head.
        v_head_dim: Value width per head.
        full_layers: Layers that attend to the whole context.
        sliding_layers: Layers that attend to the last `sliding_window` tokens.
        sliding_window: Tokens of that window; None when there is none.
        sliding_kv_heads: Key/value heads of sliding layers.
        sliding_head_dim: Query and key width per head of sliding layers.
        sliding_v_head_dim: Value width per head of sliding layers.
        gated_attention: The query projection also makes an output gate of the same size.
        shared_kv: Full layers keep one tensor as key and value.
        mla: Latent attention in place of key/value heads.
        linear: Linear-attention layers.
        mixer_only_layers: Attention and MLP are separate layers (Nemotron-H), not two halves of one.
        dense_layers: Layers with a plain MLP.
        intermediate_size: Width of that MLP.
        mlp_matrices: 3 for gated MLPs, 2 for plain ones.
        moe: Expert layers.
        mtp_layers: Layers that predict further tokens, for speculative decoding.
        tied_embeddings: Input and output embeddings are one tensor.
        max_position_embeddings: Longest context; None when the config does not say.
        quantization: How weights are stored.
        index_head_dim: Width of a sparse-attention indexer's key beside plain key/value heads; None without one.
        kv_known: The bytes of the KV cache follow from the fields above; False for compressed attention.
        other_parameters: Parameters of kinds not listed here, from a stated total; negative where those are fewer.
        vision_parameters: Parameters of a vision or audio tower, loaded with the model.
        vision: The image encoder of a multimodal checkpoint; None for text.
    """

    model_type: str
    hidden_size: int
    vocab_size: int
    heads: int
    kv_heads: int
    head_dim: int
    v_head_dim: int
    full_layers: int
    sliding_layers: int = 0
    sliding_window: int | None = None
    sliding_kv_heads: int = 0
    sliding_head_dim: int = 0
    sliding_v_head_dim: int = 0
    gated_attention: bool = False
    shared_kv: bool = False
    mla: Mla | None = None
    linear: LinearAttention | None = None
    mixer_only_layers: bool = False
    dense_layers: int = 0
    intermediate_size: int = 0
    mlp_matrices: int = 3
    moe: Moe | None = None
    mtp_layers: int = 0
    tied_embeddings: bool = False
    max_position_embeddings: int | None = None
    quantization: Quantization = field(default_factory=Quantization)
    index_head_dim: int | None = None
    kv_known: bool = True
    other_parameters: float = 0.0
    vision_parameters: float = 0.0
    vision: VisionTower | None = None

    @property
    def linear_layers(self) -> int:
        """Layers without a growing cache."""
        return self.linear.layers if self.linear else 0

    @property
    def attention_layers(self) -> int:
        """Layers of any attention kind."""
        return self.full_layers + self.sliding_layers + self.linear_layers

    @property
    def layers(self) -> int:
        """Transformer layers as the config counts them."""
        moe_layers = self.moe.layers if self.moe else 0
        if self.mixer_only_layers:
            return self.attention_layers + self.dense_layers + moe_layers
        return self.attention_layers

    @property
    def expert_parameters(self) -> float:
        """Parameters of all routed experts."""
        if self.moe is None:
            return 0.0
        return float(self.moe.layers * self.moe.experts * self.expert_size)

    @property
    def expert_size(self) -> float:
        """Parameters of one routed expert."""
        if self.moe is None:
            return 0.0
        return float(self.mlp_matrices * (self.moe.latent_size or self.hidden_size) * self.moe.intermediate_size)

    @property
    def router_parameters(self) -> float:
        """Parameters of the expert routers: never quantized, the same on every rank."""
        return float(self.moe.layers * self.moe.experts * self.hidden_size) if self.moe else 0.0

    @property
    def mlp_parameters(self) -> float:
        """Parameters of dense MLPs and shared experts."""
        shared = self.moe.layers * self.moe.shared_intermediate_size if self.moe else 0
        latent = self.moe.layers * 2 * self.hidden_size * (self.moe.latent_size or 0) if self.moe else 0
        return float(
            self.mlp_matrices * self.hidden_size * (self.dense_layers * self.intermediate_size + shared) + latent
        )

    @property
    def attention_parameters(self) -> float:
        """Parameters of attention and linear-attention projections."""
        total = self.full_layers * self._attention_size(
            self.kv_heads, self.head_dim, self.v_head_dim, shared_kv=self.shared_kv
        )
        total += self.sliding_layers * self._attention_size(
            self.sliding_kv_heads, self.sliding_head_dim, self.sliding_v_head_dim
        )
        return total + self._linear_size() + self.other_parameters

    @property
    def mla_replicated_parameters(self) -> float:
        """Latent-attention projections that every tensor-parallel rank keeps whole (the down projections)."""
        if self.mla is None:
            return 0.0
        index = 0.0
        if self.mla.index_head_dim:
            queries = (self.mla.q_lora_rank or self.hidden_size) * self.mla.index_heads * self.mla.index_head_dim
            index = queries + self.hidden_size * (self.mla.index_head_dim + self.mla.index_heads)
        down = self.hidden_size * ((self.mla.q_lora_rank or 0) + self.mla.latent_size)
        return self.full_layers * (down + index)

    @property
    def embedding_parameters(self) -> float:
        """Parameters of the input embedding and, unless tied, the output projection."""
        return float(self.vocab_size * self.hidden_size * (1 if self.tied_embeddings else 2))

    @property
    def parameters(self) -> float:
        """All parameters without multi-token-prediction layers; norms and biases (below 0.1%) are left out."""
        blocks = self.attention_parameters + self.mlp_parameters + self.expert_parameters + self.router_parameters
        return blocks + self.embedding_parameters + self.vision_parameters

    @property
    def active_parameters(self) -> float:
        """Parameters that one token passes through, without the input embedding."""
        idle = 0.0
        if self.moe is not None:
            idle = self.expert_parameters * (1 - self.moe.top_k / self.moe.experts)
        head = float(self.vocab_size * self.hidden_size)
        return self.parameters - self.embedding_parameters - self.vision_parameters - idle + head

    @property
    def mtp_parameters(self) -> float:
        """Parameters of the multi-token-prediction layers: each one more block and a projection of two embeddings."""
        if not self.mtp_layers:
            return 0.0
        layer = (self.attention_parameters - self._linear_size()) / max(1, self.full_layers + self.sliding_layers)
        if self.moe is not None:
            layer += (self.expert_parameters + self.router_parameters) / self.moe.layers
            layer += self.mlp_matrices * self.hidden_size * self.moe.shared_intermediate_size
        else:
            layer += self.mlp_matrices * self.hidden_size * self.intermediate_size
        return self.mtp_layers * (layer + 2 * self.hidden_size**2)

    def _attention_size(self, kv_heads: int, head_dim: int, v_head_dim: int, *, shared_kv: bool = False) -> float:
        if self.mla is not None:
            mla = self.mla
            queries = self.heads * (mla.nope_head_dim + mla.rope_head_dim)
            size = float(mla.q_lora_rank * queries) if mla.q_lora_rank else float(self.hidden_size * queries)
            size += mla.kv_lora_rank * self.heads * (mla.nope_head_dim + mla.v_head_dim)
            size += self.heads * mla.v_head_dim * self.hidden_size
            return size + self.mla_replicated_parameters / max(1, self.full_layers)
        queries = self.heads * head_dim * (2 if self.gated_attention else 1)
        values = 0 if shared_kv else v_head_dim
        return float(self.hidden_size * (queries + kv_heads * (head_dim + values) + self.heads * v_head_dim))

    def _linear_size(self) -> float:
        if self.linear is None or not self.linear.value_heads:
            return self.linear.mixer_parameters if self.linear else 0.0
        keys = self.linear.key_heads * self.linear.key_head_dim
        values = self.linear.value_heads * self.linear.value_head_dim
        projections = 2 * keys + 2 * values + 2 * self.linear.value_heads + values
        return float(
            self.linear.layers * (self.hidden_size * projections + self.linear.conv_kernel * (2 * keys + values))
        )
