"""Reads how a checkpoint stores its weights: `quantization_config` of transformers, ModelOpt and compressed-tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cdk_sglang.models.architecture import Quantization
from cdk_sglang.models.exceptions import left_out, listed, methods_by_kind

if TYPE_CHECKING:
    from cdk_sglang.models.layers import LayerCounts

_ALIASES = {
    "fp8": "fp8", "w8a8_fp8": "fp8", "fbgemm_fp8": "fp8", "mxfp8": "fp8", "modelopt_fp8": "fp8",
    "nvfp4": "nvfp4", "modelopt_fp4": "nvfp4", "mxfp4": "mxfp4",
    "awq": "int4", "gptq": "int4", "awq_marlin": "int4", "gptq_marlin": "int4", "auto-round": "int4", "int4": "int4",
    "w8a8_int8": "int8", "int8": "int8", "bitsandbytes": "int4",
}  # fmt: skip

_FP8_UNITS = frozenset({"w8a8_fp8", "mxfp8"})
"""Kinds of fp8, in addition to ModelOpt's, whose `get_min_capability` is 89 or more in SGLang 0.5.23 (layers/quantization, 2026-11-29)."""

_INT4_BITS, _INT8_BITS = 4, 8
_NVFP4_GROUP = 16  # OCP's MX formats have groups of 32

BF16_NAMES = frozenset({"bf16", "bfloat16", "fp16", "float16", "half", "fp16/bf16", "bf16/fp16"})


def method_of(name: str) -> str | None:
    """Return the storage method that a name stands for (`awq` -> `int4`); None for an unknown name."""
    word = name.strip().lower().split(" ")[0]
    return "bf16" if word in BF16_NAMES else _ALIASES.get(word)


def read_quantization(
    text: Mapping[str, Any], counts: LayerCounts, *, moe_layers: int = 0, dense_layers: int = 0
) -> Quantization:
    """Return the quantization that a config states; bfloat16 if it states none.

    Args:
        text: The text model's section of a config, with the quantization of the whole model.
        counts: Its layers by kind of attention.
        moe_layers: Its layers with experts.
        dense_layers: Its layers with a plain MLP.
    """
    section = text.get("quantization_config") or text.get("compression_config")
    if not isinstance(section, Mapping):
        return Quantization()
    base = _base(text, section)
    attention = counts.full + counts.sliding
    layers = {
        "attention": attention, "output": attention, "linear": counts.linear, "mlp": dense_layers, "shared": moe_layers,
        "experts": moe_layers,
    }  # fmt: skip
    mixed = section.get("quantized_layers")
    if isinstance(mixed, Mapping) and mixed:
        return _mixed(base, methods_by_kind(mixed), layers)
    names = listed(section)
    if not names:
        return base
    # if MLPs and experts are separate layers, any layer may be of any kind
    total = counts.total + (0 if counts.mlp_layers is None else counts.mlp_layers + moe_layers)
    beside = str(text.get("model_type", "")).startswith("gemma4")
    return _without(base, left_out(names, layers, total, beside=beside), layers)


def _without(base: Quantization, shares: Mapping[str, float], layers: Mapping[str, int]) -> Quantization:
    """Return a quantization that keeps some shares of layers in bfloat16."""
    if base.method in {"bf16", "mxfp4"}:
        return base
    experts_only = bool(layers["experts"]) and shares.get("attention", 0.0) > _MOST
    if experts_only:
        rest = {kind: 1 - shares.get(kind, 0.0) for kind in _DENSE if layers[kind]}
        parts = tuple((kind, base.method, share) for kind, share in rest.items() if share > 0 and base.rest == "bf16")
    else:
        parts = tuple((kind, "bf16", share) for kind, share in shares.items() if kind in _DENSE)
    if shares.get("experts"):
        parts += (("experts", "bf16", shares["experts"]),)
    return replace(base, experts_only=experts_only, parts=parts)


def _mixed(base: Quantization, algorithms: Mapping[str, str], layers: Mapping[str, int]) -> Quantization:
    """Return a quantization with a format for each kind of layers; kinds that are not named stay in bfloat16."""
    methods = {kind: _method_of_algorithm(algorithm) for kind, algorithm in algorithms.items()}
    if not methods:
        return base
    experts_only = bool(layers["experts"])
    method = methods.get("experts" if experts_only else "mlp", base.method)
    rest = methods.get("attention", base.rest if experts_only else method)
    usual = rest if experts_only else method
    named = {kind: methods.get(kind, "bf16") for kind in _DENSE if layers[kind]}
    if (
        base.rest == "fp8" and "attention" not in methods and base.block
    ):  # an fp8 checkpoint whose experts were converted
        named = {kind: methods.get(kind, "fp8") for kind in named}
    parts = tuple((kind, one, 1.0) for kind, one in named.items() if one != usual)
    return replace(base, method=method, experts_only=experts_only, rest=rest if experts_only else "bf16", parts=parts)


_DENSE = ("attention", "output", "linear", "mlp", "shared")
_MOST = 0.5


def _method_of_algorithm(algorithm: str) -> str:
    return (
        "nvfp4" if "NVFP4" in algorithm else "fp8" if "FP8" in algorithm else "int4" if "INT4" in algorithm else "bf16"
    )


def _base(text: Mapping[str, Any], section: Mapping[str, Any]) -> Quantization:
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
        block = section.get("weight_block_size")
        return Quantization(
            method="nvfp4",
            experts_only=experts_only,
            rest="fp8",
            kv_cache=kv_cache,
            block=int(block[0]) if isinstance(block, list) and block else None,
        )
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
