"""Speculative decoding as the planner sees it: where drafts come from, and what a draft takes of each GPU.

Rules of SGLang 0.5.23, read 2026-11-30. The draft's weights are loaded before the KV pool is sized
(`model_executor/model_runner_components/kv_cache_configurator.py`). A token of the pool then costs the target's layers and the
draft's: `DefaultPoolConfigurator` of `model_executor/pool_configurator.py` adds cell x draft layers / target layers for EAGLE,
EAGLE3, NEXTN and STANDALONE, and nothing for NGRAM; its sibling for sliding windows counts the draft's layers as full ones, but those
of a model's own prediction layers as sliding.
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
"""Words that an EAGLE-3 head predicts where its config is not known: `draft_vocab_size` of the public heads for Llama 3.1 and Qwen3."""
AUXILIARY_LAYERS: Final = 3
"""Layers of the target whose hidden states an EAGLE-3 head reads (`models/llama_eagle3.py`, default of num_aux_hidden_states)."""
RUNNING_MAX: Final = 48
"""Requests decoded at once with speculation when max_running_requests is not given (`arg_groups/speculative_hook.py`)."""
NGRAM_TOKENS: Final = 12
"""Tokens that NGRAM verifies at once when nothing is given (`_handle_ngram`)."""
_TREE: Final = (5, 8)
_CHAIN: Final = (3, 4)
"""Steps and tokens that SGLang chooses when none are given, for LlamaForCausalLM and for all others (`_auto_choose_speculative_params`)."""


class DraftKind(StrEnum):
    """Where drafts come from."""

    HEAD = "head"
    """An EAGLE head: one decoder layer that reads the target's hidden states."""
    OWN_LAYERS = "own layers"
    """The model's own prediction layers (NEXTN)."""
    LOOKUP = "lookup"
    """The text itself (NGRAM): no weights, and nothing in the KV pool."""


DEFAULT_ACCEPT_LENGTH: Final = 2.0
"""Tokens per verification step when nothing is known of the draft. Public EAGLE-3 heads accept 1.8 to 2.2 in chat
(AngelSlim's tables for Qwen3 1.7B to 32B, read 2026-11), so it promises little."""
_ACCEPT_LENGTHS: Final = {
    DraftKind.HEAD: (1.6, DEFAULT_ACCEPT_LENGTH, 3.0),
    DraftKind.OWN_LAYERS: (1.8, 2.4, 3.3),
    DraftKind.LOOKUP: (1.0, 1.3, 2.5),
}
"""Least, typical and most tokens per verification step of an unmeasured draft. Heads: AngelSlim's tables, and code at the upper end. Own
layers: 2.46 of DeepSeek-V3.2 and 3.12 to 3.31 of Qwen3.5-397B (SGLang's cookbook, 2026). Lookup: an assumption, from text that repeats
nothing to edits of a text in the prompt."""


@dataclass(frozen=True, kw_only=True)
class Speculation:
    """How a component drafts and verifies.

    Args:
        kind: Where drafts come from.
        steps: Tokens drafted in sequence; SGLang's choice for the model by default.
        draft_tokens: Tokens verified in one pass for each request; SGLang's choice for the model by default.
        accept_length: Tokens per verification step; the kind's typical one is assumed when None.
        layers: Decoder layers of a head.
        intermediate_size: Width of a head's MLP; the target's by default, of a mixture of experts that of the experts a token passes.
        vocabulary: Words that a head predicts; 0 where it shares the target's output projection.
        gate: Whether the draft serves only once a gate has measured it to be faster.
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
        """Whether nobody has measured the accept length."""
        return self.accept_length is None

    @property
    def accept_lengths(self) -> tuple[float, float, float]:
        """Least, typical and most tokens per verification step; the same three times where it is given."""
        length = self.accept_length
        return _ACCEPT_LENGTHS[self.kind] if length is None else (length, length, length)

    def options(self, model: ModelArchitecture) -> tuple[int, int]:
        """Return drafted steps and verified tokens per request, as given or as SGLang chooses them.

        Args:
            model: The target.
        """
        if self.kind is DraftKind.LOOKUP:
            return 0, self.draft_tokens or NGRAM_TOKENS
        steps, tokens = _TREE if model.model_type == "llama" else _CHAIN
        return self.steps or steps, self.draft_tokens or tokens


def draft_layers(model: ModelArchitecture, speculation: Speculation) -> int:
    """Return the decoder layers of a draft."""
    return {DraftKind.HEAD: speculation.layers, DraftKind.OWN_LAYERS: model.mtp_layers, DraftKind.LOOKUP: 0}[
        speculation.kind
    ]


def draft_bytes(model: ModelArchitecture, split: Parallelism, speculation: Speculation) -> float:
    """Return the bytes of a draft's weights on the fullest GPU; 0 where nothing is loaded.

    A head is counted in bfloat16, as trainers write it, or in the wider format that the target is loaded in. It shares the target's input embedding, and its output projection where it
    predicts the whole vocabulary (`init_lm_head` of `speculative/eagle_worker_v2.py`).

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
    """Return the parameters of a head's layer on one GPU: the first reads the embedding beside the hidden state, so its input is twice as wide."""
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
        unbounded: In rows as long as the target's full layers.
        sliding: In rows of the pool for sliding windows.
    """

    unbounded: float = 0.0
    sliding: float = 0.0


NO_DRAFT_KV: Final = DraftKv()
"""Nothing: without a draft, and with one that keeps no cache."""


def draft_kv(
    model: ModelArchitecture,
    split: Parallelism,
    kv_dtype: str,
    speculation: Speculation | None,
    *,
    plain_latent: bool = False,
) -> DraftKv:
    """Return what a draft adds to a token of the KV pool, by SGLang's rule.

    The rule takes the draft's layers to cache as much as the target's, which holds for heads that keep its attention.

    Args:
        model: The target.
        split: How one copy is spread over GPUs.
        kv_dtype: Format of the cache.
        speculation: How it drafts; nothing is added when None.
        plain_latent: Sparse attention keeps its fp8 latent without scales.
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
