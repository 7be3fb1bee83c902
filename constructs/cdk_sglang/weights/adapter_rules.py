"""Whether the tensors of a LoRA adapter are those that its config describes, and fit a base model.

One text in two places, `cdk_sglang/weights` and `cdk_sglang_container`: the library checks what it packs, the container
what it is told to load, and neither imports the other. A test holds the two files equal; change both. Nothing but the
standard library here. Read in sglang 0.5.23, srt/lora: lora_config.py, lora.py, mem_pool.py, utils.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

CONFIG_FILE: Final = "adapter_config.json"
WEIGHTS_FILE: Final = "adapter_model.safetensors"

_FUSED: Final[Mapping[str, str]] = {
    "q_proj": "qkv_proj",
    "k_proj": "qkv_proj",
    "v_proj": "qkv_proj",
    "gate_proj": "gate_up_proj",
    "up_proj": "gate_up_proj",
    "vocab_emb": "embed_tokens",
    "embeddings": "embed_tokens",
    "word_embeddings": "embed_tokens",
    "output": "lm_head",
    "unembed_tokens": "lm_head",
    "q_a_proj": "fused_qkv_a_proj_with_mqa",
    "kv_a_proj_with_mqa": "fused_qkv_a_proj_with_mqa",
}
"""Modules that SGLang 0.5.23 keeps in one buffer (srt/lora/utils.py, get_normalized_target_modules): one stands for all."""

_MATRIX: Final = re.compile(
    r"(?P<module>.+)\.lora_(?:(?P<side>[AB])(?:\.[\w\-]+)?\.weight|embedding_(?P<embedding>[AB])(?:\.[\w\-]+)?)"
)
_PEFT_PREFIX: Final = "base_model.model."
_FLOATS: Final = ("F64", "F32", "F16", "BF16")
# Of quantized base models: several values packed into one element, so that sizes say nothing.
_PACKED: Final = ("U8", "I32", "U32")
_LAYER: Final = re.compile(r"layers\.\d+\.")
_OUTSIDE_LAYERS: Final = ("embed_tokens", "lm_head", "unembed_tokens")
# q_proj without v_proj cannot be stacked, and k_proj or v_proj without q_proj has no buffer (lora.py, normalize_qkv_proj).
_NEEDED_BESIDE: Final[Mapping[str, tuple[str, ...]]] = {
    "q_proj": ("v_proj",),
    "k_proj": ("q_proj", "v_proj"),
    "v_proj": ("q_proj",),
}
_DIMENSIONS: Final = (2, 3)  # experts may be stacked into one tensor


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One tensor of a safetensors file.

    Attributes:
        dtype: As safetensors spells it, such as BF16.
        shape: Length of each axis.
    """

    dtype: str
    shape: tuple[int, ...]


def missing_modules(changed: Iterable[str], allowed: Iterable[str]) -> list[str]:
    """Return the modules an adapter changes that a server started for others has no buffer for, sorted."""
    buffers = {_FUSED.get(module, module) for module in allowed}
    return sorted(module for module in changed if _FUSED.get(module, module) not in buffers)


def tensor_problems(tensors: Mapping[str, Tensor], *, rank: int, modules: Iterable[str]) -> list[str]:
    """Say where the tensors of `adapter_model.safetensors` do not agree with the config; the first of each kind.

    Args:
        tensors: By name.
        rank: The config's `r`.
        modules: The config's `target_modules`, by `module_names`.
    """
    if not any("lora_" in name for name in tensors):
        return ["holds no LoRA matrices (lora_A, lora_B); is it a full model?"]
    targets = frozenset(modules)
    found: dict[str, str] = {}
    pairs: dict[str, dict[str, Tensor]] = {}
    for name, tensor in sorted(tensors.items()):
        match = _MATRIX.fullmatch(name.removeprefix(_PEFT_PREFIX))
        if match is None:
            found.setdefault(
                "name", f"{name} is no LoRA matrix (lora_A, lora_B); SGLang would leave it out, or take it for one"
            )
            continue
        module, side = match["module"], match["side"] or match["embedding"]
        pairs.setdefault(module, {})[side] = tensor
        if "all" not in targets and module.rsplit(".", 1)[-1] not in targets:
            found.setdefault("target", f"{name} changes a module that {CONFIG_FILE} does not name in target_modules")
        if _LAYER.search(name) is None and not any(known in name for known in _OUTSIDE_LAYERS):
            found.setdefault("layer", f"{name} is in no layer; SGLang would leave it out without a word")
        if tensor.dtype not in _FLOATS:
            found.setdefault("dtype", f"{name} is of type {tensor.dtype}; SGLang takes {', '.join(_FLOATS)}")
        if len(tensor.shape) not in _DIMENSIONS:
            found.setdefault("shape", f"{name} has the shape {list(tensor.shape)}; a LoRA matrix has two axes")
        elif _rank_of(tensor, side) != rank:
            found.setdefault(
                "rank",
                f"{name} has the shape {list(tensor.shape)}, {CONFIG_FILE} says r {rank}; "
                "the two files are not of one adapter",
            )
    for module, sides in pairs.items():
        if len(sides) == 1:
            found.setdefault("pair", f"{module} has no lora_{'B' if 'A' in sides else 'A'}; the file is not whole")
        parent, _, leaf = module.rpartition(".")
        lacking = [other for other in _NEEDED_BESIDE.get(leaf, ()) if f"{parent}.{other}" not in pairs]
        if lacking:
            found.setdefault(
                "stack",
                f"{module} is changed without {' and '.join(lacking)}; SGLang keeps q, k and v in one matrix and "
                "needs q_proj and v_proj together",
            )
    return list(found.values())


def base_problems(tensors: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> list[str]:
    """Say where an adapter does not fit a base model; nothing where the base's tensors are unknown.

    Args:
        tensors: The adapter's, by name.
        base: The base model's, by name; experts and fused projections may be stored under other names than modules have.
    """
    by_layer = {_from_layers(name): tensor for name, tensor in base.items()}
    problems = []
    for name, tensor in sorted(tensors.items()):
        match = _MATRIX.fullmatch(name.removeprefix(_PEFT_PREFIX))
        if match is None or len(tensor.shape) != _DIMENSIONS[0]:
            continue
        module, side = match["module"], match["side"] or match["embedding"]
        expected = base.get(f"{module}.weight") or by_layer.get(_from_layers(f"{module}.weight"))
        if expected is None:
            known = any(_from_layers(other).startswith(f"{_from_layers(module)}.") for other in base)
            if base and not known and _is_plain(module):
                problems.append(f"the base model has no {module}; the adapter is of another model")
            continue
        if len(expected.shape) != _DIMENSIONS[0] or expected.dtype in _PACKED:
            continue
        outputs, inputs = expected.shape if match["embedding"] is None else reversed(expected.shape)
        end, got, want = ("input", tensor.shape[1], inputs) if side == "A" else ("output", tensor.shape[0], outputs)
        if got != want:
            problems.append(f"{module} has {end} size {got}, the base model {want}; the adapter is of another model")
    return problems[:1]


def _rank_of(tensor: Tensor, side: str) -> int:
    return tensor.shape[-2] if side == "A" else tensor.shape[-1]


def _from_layers(name: str) -> str:
    """Return a name from its layer on: what stands before differs between checkpoints and modules of one model."""
    place = name.find("layers.")
    return name if place < 0 else name[place:]


def _is_plain(module: str) -> bool:
    """Whether the module is one per layer: experts and fused projections are stored under other names."""
    leaf = module.rsplit(".", 1)[-1]
    return "expert" not in module and leaf in {"q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj"}
