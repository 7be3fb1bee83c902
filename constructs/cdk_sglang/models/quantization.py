"""Reads how a checkpoint stores its weights: `quantization_config` of transformers, ModelOpt and compressed-tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdk_sglang.models.architecture import Quantization

_ALIASES = {
    "fp8": "fp8", "w8a8_fp8": "fp8", "fbgemm_fp8": "fp8", "mxfp8": "fp8", "modelopt_fp8": "fp8",
    "nvfp4": "nvfp4", "modelopt_fp4": "nvfp4", "mxfp4": "mxfp4",
    "awq": "int4", "gptq": "int4", "awq_marlin": "int4", "gptq_marlin": "int4", "auto-round": "int4", "int4": "int4",
    "w8a8_int8": "int8", "int8": "int8", "bitsandbytes": "int4",
}  # fmt: skip

_FP8_UNITS = frozenset({"w8a8_fp8", "mxfp8"})
"""Beside ModelOpt's, kinds of fp8 whose `get_min_capability` is 89 or more in SGLang 0.5.23 (layers/quantization, 2026-11-29)."""

_INT4_BITS, _INT8_BITS = 4, 8
_NVFP4_GROUP = 16  # OCP's MX formats have groups of 32

BF16_NAMES = frozenset({"bf16", "bfloat16", "fp16", "float16", "half", "fp16/bf16", "bf16/fp16"})


def method_of(name: str) -> str | None:
    """Return the storage method a name stands for (`awq` -> `int4`), or None for an unknown one."""
    word = name.strip().lower().split(" ")[0]
    return "bf16" if word in BF16_NAMES else _ALIASES.get(word)


def read_quantization(text: Mapping[str, Any]) -> Quantization:
    """Return the quantization a config states; bfloat16 when it states none."""
    section = text.get("quantization_config") or text.get("compression_config")
    if not isinstance(section, Mapping):
        return Quantization()
    method = str(section.get("quant_method") or "").lower()
    if not method and section.get("quant_algo"):
        method = "modelopt"
    if method == "modelopt" or "quant_algo" in section:
        return _modelopt(text, section)
    if method == "compressed-tensors":
        return _compressed_tensors(section)
    if method == "fp8":
        return _fp8(text, section)
    known = _ALIASES.get(method, "bf16")
    if known == "int8" or (known == "int4" and int(section.get("bits") or 4) == _INT8_BITS):
        return Quantization(method="int8")
    group = section.get("group_size")
    return Quantization(
        method=known,
        experts_only=known == "mxfp4",
        needs_fp8_units=method in _FP8_UNITS,
        group=int(group) if known == "int4" and isinstance(group, int) and group > 0 else None,
    )


def _fp8(text: Mapping[str, Any], section: Mapping[str, Any]) -> Quantization:
    block = section.get("weight_block_size")
    size = int(block[0]) if isinstance(block, list) and block else None
    if str(text.get("expert_dtype") or section.get("expert_dtype") or "") == "fp4":
        return Quantization(method="mxfp4", experts_only=True, rest="fp8", block=size)
    return Quantization(method="fp8", block=size)


def _modelopt(text: Mapping[str, Any], section: Mapping[str, Any]) -> Quantization:
    algorithm = str(section.get("quant_algo") or section.get("quantization", {}).get("quant_algo") or "FP8").upper()
    cache = section.get("kv_cache_quant_algo") or section.get("kv_cache_scheme")
    kv_cache = "fp8" if cache else None
    experts_only = bool(
        text.get("kv_lora_rank")
        or text.get("n_routed_experts")
        or text.get("num_experts")
        or text.get("num_local_experts")
    )
    if algorithm == "NVFP4":
        return Quantization(method="nvfp4", experts_only=experts_only, kv_cache=kv_cache)
    if algorithm == "MIXED_PRECISION":
        return Quantization(method="nvfp4", experts_only=experts_only, rest="fp8", kv_cache=kv_cache)
    return Quantization(method="fp8", kv_cache=kv_cache, needs_fp8_units=True)


def _compressed_tensors(section: Mapping[str, Any]) -> Quantization:
    groups = section.get("config_groups")
    weights: Mapping[str, Any] = {}
    if isinstance(groups, Mapping) and groups:
        weights = next(iter(groups.values())).get("weights") or {}
    bits, kind = int(weights.get("num_bits") or 8), str(weights.get("type") or "float")
    ignored = " ".join(map(str, section.get("ignore") or ()))
    experts_only = "attn" in ignored
    if bits == _INT4_BITS:
        group = int(weights.get("group_size") or 32)
        if kind == "float":
            return Quantization(method="nvfp4" if group == _NVFP4_GROUP else "mxfp4", experts_only=experts_only)
        return Quantization(method="int4", group=group, experts_only=experts_only)
    return Quantization(method="int8" if kind == "int" else "fp8", experts_only=experts_only)
