"""Combinations with which SGLang 0.5.23 starts although they are wrong: refused before minutes are spent on loading.

Combinations that SGLang's own resolver refuses are left to it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdk_sglang_container.flags import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Values = Mapping[str, Any]

# Algorithms that predict with a second model: without its path SGLang fails after the base model was loaded.
_DRAFT_NEEDED = ("EAGLE3", "STANDALONE", "DFLASH")
# Algorithms that use the base model's own multi-token-prediction layers when no draft is named.
_DRAFT_OR_OWN_LAYERS = ("EAGLE", "NEXTN")
_OWN_LAYER_KEYS = ("nextn", "mtp")
_STEPS = ("speculative_num_steps", "speculative_eagle_topk", "speculative_num_draft_tokens")
_REMOTE_INSTANCE = (
    "remote_instance_weight_loader_seed_instance_ip",
    "remote_instance_weight_loader_seed_instance_service_port",
    "remote_instance_weight_loader_send_weights_group_ports",
)
_GPU_ATTENTION = ("fa3", "fa4", "flashinfer", "flashmla", "trtllm_mla", "trtllm_mha", "cutedsl_mla", "triton")


def check_combination(values: Values, *, on_cpu: bool) -> list[str]:
    """Problems of a parsed argument vector, one line each.

    Args:
        values: Fields of SGLang's `ServerArgs` by name, as parsed.
        on_cpu: Whether the platform has no GPU.
    """
    rules: list[Callable[[Values], list[str]]] = [_memory, _draft, _draft_steps, _hicache, _loading, _tokenizers]
    if on_cpu:
        rules.append(_cpu)
    return [problem for rule in rules for problem in rule(values)]


def _name(field: str) -> str:
    return PREFIX + field.upper()


def _memory(values: Values) -> list[str]:
    fraction = values.get("mem_fraction_static")
    if fraction is None or 0 < fraction < 1:
        return []
    name = _name("mem_fraction_static")
    return [f"{name}: must be a fraction between 0 and 1, got {fraction:g}; leave it out to let SGLang choose"]


def _draft(values: Values) -> list[str]:
    algorithm = str(values.get("speculative_algorithm") or "").upper()
    draft = values.get("speculative_draft_model_path")
    name = _name("speculative_draft_model_path")
    if draft and not algorithm:
        return [
            f"{name}: is not used without {_name('speculative_algorithm')}; set it (EAGLE3, EAGLE) or leave both out"
        ]
    if draft or not algorithm:
        return []
    if algorithm in _DRAFT_NEEDED:
        return [f"{name}: {algorithm} needs a draft model; name its folder"]
    if algorithm in _DRAFT_OR_OWN_LAYERS and _has_own_layers(values.get("model_path")) is False:
        return [
            f"{name}: the model has no prediction layers of its own, so {algorithm} needs a draft model; name its folder"
        ]
    return []


def _has_own_layers(model_path: object) -> bool | None:
    """Whether config.json names multi-token-prediction layers; None when it cannot be read."""
    try:
        config = json.loads((Path(str(model_path)) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    parts = [config, *(part for part in config.values() if isinstance(part, dict))]
    return any(value for part in parts for key, value in part.items() if any(word in key for word in _OWN_LAYER_KEYS))


def _draft_steps(values: Values) -> list[str]:
    present_fields = [field for field in _STEPS if values.get(field) is not None]
    algorithm = str(values.get("speculative_algorithm") or "").upper()
    if (
        not present_fields
        or values.get("speculative_adaptive")
        or algorithm not in {"EAGLE", "EAGLE3", "NEXTN", "STANDALONE"}
    ):
        return []  # adaptive speculation fills in what is missing
    if len(present_fields) < len(_STEPS):
        missing = ", ".join(_name(field) for field in _STEPS if field not in present_fields)
        return [
            f"{_name(present_fields[0])}: give all three or none of steps, topk and draft tokens; missing {missing}"
        ]
    steps, topk, tokens = (values[field] for field in _STEPS)
    if topk == 1 and tokens != steps + 1:
        name = _name("speculative_num_draft_tokens")
        return [f"{name}: is steps + 1 with topk 1, so {steps + 1}, got {tokens}; SGLang would change it silently"]
    return []


def _hicache(values: Values) -> list[str]:
    if values.get("hicache_storage_backend") and not values.get("enable_hierarchical_cache"):
        name = _name("hicache_storage_backend")
        return [f"{name}: is not used without {_name('enable_hierarchical_cache')}=true; set it or leave this out"]
    return []


def _loading(values: Values) -> list[str]:
    if values.get("load_format") != "remote_instance":
        return []
    missing = [_name(field) for field in _REMOTE_INSTANCE if not values.get(field)]
    backend = values.get("remote_instance_weight_loader_backend") or "nccl"
    if missing and backend == "nccl":
        return [f"{_name('load_format')}: remote_instance falls back to auto without {', '.join(missing)}; set them"]
    return []


def _tokenizers(values: Values) -> list[str]:
    workers = values.get("tokenizer_worker_num") or 1
    if workers > 1 and (values.get("enable_lora") or values.get("lora_paths")):
        # Each tokenizer worker keeps its own list of adapters (sglang/srt/lora/lora_registry.py), so one would answer
        # "unknown adapter" for what another has loaded.
        name = _name("tokenizer_worker_num")
        return [f"{name}: must be 1 with LoRA, got {workers}; SGLang's tokenizer workers do not share their adapters"]
    return []


def _cpu(values: Values) -> list[str]:
    backends = ("attention_backend", "prefill_attention_backend", "decode_attention_backend")
    attention = [
        f"{_name(field)}: {values[field]} needs a GPU and this platform has none; use torch_native"
        for field in backends
        if values.get(field) in _GPU_ATTENTION
    ]
    numbers = [
        f"{_name(field)}: {values[field]} needs a GPU and this platform has none; leave it out"
        for field in ("quantization", "kv_cache_dtype")
        if "fp8" in str(values.get(field) or "")
    ]
    return attention + numbers
