"""Whether SGLang can use a draft for a base model: from the draft's config.json and the headers of its weights alone.

SGLang starts with most unsuitable drafts, and then accepts almost nothing: an Eagle3 head under EAGLE accepts 1.0 (sglang PR 21272), a wrong width of
`fc` fails after minutes or accepts 1.1 (sglang#32226). Names and shapes are those that SGLang 0.5.23 loads (srt/models/llama_eagle.py and
llama_eagle3.py, read 2026-11). The container's preflight repeats these rules on the real files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .safetensors import Tensor

EAGLE, EAGLE3 = "EAGLE", "EAGLE3"
_HEADS = ("LlamaForCausalLMEagle", "Qwen2ForCausalLMEagle", "MistralForCausalLMEagle", "MistralLarge3ForCausalLMEagle")
_HEADS_3 = ("LlamaForCausalLMEagle3", "Eagle3DeepseekV2ForCausalLM")
_OTHER_NAMES = frozenset({"MistralForCausalLMEagle", "MistralLarge3ForCausalLMEagle", "Eagle3DeepseekV2ForCausalLM"})
"""Heads whose tensors have other names than Llama's: the engine checks their names, and the report says so."""
_AUXILIARY = 3
_LAST_LAYERS = 2
_KNOWN = re.compile(
    r"(model\.)?("
    r"fc\.(weight|bias)|embed_tokens\.weight|lm_head\.weight|norm\.weight|input_norm\.weight|fc_norm\.\d+\.weight|"
    r"aux_norm_(low|mid|high)\.weight|d2t|t2d|"
    r"(midlayer|layers\.\d+)\.(hidden_norm|input_layernorm|post_attention_layernorm)\.weight|"
    r"(midlayer|layers\.\d+)\.self_attn\.(q|k|v|o|qkv)_proj\.(weight|bias)|"
    r"(midlayer|layers\.\d+)\.self_attn\.(q|k)_norm\.weight|"
    r"(midlayer|layers\.\d+)\.mlp\.(gate|up|down|gate_up)_proj\.(weight|bias)|"
    r"(midlayer|layers\.\d+)\.self_attn\.rotary_emb\.inv_freq)"
)
_SHOWN = 3
_UPLOAD = "upload the draft again"


@dataclass(kw_only=True)
class Findings:
    """What a draft is.

    Attributes:
        algorithm: SGLang's name of its algorithm; empty if unknown.
        problems: Why it is rejected: file, problem, value, what is allowed.
        config: New content of config.json; None if it stays as it is.
        notes: What changes in the promoted copy.
        copied: Bytes of embedding and head that the draft includes, by tensor; the KV pool shrinks by them.
        weights: Bytes of all tensors.
    """

    algorithm: str = ""
    problems: list[str] = field(default_factory=list)
    config: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    copied: dict[str, int] = field(default_factory=dict)
    weights: int = 0


def check(
    config: Mapping[str, Any], tensors: Mapping[str, Tensor], base: Mapping[str, Any], *, expected: str = ""
) -> Findings:
    """Return the description of a draft, and every reason to reject it.

    Args:
        config: The draft's config.json.
        tensors: Its tensors by name.
        base: The base model's config.json; that of the text part of a multimodal model.
        expected: Algorithm to run it with; its own by default.
    """
    found = Findings(weights=sum(tensor.size for tensor in tensors.values()))
    base = {**base, **base.get("text_config", {})} if isinstance(base.get("text_config"), Mapping) else base
    found.algorithm = algorithm_of(config, found.problems)
    if not found.algorithm:
        return found
    name = next(iter(config["architectures"]))
    if expected and expected != found.algorithm:
        found.problems.append(
            f"config.json: architectures {name} is a head of {found.algorithm}, and runs under {expected} without accepting a "
            f"token; use speculative_algorithm {found.algorithm}"
        )
    _sizes(config, base, found)
    layers = _auxiliary(config, base, found)
    if name in _OTHER_NAMES:
        found.notes.append(
            f"config.json: tensors of {name} have names that are not checked here; the gate shows whether it helps"
        )
        _positions(config, base, found)
        return found
    names = _short_names(tensors, found)
    _fully_connected(config, names, layers, found)
    _layers(config, names, found)
    _vocabulary(config, names, base, found)
    _positions(config, base, found)
    for key in ("embed_tokens.weight", "lm_head.weight"):
        if key in names and not (key == "lm_head.weight" and found.algorithm == EAGLE):
            found.copied[key] = names[key].size
    return found


def algorithm_of(config: Mapping[str, Any], problems: list[str]) -> str:
    """Return the algorithm of a draft by its architectures; empty, with a problem added, if SGLang has none."""
    architectures = config.get("architectures")
    names = [str(name) for name in architectures] if isinstance(architectures, list) else []
    if any(name in _HEADS_3 for name in names):
        return EAGLE3
    if any(name in _HEADS for name in names):
        return EAGLE
    allowed = ", ".join((*_HEADS, *_HEADS_3))
    problems.append(
        f"config.json: architectures {', '.join(names) or 'missing'} is no draft that SGLang 0.5.23 loads; expected one of {allowed}"
    )
    return ""


def _sizes(config: Mapping[str, Any], base: Mapping[str, Any], found: Findings) -> None:
    hidden = (
        config.get("target_hidden_size", config.get("hidden_size"))
        if found.algorithm == EAGLE3
        else config.get("hidden_size")
    )
    for key, value in (("hidden_size", hidden), ("vocab_size", config.get("vocab_size"))):
        if value != base.get(key):
            found.problems.append(
                f"config.json: {key} {value}, and the base has {base.get(key)}; this draft is for another model"
            )


def _auxiliary(config: Mapping[str, Any], base: Mapping[str, Any], found: Findings) -> int:
    """Return the number of the base's layers whose states `fc` reads."""
    if found.algorithm == EAGLE:
        return 2
    own = config.get("num_aux_hidden_states")
    inner = config.get("eagle_config") or {}
    ids = inner.get("eagle_aux_hidden_state_layer_ids") if isinstance(inner, Mapping) else None
    ids = ids or config.get("eagle_aux_hidden_state_layer_ids")
    if isinstance(ids, list):
        depth = base.get("num_hidden_layers")
        if isinstance(depth, int):
            # SGLang reads the state before layer id + 1, so that the last layers have none to read.
            beyond = [one for one in ids if not isinstance(one, int) or not 0 <= one <= depth - _LAST_LAYERS]
            if beyond:
                found.problems.append(
                    f"config.json: eagle_aux_hidden_state_layer_ids {json.dumps(ids)}; layer {beyond[0]} is none of the "
                    f"base's that can be read, 0 to {depth - _LAST_LAYERS}"
                )
        return own if isinstance(own, int) else len(ids)
    return own if isinstance(own, int) else _AUXILIARY


def _short_names(tensors: Mapping[str, Tensor], found: Findings) -> dict[str, Tensor]:
    """Return the tensors by the names that they have below the model; reject those that SGLang silently ignores."""
    unknown = [name for name in tensors if not _KNOWN.fullmatch(name)]
    if unknown:
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        found.problems.append(
            f"{tensors[unknown[0]].file}: SGLang's loader does not know {', '.join(unknown[:_SHOWN])}{more}, and passes over them; "
            "rename them to fc, layers.<n> (or midlayer), norm, lm_head, d2t, t2d"
        )
    prefixed = [name for name in tensors if name.startswith("model.") and _KNOWN.fullmatch(name)]
    if prefixed and found.algorithm == EAGLE:
        found.problems.append(
            f"{tensors[prefixed[0]].file}: {prefixed[0]}: SGLang's EAGLE loader adds model. itself, and passes over this name; "
            "save the head without model."
        )
    return {
        name.removeprefix("model.").replace("midlayer.", "layers.0."): tensor
        for name, tensor in tensors.items()
        if _KNOWN.fullmatch(name)
    }


def _file(names: Mapping[str, Tensor]) -> str:
    return next((tensor.file for tensor in names.values()), "model.safetensors")


def _fully_connected(config: Mapping[str, Any], names: Mapping[str, Tensor], layers: int, found: Findings) -> None:
    hidden = config.get("target_hidden_size", config.get("hidden_size"))
    tensor = names.get("fc.weight")
    if tensor is None:
        found.problems.append(f"{_file(names)}: fc.weight is missing; {_UPLOAD}")
    elif isinstance(hidden, int) and (tensor.shape[1:] != (layers * hidden,)):
        found.problems.append(
            f"{tensor.file}: fc.weight takes {tensor.shape[-1] if tensor.shape else 0} inputs; {found.algorithm} over {layers} x hidden {hidden} gives "
            f"{layers * hidden}; the draft was trained with other layers than its config.json says"
        )


def _layers(config: Mapping[str, Any], names: Mapping[str, Tensor], found: Findings) -> None:
    count = config.get("num_hidden_layers")
    for layer in range(count if isinstance(count, int) else 1):
        expected = [
            *(
                ["self_attn.qkv_proj"]
                if f"layers.{layer}.self_attn.qkv_proj.weight" in names
                else [f"self_attn.{one}_proj" for one in "qkv"]
            ),
            "self_attn.o_proj",
            *(
                ["mlp.gate_up_proj"]
                if f"layers.{layer}.mlp.gate_up_proj.weight" in names
                else ["mlp.gate_proj", "mlp.up_proj"]
            ),
            *("mlp.down_proj", "post_attention_layernorm"),
            *(["hidden_norm", *(["input_layernorm"] if layer == 0 else [])] if found.algorithm == EAGLE3 else []),
        ]
        missing = [f"layers.{layer}.{one}.weight" for one in expected if f"layers.{layer}.{one}.weight" not in names]
        if missing:
            found.problems.append(
                f"{_file(names)}: {', '.join(missing[:_SHOWN])} missing; SGLang would leave random numbers there; {_UPLOAD}"
            )
            return


def _vocabulary(
    config: Mapping[str, Any], names: Mapping[str, Tensor], base: Mapping[str, Any], found: Findings
) -> None:
    if found.algorithm == EAGLE:
        return
    if "norm.weight" not in names:
        found.problems.append(f"{_file(names)}: norm.weight is missing; {_UPLOAD}")
    tied = bool(config.get("tie_word_embeddings"))
    if "draft_vocab_size" not in config and not tied:
        found.problems.append(
            f"config.json: draft_vocab_size is missing, which SGLang 0.5.23 needs; set it to {base.get('vocab_size')}, or to null for the base's head"
        )
        return
    size = config.get("draft_vocab_size")
    head = names.get("lm_head.weight")
    if size is not None and not tied and head is None:
        found.problems.append(
            f"{_file(names)}: lm_head.weight is missing; {_UPLOAD}, or set draft_vocab_size to null for the base's head"
        )
    elif size is not None and head is not None and head.shape[0] != size:
        found.problems.append(f"{head.file}: lm_head.weight has {head.shape[0]} rows; draft_vocab_size is {size}")
    full = base.get("vocab_size")
    if isinstance(size, int) and isinstance(full, int) and size < full:
        table = names.get("d2t")
        if table is None:
            found.problems.append(
                f"{_file(names)}: d2t is missing: {size} of the base's {full} tokens need it to be told apart; {_UPLOAD} with d2t and t2d"
            )
        elif table.shape != (size,):
            found.problems.append(
                f"{table.file}: d2t has {table.shape[0] if table.shape else 0} entries; draft_vocab_size is {size}"
            )


def _positions(config: Mapping[str, Any], base: Mapping[str, Any], found: Findings) -> None:
    own, full = config.get("max_position_embeddings"), base.get("max_position_embeddings")
    if isinstance(own, int) and isinstance(full, int) and own < full:
        found.config = {**config, "max_position_embeddings": full}
        found.notes.append(f"config.json: max_position_embeddings {own} becomes {full}, the base's")
