"""Names of a draft's tensors that SGLang 0.5.23 loads. It skips others without an error, and missing ones keep random values.

Read in srt/models/llama_eagle.py and qwen2_eagle.py (names without `model.`, the head is the base's, the first layer has no norm at its
input) and llama_eagle3.py (names with or without `model.`, `midlayer` and `aux_norm_*` of earlier drafts, q, k and v of doubled width).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from cdk_sglang_container.adapter_rules import Tensor

_EAGLE3: Final = "LlamaForCausalLMEagle3"
_PARTS: Final = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
    "post_attention_layernorm",
)
_FUSED: Final = {
    "self_attn.q_proj": "self_attn.qkv_proj",
    "self_attn.k_proj": "self_attn.qkv_proj",
    "self_attn.v_proj": "self_attn.qkv_proj",
    "mlp.gate_proj": "mlp.gate_up_proj",
    "mlp.up_proj": "mlp.gate_up_proj",
}
_LEGACY: Final = {
    "midlayer": "layers.0",
    "aux_norm_low": "fc_norm.0",
    "aux_norm_mid": "fc_norm.1",
    "aux_norm_high": "fc_norm.2",
}
_HARMLESS: Final = re.compile(r"(embed_tokens|lm_head)\.weight|.*rotary_emb\.(inv_freq|cos_cached|sin_cached)|d2t|t2d")
"""Tensors that the loader reads or recomputes."""
_BIAS: Final = re.compile(r"fc\.bias|layers\.\d+\.(self_attn|mlp)\.\w+\.bias")
"""Biases: an EAGLE head's fc may lack its own, which many published ones do (sgl-project/sglang#5773); it costs little."""
_SHOWN: Final = 3


def name_problems(
    tensors: Mapping[str, Tensor], files: Mapping[str, str], config: Mapping[str, Any], architecture: str
) -> list[str]:
    """Say which tensors SGLang would skip or not find.

    Args:
        tensors: By name.
        files: Name of the file by that of the tensor.
        config: The draft's.
        architecture: One of the heads for Llama and Qwen2.
    """
    needed = _needed(config, architecture)
    loaded = {_loaded_as(name, architecture): name for name in tensors}
    fused = {_fused(name) for name in needed}
    unknown = [
        name
        for loaded_as, name in loaded.items()
        if loaded_as not in needed | fused and not _HARMLESS.fullmatch(loaded_as) and not _BIAS.fullmatch(loaded_as)
    ]
    missing = sorted(name for name in needed if name not in loaded and _fused(name) not in loaded)
    problems = []
    if unknown:
        some = ", ".join(sorted(unknown)[:_SHOWN])
        problems.append(
            f"{files[unknown[0]]}: {some} ({len(unknown)} tensors) are not known to SGLang's {architecture}, which would leave "
            f"them out; rename them as it loads them ({', '.join(sorted(needed)[:_SHOWN])}, ...)"
        )
    elif missing:
        some = ", ".join(missing[:_SHOWN])
        problems.append(
            f"{next(iter(files.values()), 'model.safetensors')}: {some} ({len(missing)} tensors) missing, and SGLang would "
            "leave random values there; save the whole head, or use another draft"
        )
    return problems


def _needed(config: Mapping[str, Any], architecture: str) -> set[str]:
    layers = int(config.get("num_hidden_layers") or 1)
    third = architecture == _EAGLE3
    needed = {"fc.weight"} | {f"layers.{layer}.{part}.weight" for layer in range(layers) for part in _PARTS}
    if third:
        needed |= {f"layers.{layer}.hidden_norm.weight" for layer in range(layers)} | {"norm.weight"}
        if config.get("draft_vocab_size") is not None and not config.get("tie_word_embeddings"):
            needed.add("lm_head.weight")
        if config.get("target_hidden_size", config.get("hidden_size")) != config.get("hidden_size"):
            needed.add("embed_tokens.weight")
    needed |= {f"layers.{layer}.input_layernorm.weight" for layer in range(0 if third else 1, layers)}
    return needed | (_norms(config) if third else set())


def _norms(config: Mapping[str, Any]) -> set[str]:
    eagle = config.get("eagle_config")
    settings = {**config, **(eagle if isinstance(eagle, Mapping) else {})}
    needed = {"input_norm.weight"} if settings.get("norm_before_fc") else set()
    if config.get("fc_norm") or config.get("use_aux_norm"):
        needed |= {f"fc_norm.{place}.weight" for place in range(3)}
    return needed


def _loaded_as(name: str, architecture: str) -> str:
    if architecture != _EAGLE3:
        return name
    for old, new in _LEGACY.items():
        name = name.replace(old, new)
    return name.removeprefix("model.")


def _fused(name: str) -> str:
    for part, fused in _FUSED.items():
        if f".{part}." in name:
            return name.replace(part, fused)
    return name
