"""Determines which kinds of layers a checkpoint's quantization excludes, from the names that its config lists."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

LIST_KEYS: Final = ("ignore", "modules_to_not_convert", "exclude_modules", "ignored_layers")
"""Keys under which configs list unquantized layers: compressed-tensors, transformers, ModelOpt, and SGLang's own fp8."""

KINDS: Final = ("attention", "output", "linear", "mlp", "shared", "experts")
"""Kinds of layers that checkpoints treat alike: projections into and out of attention, linear attention, plain MLPs, shared and routed experts."""

_MODULES: Final[Mapping[str, tuple[str, ...]]] = {
    "attention": ("self_attn.q_proj", "self_attn.q_b_proj", "attn.wq_b", "mixer.q_proj"),
    "output": ("self_attn.o_proj", "attn.wo_b", "mixer.o_proj"),
    "linear": ("linear_attn.in_proj_qkv", "linear_attn.in_proj_qkvz", "mixer.in_proj", "self_attn.f_a_proj"),
    "mlp": ("mlp.down_proj", "feed_forward.down_proj"),
    "shared": (
        "mlp.shared_expert.down_proj", "mlp.shared_experts.down_proj", "block_sparse_moe.shared_experts.down_proj",
        "ffn.shared_experts.w1", "mixer.shared_experts.down_proj", "share_expert.down_proj",
    ),
    "experts": (
        "mlp.experts.0.down_proj", "mlp.experts", "block_sparse_moe.experts.0.w1", "ffn.experts", "mixer.experts.0.down_proj",
    ),
}  # fmt: skip
_BESIDE_MLP: Final[Mapping[str, tuple[str, ...]]] = {
    **_MODULES, "shared": ("mlp.down_proj",), "experts": ("moe.experts.0.down_proj",), "mlp": (),
}  # fmt: skip
"""Names in Gemma 4, where each layer has a plain MLP in addition to its experts."""
_PREFIX: Final = re.compile(r"^(model\.language_model|language_model\.model|backbone|model)\.")


def listed(section: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of layers that a quantization section excludes, as written; empty if it lists none.

    Args:
        section: `quantization_config` of a config.json, or a ModelOpt `hf_quant_config.json`.
    """
    inner = section.get("quantization")
    places = [section, inner] if isinstance(inner, Mapping) else [section]
    return tuple(
        name
        for place in places
        for key in LIST_KEYS
        for name in (place.get(key) or ())
        if isinstance(name, str) and name.strip()
    )


def left_out(names: Iterable[str], layers: Mapping[str, int], total: int, *, beside: bool = False) -> dict[str, float]:
    """Return, by kind, the share of layers that stay unquantized; kinds without such layers are omitted.

    Layers with experts are assumed to follow those with a plain MLP, as in every model of the catalogue that has both.

    Args:
        names: Names as configs write them: whole names, parts of them, globs, or regular expressions after `re:`.
        layers: Number of layers of each kind.
        total: Number of layers of the model.
        beside: Whether each layer has a plain MLP in addition to its experts (Gemma 4).
    """
    matcher = _matcher(names)
    shares = {}
    for kind, modules in (_BESIDE_MLP if beside else _MODULES).items():
        count = layers.get(kind, 0)
        first = total - count if kind in {"experts", "shared"} else 0
        last = count if kind == "mlp" else total
        found = sum(
            any(matcher(f"layers.{index}.{module}") for module in modules) for index in range(max(0, first), last)
        )
        if found and count:
            shares[kind] = min(1.0, found / count)
    return shares


def methods_by_kind(quantized: Mapping[str, Any]) -> dict[str, str]:
    """Return the algorithm of each kind of layers in ModelOpt's `quantized_layers`, as ModelOpt names it, in upper case.

    Args:
        quantized: Settings by name of the layer.
    """
    found: dict[str, str] = {}
    for name, settings in quantized.items():
        if not isinstance(settings, Mapping):
            continue
        module = re.sub(r"^layers\.[^.]+\.", "", _PREFIX.sub("", str(name)))
        module = re.sub(r"experts\.[^.]+\.", "experts.0.", module)
        for kind, modules in _MODULES.items():
            if module in modules:
                found.setdefault(kind, str(settings.get("quant_algo") or "").upper())
    return found


def _matcher(names: Iterable[str]) -> Callable[[str], object]:
    """Return a function that tells whether any of the names matches a module."""
    patterns = []
    for name in names:
        if name.startswith("re:"):
            patterns.append(f"(?:{name[3:]})")
            continue
        plain = _PREFIX.sub("", name)
        if "*" in plain:
            patterns.append(fnmatch.translate(plain))
        elif plain.startswith("layers."):
            patterns.append(rf"(?:{re.escape(plain)})(?:\..*)?$")
        else:  # a part of a name, such as self_attn or mlp.gate
            patterns.append(rf"(?:.*\.)?(?:{re.escape(plain)})(?:\..*)?$")
    if not patterns:
        return lambda _: False
    try:
        whole = re.compile("|".join(patterns))
    except re.error:
        return lambda _: False
    return whole.match
