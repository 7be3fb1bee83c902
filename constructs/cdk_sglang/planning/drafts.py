"""Speculative decoding in the planner: the kinds of drafts, and the memory that a draft takes on each GPU.

Rules of SGLang 0.5.23, read 2026-11-30. The draft's weights are loaded before the KV pool is sized
(`model_executor/model_runner_components/kv_cache_configurator.py`). A token of the pool then costs the target's layers and the
draft's: `DefaultPoolConfigurator` of `model_executor/pool_configurator.py` adds cell x draft layers / target layers for EAGLE,
EAGLE3, NEXTN and STANDALONE, and nothing for NGRAM. The configurator for sliding windows counts a draft's layers as full-attention
layers, but a model's own prediction layers as sliding.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from cdk_sglang.planning.parallel import kv_bytes_per_token, kv_projection_excess, weights_bytes_per_gpu

if TYPE_CHECKING:
    from cdk_sglang.models.architecture import ModelArchitecture
    from cdk_sglang.planning.parallel import Parallelism

DRAFT_VOCABULARY: Final = 32_000
"""Vocabulary that an EAGLE-3 head predicts if its config is unknown: `draft_vocab_size` of the public heads for Llama 3.1 and Qwen3."""
AUXILIARY_LAYERS: Final = 3
"""Layers of the target whose hidden states an EAGLE-3 head reads (`models/llama_eagle3.py`, default of num_aux_hidden_states)."""
RUNNING_MAX: Final = 48
"""Requests decoded at once with speculation when max_running_requests is not given (`arg_groups/speculative_hook.py`)."""
NGRAM_TOKENS: Final = 12
"""Default number of tokens that NGRAM verifies at once (`_handle_ngram`)."""
_TREE: Final = (5, 8)
_CHAIN: Final = (3, 4)
"""Steps and tokens that SGLang chooses when none are given, for LlamaForCausalLM and for all others (`_auto_choose_speculative_params`)."""


class DraftKind(StrEnum):
    """The source of drafts."""

    HEAD = "head"
    """An EAGLE head: one decoder layer that reads the target's hidden states."""
    OWN_LAYERS = "own layers"
    """The model's own prediction layers (NEXTN)."""
    LOOKUP = "lookup"
    """The text itself (NGRAM): no weights, and nothing in the KV pool."""


DEFAULT_ACCEPT_LENGTH: Final = 2.0
"""Tokens per verification step if nothing is known of the draft. Public EAGLE-3 heads accept 1.8 to 2.2 tokens in chat
(AngelSlim's tables for Qwen3 1.7B to 32B, read 2026-11), so the value is conservative."""
_ACCEPT_LENGTHS: Final = {
    DraftKind.HEAD: (1.6, DEFAULT_ACCEPT_LENGTH, 3.0),
    DraftKind.OWN_LAYERS: (1.8, 2.4, 3.3),
    DraftKind.LOOKUP: (1.0, 1.3, 2.5),
}
"""Minimum, typical and maximum tokens per verification step of an unmeasured draft. Heads: AngelSlim's tables, with code at the upper end.
Own layers: 2.46 for DeepSeek-V3.2 and 3.12 to 3.31 for Qwen3.5-397B (SGLang's cookbook, 2026). Lookup: an assumption, ranging from text
without any repetition to edits of a text in the prompt."""


@dataclass(frozen=True, kw_only=True)
class Speculation:
    """How a component drafts and verifies.

    Args:
        kind: Source of the drafts.
        steps: Tokens drafted in sequence; SGLang's choice for the model by default.
        draft_tokens: Tokens verified in one pass for each request; SGLang's choice for the model by default.
        accept_length: Tokens per verification step; if None, the typical value of the kind is assumed.
        layers: Decoder layers of a head.
        intermediate_size: Width of a head's MLP; by default the target's, or for a mixture of experts that of the experts active per token.
        vocabulary: Size of the vocabulary that a head predicts; 0 if it shares the target's output projection.
        gate: Whether the draft serves only after a gate has measured that it is faster.
    """

    kind: DraftKind
    steps: int | None = None
    draft_tokens: int | None = None
    accept_length: float | None = None
    layers: int = 1
    intermediate_size: int | None = None
    vocabulary: int = DRAFT_VOCABULARY
    gate: bool = False

    @property
    def is_assumed(self) -> bool:
        """Whether the accept length is assumed, not measured."""
        return self.accept_length is None

    @property
    def accept_lengths(self) -> tuple[float, float, float]:
        """Minimum, typical and maximum tokens per verification step; three equal values if the accept length is given."""
        length = self.accept_length
        return _ACCEPT_LENGTHS[self.kind] if length is None else (length, length, length)

    def options(self, model: ModelArchitecture) -> tuple[int, int]:
        """Return the draft steps and the verified tokens per request, as given or as SGLang chooses them.

        Args:
            model: The target.
        """
        if self.kind is DraftKind.LOOKUP:
            return 0, self.draft_tokens or NGRAM_TOKENS
        steps, tokens = _TREE if model.model_type == "llama" else _CHAIN
        return self.steps or steps, self.draft_tokens or tokens


def draft_layers(model: ModelArchitecture, speculation: Speculation) -> int:
    """Return the number of decoder layers of a draft."""
    return {DraftKind.HEAD: speculation.layers, DraftKind.OWN_LAYERS: model.mtp_layers, DraftKind.LOOKUP: 0}[
        speculation.kind
    ]


def draft_bytes(model: ModelArchitecture, split: Parallelism, speculation: Speculation) -> float:
    """Return the bytes of a draft's weights on the GPU with the most weights; 0 if the draft has no weights.

    A head is counted in bfloat16, the format that trainers write, or in the wider format that the target is loaded in. It shares the
    target's input embedding, and also its output projection if it predicts the whole vocabulary (`init_lm_head` of
    `speculative/eagle_worker_v2.py`).

    Args:
        model: The target.
        split: How one copy is spread over GPUs.
        speculation: How it drafts.
    """
    if speculation.kind is DraftKind.LOOKUP:
        return 0.0
    if speculation.kind is DraftKind.OWN_LAYERS:
        return weights_bytes_per_gpu(model, split, mtp=True) - weights_bytes_per_gpu(model, split)
    joined = AUXILIARY_LAYERS * model.hidden_size**2  # `fc` is a plain linear layer: whole on every GPU
    projection = speculation.vocabulary * model.hidden_size / split.tensor
    values = speculation.layers * layer_parameters(model, split, speculation) + joined + projection
    return values * model.quantization.plain_bytes


def layer_parameters(model: ModelArchitecture, split: Parallelism, speculation: Speculation) -> float:
    """Return the parameters of a head's layers on one GPU: the first reads embedding and hidden state, so its input is twice as wide."""
    layers = max(1, model.full_layers + model.sliding_layers)
    linear = model.linear.mixer_parameters if model.linear else 0.0
    attention = max(0.0, model.attention_parameters - model.other_parameters - linear) / max(
        layers, model.attention_layers
    )
    projections = model.heads * model.head_dim + model.kv_heads * (model.head_dim + model.v_head_dim)
    wider = 0.0 if model.mla is not None else float(model.hidden_size * projections)
    width = speculation.intermediate_size or _width(model)
    sliced = attention + wider + model.mlp_matrices * model.hidden_size * width
    return sliced / split.tensor + kv_projection_excess(model, split.attention_tp) / layers


def _width(model: ModelArchitecture) -> int:
    if model.moe is None:
        return model.intermediate_size
    return model.moe.top_k * model.moe.intermediate_size + model.moe.shared_intermediate_size


@dataclass(frozen=True, kw_only=True)
class DraftKv:
    """Bytes that a draft adds to a token of the KV pool on one GPU.

    Args:
        unbounded: Bytes in rows that keep the whole context, as the target's full layers do.
        sliding: Bytes in rows of the pool for sliding windows.
    """

    unbounded: float = 0.0
    sliding: float = 0.0


NO_DRAFT_KV: Final = DraftKv()
"""No bytes: without a draft, or with a draft that keeps no cache."""


def draft_kv(
    model: ModelArchitecture,
    split: Parallelism,
    kv_dtype: str,
    speculation: Speculation | None,
    *,
    plain_latent: bool = False,
) -> DraftKv:
    """Return the bytes that a draft adds to a token of the KV pool, by SGLang's rule.

    The rule assumes that the draft's layers cache as much as the target's, which is true of heads that keep its attention.

    Args:
        model: The target.
        split: How one copy is spread over GPUs.
        kv_dtype: Format of the cache.
        speculation: How it drafts; None without a draft.
        plain_latent: Whether sparse attention keeps its fp8 latent without scales.
    """
    if speculation is None:
        return NO_DRAFT_KV
    layers = draft_layers(model, speculation)
    kv = kv_bytes_per_token(model, split, kv_dtype, plain_latent=plain_latent, drafts=True)
    if model.sliding_layers and (speculation.kind is DraftKind.OWN_LAYERS or not model.full_layers):
        held = model.sliding_layers * split.stage_share(model.sliding_layers)
        return DraftKv(sliding=kv.sliding / held * layers)
    if not model.full_layers:
        return NO_DRAFT_KV
    return DraftKv(unbounded=kv.unbounded / (model.full_layers * split.stage_share(model.full_layers)) * layers)
