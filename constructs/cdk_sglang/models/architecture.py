"""The parts of a model that determine memory and speed: layers, attention, experts, quantization."""

from __future__ import annotations

from dataclasses import dataclass, field

from cdk_sglang.models.images import ImageInput
from cdk_sglang.models.parts import (
    BITS,
    BYTES_BF16,
    DSA_FP8_MLA_BYTES,
    DSA_INDEX_BYTES,
    FP8_BYTES,
    CompressedAttention,
    LinearAttention,
    Mla,
    Moe,
    Quantization,
    VisionTower,
    bytes_per_weight,
)

__all__ = [
    "BITS",
    "BYTES_BF16",
    "DSA_FP8_MLA_BYTES",
    "DSA_INDEX_BYTES",
    "FP8_BYTES",
    "CompressedAttention",
    "ImageInput",
    "LinearAttention",
    "Mla",
    "ModelArchitecture",
    "Moe",
    "Quantization",
    "VisionTower",
    "bytes_per_weight",
]


@dataclass(frozen=True, kw_only=True)
class ModelArchitecture:
    """A decoder model, dense or sparse, with any kind of attention.

    Args:
        model_type: `model_type` of the config.
        hidden_size: Width of the model.
        vocab_size: Vocabulary, padded as in the config.
        heads: Query heads.
        kv_heads: Key/value heads of full-attention layers.
        head_dim: Query and key width per head.
        v_head_dim: Value width per head.
        full_layers: Layers that attend to the whole context.
        sliding_layers: Layers that attend to the last `sliding_window` tokens.
        sliding_window: Tokens of that window; None if there is none.
        sliding_kv_heads: Key/value heads of sliding layers.
        sliding_head_dim: Query and key width per head of sliding layers.
        sliding_v_head_dim: Value width per head of sliding layers.
        gated_attention: Whether the query projection also produces an output gate of the same size.
        shared_kv: Whether full-attention layers keep one tensor as both key and value.
        mla: Latent attention, which replaces key/value heads.
        compressed: Compressed attention, which replaces both.
        linear: Linear-attention layers.
        mixer_only_layers: Whether attention and MLP are separate layers (Nemotron-H), not two parts of one layer.
        dense_layers: Layers with a plain MLP.
        intermediate_size: Width of that MLP.
        mlp_matrices: 3 for gated MLPs, 2 for plain ones.
        moe: Expert layers.
        mtp_layers: Layers that predict further tokens, for speculative decoding.
        mtp_dense: Whether those layers have a plain MLP although the model has experts (Step, MiMo).
        tied_embeddings: Whether input and output embeddings are one tensor.
        max_position_embeddings: Longest context; None if the config does not state it.
        quantization: How weights are stored.
        index_head_dim: Width of a sparse-attention indexer's key in addition to plain key/value heads; None without an indexer.
        kv_known: Whether the bytes of the KV cache follow from the fields above.
        other_parameters: Difference between a stated total of parameters and those counted here; may be negative.
        vision_parameters: Parameters of a vision or audio tower, loaded with the model.
        vision: The image encoder of a multimodal checkpoint; None for text.
        images: How it takes images; None for a model of text alone.
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
    compressed: CompressedAttention | None = None
    linear: LinearAttention | None = None
    mixer_only_layers: bool = False
    dense_layers: int = 0
    intermediate_size: int = 0
    mlp_matrices: int = 3
    moe: Moe | None = None
    mtp_layers: int = 0
    mtp_dense: bool = False
    tied_embeddings: bool = False
    max_position_embeddings: int | None = None
    quantization: Quantization = field(default_factory=Quantization)
    index_head_dim: int | None = None
    kv_known: bool = True
    other_parameters: float = 0.0
    vision_parameters: float = 0.0
    vision: VisionTower | None = None
    images: ImageInput | None = None

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
        """Parameters of the expert routers, which are never quantized and are replicated on every rank."""
        return float(self.moe.layers * self.moe.experts * self.hidden_size) if self.moe else 0.0

    @property
    def mlp_parameters(self) -> float:
        """Parameters of dense MLPs and shared experts."""
        return self.dense_mlp_parameters + self.shared_expert_parameters

    @property
    def dense_mlp_parameters(self) -> float:
        """Parameters of MLPs that are not experts."""
        return float(self.mlp_matrices * self.hidden_size * self.dense_layers * self.intermediate_size)

    @property
    def shared_expert_parameters(self) -> float:
        """Parameters of shared experts, which every token passes through."""
        shared = self.moe.layers * self.moe.shared_intermediate_size if self.moe else 0
        return float(self.mlp_matrices * self.hidden_size * shared)

    @property
    def latent_expert_parameters(self) -> float:
        """Parameters of the projections into and out of the experts' own width, which are replicated on every rank."""
        return float(self.moe.layers * 2 * self.hidden_size * (self.moe.latent_size or 0)) if self.moe else 0.0

    @property
    def attention_parameters(self) -> float:
        """Parameters of attention and linear-attention projections, and of everything else between the MLPs."""
        if self.compressed is not None:
            return self.compressed.parameters(self.hidden_size, self.heads, self.head_dim) + self.other_parameters
        total = self.full_layers * self._attention_size(
            self.kv_heads, self.head_dim, self.v_head_dim, shared_kv=self.shared_kv
        )
        total += self.sliding_layers * self._attention_size(
            self.sliding_kv_heads, self.sliding_head_dim, self.sliding_v_head_dim
        )
        return total + self.linear_parameters + self.latent_expert_parameters + self.other_parameters

    @property
    def output_parameters(self) -> float:
        """Parameters of the output projections of attention, without linear attention."""
        if self.compressed is not None:
            return float(self.layers * self.compressed.o_groups * self.compressed.o_lora_rank * self.hidden_size)
        value = self.mla.v_head_dim if self.mla is not None else self.v_head_dim
        values = self.full_layers * value + self.sliding_layers * self.sliding_v_head_dim
        return float(values * self.heads * self.hidden_size)

    @property
    def mla_replicated_parameters(self) -> float:
        """Parameters of projections that are replicated on every tensor-parallel rank: down projections of attention, and those of latent experts."""
        if self.compressed is not None:
            rest = self.compressed.parameters(self.hidden_size, self.heads, self.head_dim)
            one = self.compressed.q_lora_rank + self.compressed.o_lora_rank
            sliced = self.layers * self.heads * self.head_dim * one
            return max(0.0, rest - sliced - self.output_parameters)
        return self._mla_replicated() + self.latent_expert_parameters

    def _mla_replicated(self) -> float:
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
        """Parameters of the multi-token-prediction layers: each is one more block and a projection of two embeddings."""
        if not self.mtp_layers:
            return 0.0
        attention = self.attention_parameters - self.linear_parameters - self.latent_expert_parameters
        layer = attention / max(1, self.full_layers + self.sliding_layers)
        if self.moe is not None and not self.mtp_dense:
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
            size += self.heads * mla.v_head_dim * self.hidden_size * (2 if mla.output_gate else 1)
            return size + self._mla_replicated() / max(1, self.full_layers)
        queries = self.heads * head_dim * (2 if self.gated_attention else 1)
        values = 0 if shared_kv else v_head_dim
        return float(self.hidden_size * (queries + kv_heads * (head_dim + values) + self.heads * v_head_dim))

    @property
    def linear_parameters(self) -> float:
        """Parameters of linear-attention layers."""
        if self.linear is None or not self.linear.value_heads:
            return self.linear.mixer_parameters if self.linear else 0.0
        keys = self.linear.key_heads * self.linear.key_head_dim
        values = self.linear.value_heads * self.linear.value_head_dim
        projections = 2 * keys + 2 * values + 2 * self.linear.value_heads + values
        return float(
            self.linear.layers * (self.hidden_size * projections + self.linear.conv_kernel * (2 * keys + values))
        )
