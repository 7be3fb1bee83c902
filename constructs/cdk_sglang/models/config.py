"""Reads a Hugging Face `config.json` into a `ModelArchitecture`.

Multimodal wrappers are unwrapped to their text model. A missing key that memory depends on is an error that names the key; such values are
never guessed. Keys are those of transformers 5 and of the configs in the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.models.architecture import (
    CompressedAttention,
    LinearAttention,
    Mla,
    ModelArchitecture,
    Moe,
    VisionTower,
)
from cdk_sglang.models.image_families import image_input
from cdk_sglang.models.layers import LayerCounts, count_layers
from cdk_sglang.models.quantization import read_quantization
from cdk_sglang.models.vision import vision_parameters

Config = Mapping[str, Any]

_TEXT_KEYS = ("text_config", "llm_config", "language_config", "thinker_config", "model_config")
_REQUIRED = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")
_BY_HAND = (
    "give the missing numbers by hand with: cdk-sglang models add <config.json> --set key=value, "
    "or state weights and kv bytes in the component's model facts"
)


def read_config(config: Config, *, where: str = "config.json") -> ModelArchitecture:
    """Return the architecture that a config describes.

    Args:
        config: The parsed `config.json`.
        where: Name of the config in messages.

    Raises:
        ConfigurationError: A key that memory depends on is absent or not a number; every such key is named.
    """
    text = unwrap(config)
    problems = [
        Problem(where, f"{key} is missing; {_BY_HAND}")
        for key in _REQUIRED
        if text.get(key) is None
        and not (key == "num_hidden_layers" and ("layer_counts" in text or "hybrid_override_pattern" in text))
    ]
    if isinstance(text.get("block_configs"), list):
        problems.append(Problem(where, f"layers of different shapes (block_configs) are not supported; {_BY_HAND}"))
    for key in _NUMBERS:
        value = text.get(key)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf")
        ):
            problems.append(Problem(where, f"{key} is {value!r}; a number of 0 or more is needed"))
    problems += [Problem(where, f"{key} is 0; {_BY_HAND}") for key in _REQUIRED if text.get(key) == 0]
    if problems:
        raise ConfigurationError(problems)
    counts = count_layers(text)
    moe = _moe(text, counts)
    if moe is None and not (
        text.get("intermediate_size") or text.get("intermediate_size_mlp") or text.get("other_parameters")
    ):
        raise ConfigurationError([Problem(where, f"intermediate_size is missing and there are no experts; {_BY_HAND}")])
    return _architecture(config, text, counts, moe)


def unwrap(config: Config) -> Config:
    """Return the text model's section of a config, with the quantization of the whole model."""
    for key in _TEXT_KEYS:
        inner = config.get(key)
        if isinstance(inner, Mapping) and ("hidden_size" in inner or any(k in inner for k in _TEXT_KEYS)):
            merged = dict(unwrap(inner))
            for outer in (
                "quantization_config",
                "tie_word_embeddings",
                "vision_parameters",
                "other_parameters",
                "vision_config",
            ):
                if outer in config and outer not in merged:
                    merged[outer] = config[outer]
            return merged
    return config


_NUMBERS = (
    *_REQUIRED,
    "num_key_value_heads", "head_dim", "v_head_dim", "intermediate_size", "moe_intermediate_size", "n_routed_experts",
    "num_experts", "num_local_experts", "num_experts_per_tok", "kv_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim",
    "q_lora_rank", "max_position_embeddings", "sliding_window", "num_nextn_predict_layers",
)  # fmt: skip


def _architecture(config: Config, text: Config, counts: LayerCounts, moe: Moe | None) -> ModelArchitecture:
    hidden, heads = int(text["hidden_size"]), int(text["num_attention_heads"])
    mla, compressed = _mla(text), _compressed(text)
    kv_heads = int(_first(text, "num_key_value_heads") or heads)
    head_dim = int(_first(text, "head_dim") or hidden // heads)
    v_head_dim = int(text.get("v_head_dim") or head_dim)
    mixers = counts.mlp_layers is not None
    dense = (counts.mlp_layers or 0) if mixers else counts.total - (moe.layers if moe else 0)
    global_head_dim = int(text.get("global_head_dim") or head_dim)
    return ModelArchitecture(
        model_type=str(text.get("model_type") or config.get("model_type") or "unknown"),
        hidden_size=hidden,
        vocab_size=int(text["vocab_size"]),
        heads=heads,
        kv_heads=int(text.get("num_global_key_value_heads") or kv_heads),
        head_dim=global_head_dim,
        v_head_dim=global_head_dim if text.get("global_head_dim") else v_head_dim,
        full_layers=counts.full,
        sliding_layers=counts.sliding,
        sliding_window=int(text["sliding_window"]) if counts.sliding and text.get("sliding_window") else None,
        sliding_kv_heads=int(text.get("swa_num_key_value_heads") or kv_heads),
        sliding_head_dim=int(text.get("swa_head_dim") or head_dim),
        sliding_v_head_dim=int(text.get("swa_v_head_dim") or v_head_dim),
        gated_attention=bool(
            text.get("attn_output_gate", str(text.get("model_type", "")).startswith(("qwen3_5", "qwen3_next")))
        ),
        shared_kv=bool(text.get("attention_k_eq_v")),
        mla=mla,
        compressed=compressed,
        linear=_linear(text, counts),
        mixer_only_layers=mixers,
        dense_layers=dense,
        intermediate_size=int(text.get("intermediate_size_mlp") or text.get("intermediate_size") or 0),
        mlp_matrices=2 if str(text.get("model_type")) == "nemotron_h" else 3,
        moe=moe,
        mtp_layers=int(_first(text, "num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules") or 0),
        tied_embeddings=bool(text.get("tie_word_embeddings", _tied_by_default(text))),
        max_position_embeddings=int(text["max_position_embeddings"]) if text.get("max_position_embeddings") else None,
        mtp_dense=bool(text.get("mtp_dense")),
        quantization=read_quantization(text, counts, moe_layers=moe.layers if moe else 0, dense_layers=dense),
        index_head_dim=int(text["index_head_dim"]) if text.get("index_head_dim") and mla is None else None,
        kv_known=not text.get("kv_unknown") and (not text.get("compress_ratios") or compressed is not None),
        other_parameters=float(text.get("other_parameters") or 0.0),
        vision_parameters=_vision_parameters(text, hidden),
        vision=_vision(config, text),
        images=image_input(config, text),
    )


_VISION_OF_SGLANG = {"kimi_k25": VisionTower(layers=27, hidden_size=1152), "minimax_m3_vl": VisionTower()}
"""Checkpoints whose `vision_config` SGLang 0.5.23 does not read: Kimi's keys begin with vt_, MiniMax's stays a plain mapping."""


def _vision(config: Config, text: Config) -> VisionTower | None:
    section = text.get("vision_config")
    if not isinstance(section, Mapping):
        return None
    read_otherwise = _VISION_OF_SGLANG.get(str(config.get("model_type")))
    if read_otherwise is not None:
        return read_otherwise
    layers, width = section.get("num_hidden_layers"), section.get("hidden_size")
    return VisionTower(
        layers=layers if isinstance(layers, int) else VisionTower.layers,
        hidden_size=width if isinstance(width, int) else VisionTower.hidden_size,
    )


def _vision_parameters(text: Config, hidden_size: int) -> float:
    """Return the parameters of encoders: as stated, else counted from `vision_config`."""
    section = text.get("vision_config")
    if text.get("vision_parameters") is not None or not isinstance(section, Mapping):
        return float(text.get("vision_parameters") or 0.0)
    return vision_parameters(section, hidden_size)


def _tied_by_default(text: Config) -> bool:
    """Gemma configs leave the key out and tie (transformers' Gemma default)."""
    return str(text.get("model_type", "")).startswith("gemma")


def _moe(text: Config, counts: LayerCounts) -> Moe | None:
    experts = int(_first(text, "n_routed_experts", "num_experts", "num_local_experts") or 0)
    if experts <= 1:
        return None
    top_k = int(
        _first(text, "num_experts_per_tok", "num_experts_per_token", "experts_per_token", "top_k_experts", "moe_topk")
        or 1
    )
    size = int(_first(text, "moe_intermediate_size", "intermediate_size") or 0)
    if shared_mlp := str(text.get("model_type", "")).startswith("gemma4"):
        shared_mlp = bool(text.get("intermediate_size"))  # a dense MLP next to the experts
    shared = (
        text["intermediate_size"]
        if shared_mlp
        else text.get("moe_shared_expert_intermediate_size") or text.get("shared_expert_intermediate_size")
    )
    if shared is None:
        shared = int(text.get("n_shared_experts") or text.get("num_shared_experts") or 0) * size
    return Moe(
        layers=counts.moe,
        experts=experts,
        top_k=top_k,
        intermediate_size=size,
        shared_intermediate_size=int(shared),
        latent_size=int(_first(text, "moe_latent_size", "routed_expert_hidden_size") or 0) or None,
    )


def _mla(text: Config) -> Mla | None:
    if not text.get("kv_lora_rank"):
        return None
    return Mla(
        kv_lora_rank=int(text["kv_lora_rank"]),
        rope_head_dim=int(text.get("qk_rope_head_dim") or 64),
        nope_head_dim=int(text.get("qk_nope_head_dim") or 128),
        v_head_dim=int(text.get("v_head_dim") or 128),
        q_lora_rank=int(text["q_lora_rank"]) if text.get("q_lora_rank") else None,
        index_head_dim=int(text["index_head_dim"]) if text.get("index_head_dim") else None,
        index_heads=int(text.get("index_n_heads") or 64),
        output_gate=bool(text.get("mla_use_output_gate")),
    )


def _compressed(text: Config) -> CompressedAttention | None:
    ratios = text.get("compress_ratios")
    if not isinstance(ratios, list) or not text.get("o_lora_rank"):
        return None
    own = ratios[: int(text["num_hidden_layers"])]  # the rest belongs to the prediction layers
    return CompressedAttention(
        q_lora_rank=int(text.get("q_lora_rank") or 0),
        o_lora_rank=int(text["o_lora_rank"]),
        o_groups=int(text.get("o_groups") or 1),
        rope_head_dim=int(text.get("qk_rope_head_dim") or 64),
        index_head_dim=int(text.get("index_head_dim") or 128),
        index_heads=int(text.get("index_n_heads") or 64),
        plain_layers=sum(ratio in {0, 1} for ratio in own),
        fourfold_layers=sum(ratio == _FOURFOLD for ratio in own),
        sparse_layers=sum(isinstance(ratio, int) and ratio > _FOURFOLD for ratio in own),
        index_top_k=int(text.get("index_topk") or 512),
    )


_FOURFOLD = 4


def _delta_attention(section: Config, layers: int, hidden_size: int) -> LinearAttention:
    """Return the layers of Kimi's delta attention (SGLang 0.5.23, `KimiK3DeltaAttention` of models/kimi_k3.py)."""
    heads, dim = int(section.get("num_heads") or 0), int(section.get("head_dim") or 0)
    kernel, width = int(section.get("short_conv_kernel_size") or 4), heads * dim
    gate = hidden_size * width if section.get("use_full_rank_gate") else (hidden_size + width) * dim
    mixer = hidden_size * (4 * width + heads) + gate + (hidden_size + width) * dim + 3 * width * kernel
    return LinearAttention(
        layers=layers,
        key_head_dim=dim,
        value_head_dim=dim,
        conv_kernel=kernel,
        mixer_parameters=float(layers * mixer),
        state_bytes_per_slot=float(layers * (heads * dim * dim * 4 + 3 * width * (kernel - 1) * 2)),
    )


def _linear(text: Config, counts: LayerCounts) -> LinearAttention | None:
    if not counts.linear:
        return None
    if isinstance(text.get("linear_attn_config"), Mapping):
        return _delta_attention(text["linear_attn_config"], counts.linear, int(text["hidden_size"]))
    values, value_dim = int(text.get("linear_num_value_heads") or 0), int(text.get("linear_value_head_dim") or 0)
    keys, key_dim = int(text.get("linear_num_key_heads") or 0), int(text.get("linear_key_head_dim") or 0)
    kernel = int(text.get("linear_conv_kernel_dim") or text.get("conv_kernel") or 4)
    mixers = 0.0
    if values:
        recurrent = values * key_dim * value_dim * 4  # float32 state
        convolution = (2 * keys * key_dim + values * value_dim) * (kernel - 1) * 2
    else:
        mamba_heads, mamba_dim = int(text.get("mamba_num_heads") or 0), int(text.get("mamba_head_dim") or 0)
        state, groups = int(text.get("ssm_state_size") or 0), int(text.get("n_groups") or 0)
        recurrent = mamba_heads * mamba_dim * state * 4
        inner = mamba_heads * mamba_dim
        convolution = (inner + 2 * groups * state) * (kernel - 1) * 2
        mixers = float(counts.linear * text["hidden_size"] * (3 * inner + 2 * groups * state + mamba_heads))
    return LinearAttention(
        layers=counts.linear,
        key_heads=keys,
        value_heads=values,
        key_head_dim=key_dim,
        value_head_dim=value_dim,
        conv_kernel=kernel,
        mixer_parameters=mixers,
        state_bytes_per_slot=float(counts.linear * (recurrent + convolution)),
    )


def _first(text: Config, *keys: str) -> int | float | None:
    for key in keys:
        value: int | float | None = text.get(key)
        if value is not None:
            return value
    return None
