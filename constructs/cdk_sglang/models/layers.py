"""Counts the layers of each kind that a config describes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Config = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class LayerCounts:
    """Layers by kind; `mlp_layers` is set only if MLPs are separate layers (Nemotron-H)."""

    full: int
    sliding: int
    linear: int
    moe: int
    mlp_layers: int | None = None

    @property
    def total(self) -> int:
        """Attention layers of every kind."""
        return self.full + self.sliding + self.linear


def count_layers(text: Config) -> LayerCounts:
    """Return the layers by kind.

    The pattern comes from the first of these that is present: explicit `layer_counts`, `hybrid_override_pattern` (Nemotron-H), `layer_types`,
    `full_attention_interval`, `sliding_window_pattern`; else every layer attends to everything.
    """
    counts = text.get("layer_counts")
    if isinstance(counts, Mapping):
        total = sum(int(counts.get(kind, 0)) for kind in ("full", "sliding", "linear"))
        mlp = counts.get("mlp")
        return LayerCounts(
            full=int(counts.get("full", 0)),
            sliding=int(counts.get("sliding", 0)),
            linear=int(counts.get("linear", 0)),
            moe=int(counts.get("moe", _moe_layers(text, total))),
            mlp_layers=None if mlp is None else int(mlp),
        )
    pattern = text.get("hybrid_override_pattern")
    if isinstance(pattern, str):
        return LayerCounts(
            full=pattern.count("*"),
            sliding=0,
            linear=pattern.count("M"),
            moe=pattern.count("E"),
            mlp_layers=pattern.count("-"),
        )
    total = int(text["num_hidden_layers"])
    full, sliding, linear = _attention_kinds(text, total)
    return LayerCounts(full=full, sliding=sliding, linear=linear, moe=_moe_layers(text, total))


def _attention_kinds(text: Config, total: int) -> tuple[int, int, int]:
    types = text.get("layer_types")
    if isinstance(types, list) and types:
        sliding = sum("sliding" in str(kind) or "chunked" in str(kind) for kind in types)
        linear = sum(str(kind) in {"linear_attention", "mamba", "conv", "recurrent"} for kind in types)
        return len(types) - sliding - linear, sliding, linear
    hybrid = text.get("hybrid_layer_pattern")
    if isinstance(hybrid, list) and hybrid:  # MiMo-V2: 1 marks a sliding layer
        return len(hybrid) - sum(map(int, hybrid)), sum(map(int, hybrid)), 0
    full = _full_layers(text, total)
    if full is not None:
        return full, 0, total - full
    every = int(text.get("sliding_window_pattern") or 0) if text.get("sliding_window") else 0
    if str(text.get("model_type", "")).startswith("llama4"):
        every = 4  # no key states it: three of four layers read chunks (`get_hybrid_layer_ids` of SGLang 0.5.23)
    if every:
        return total // every, total - total // every, 0
    if (
        text.get("sliding_window")
        and text.get("use_sliding_window", True)
        and text.get("model_type") in {"mistral", "gpt_oss"}
    ):
        return (total - total // 2, total // 2, 0) if text["model_type"] == "gpt_oss" else (0, total, 0)
    return total, 0, 0


def _full_layers(text: Config, total: int) -> int | None:
    """Return the number of full-attention layers if the others are linear; None if the config does not state it."""
    delta = text.get("linear_attn_config")
    if isinstance(delta, Mapping) and isinstance(delta.get("full_attn_layers"), list):  # Kimi's delta attention
        return len(delta["full_attn_layers"])
    interval = int(text.get("full_attention_interval") or 0)
    return total // interval if interval else None


def _moe_layers(text: Config, total: int) -> int:
    freq = text.get("moe_layer_freq")
    if isinstance(freq, list):
        return sum(1 for value in freq if value)
    types = text.get("mlp_layer_types")
    if isinstance(types, list):
        return sum(str(kind) == "sparse" for kind in types)
    step = int(text.get("interleave_moe_layer_step") or text.get("decoder_sparse_step") or 1)
    dense = int(text.get("first_k_dense_replace") or 0) + len(text.get("mlp_only_layers") or ())
    return max(0, total - dense) // max(1, step)
