"""Whether SGLang uses an EAGLE draft as it was trained: rules over its `config.json` and the headers of its tensors.

SGLang 0.5.23 starts with many drafts that it cannot use, and then accepts no token: every step costs more than without a draft. Read in
its wheel: srt/models/llama_eagle.py and llama_eagle3.py (names, `load_weights` leaves out what it does not know),
srt/speculative/eagle_worker_v2.py (`init_lm_head`: shared embedding and head, map of tokens),
srt/model_executor/model_runner_components/spec_aux_hidden_state.py and srt/models/llama.py (`set_eagle3_layers_to_capture`).
Nothing but the standard library here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cdk_sglang_container.adapter_rules import Tensor
from cdk_sglang_container.draft_names import name_problems

CONFIG_FILE: Final = "config.json"
EAGLE, EAGLE3 = "EAGLE", "EAGLE3"
ALGORITHMS: Final[Mapping[str, str]] = {
    "LlamaForCausalLMEagle": EAGLE,
    "Qwen2ForCausalLMEagle": EAGLE,
    "MistralForCausalLMEagle": EAGLE,
    "MistralLarge3ForCausalLMEagle": EAGLE,
    "LlamaForCausalLMEagle3": EAGLE3,
    "Eagle3DeepseekV2ForCausalLM": EAGLE3,
}
"""Heads that SGLang 0.5.23 has, with the algorithm each was trained for (`EntryClass` of srt/models/*eagle*.py)."""
_OWN_LAYERS: Final = ("NextN", "MTP")
"""In the names of architectures whose prediction layers are a model's own; they run under EAGLE (`NEXTN` is its other name)."""

_DEFAULT_RECORDED: Final = 3
_LAST_NOT_RECORDED: Final = ("LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM")
"""Bases whose last layer's output SGLang never records; others record it after their loop over layers."""
_LENGTH_KEYS: Final = (
    "max_sequence_length",
    "seq_length",
    "max_seq_len",
    "model_max_length",
    "max_position_embeddings",
)
_FC: Final = ("fc.weight", "model.fc.weight", "eagle_linear.weight")
_MATRIX: Final = 2


def text_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a config that describes the language model."""
    part = config.get("text_config")
    return part if isinstance(part, Mapping) else config


def trained_for(config: Mapping[str, Any]) -> str | None:
    """Return the algorithm of a head by its architecture; None if SGLang has no such head."""
    name = architecture(config)
    if any(word in name for word in _OWN_LAYERS):
        return EAGLE
    return ALGORITHMS.get(name)


def architecture(config: Mapping[str, Any]) -> str:
    """Return the first architecture of a config, empty if there is none."""
    names = config.get("architectures")
    return str(names[0]) if isinstance(names, list) and names else ""


def context_length(config: Mapping[str, Any]) -> int:
    """Return the longest sequence of a model as SGLang derives it (`get_context_length`, srt/utils/hf_transformers/common.py)."""
    part = text_part(config)
    scaling = part.get("rope_scaling")
    factor = 1.0
    if isinstance(scaling, Mapping) and scaling.get("rope_type") != "llama3":
        factor = 1.0 if "original_max_position_embeddings" in scaling else float(scaling.get("factor") or 1)
    length = next((part[key] for key in _LENGTH_KEYS if isinstance(part.get(key), int)), 2048)
    return int(factor * length)


def config_problems(
    config: Mapping[str, Any], base: Mapping[str, Any], *, algorithm: str, context: int | None
) -> list[str]:
    """Say what of a draft's `config.json` does not fit the base model and the algorithm.

    Args:
        config: The draft's.
        base: The base model's; empty if unknown.
        algorithm: EAGLE or EAGLE3.
        context: Longest sequence that is served. Default: not checked.
    """
    name, trained = architecture(config), trained_for(config)
    if trained is None:
        return [
            (
                f"{CONFIG_FILE}: architectures says {name or 'nothing'!r}, which is no draft that SGLang runs under {algorithm}; "
                f"use one of {', '.join(sorted(ALGORITHMS))}, or STANDALONE for a small model"
            )
        ]
    if trained != algorithm:
        return [
            (
                f"{CONFIG_FILE}: architectures says {name}, which was trained for {trained}, and the algorithm is {algorithm}; "
                f"SGLang would start and accept no token; set the algorithm to {trained}"
            )
        ]
    own, of_base = text_part(config), text_part(base)
    problems = _same(own, of_base, "vocab_size", own.get("vocab_size"))
    key = "target_hidden_size" if trained == EAGLE3 and "target_hidden_size" in own else "hidden_size"
    problems += _same(own, of_base, key, own.get(key), base_key="hidden_size")
    if context is not None and context_length(config) < context:
        problems.append(
            f"{CONFIG_FILE}: max_position_embeddings allow {context_length(config)} tokens, the base serves {context}; "
            f"SGLang refuses the draft after the base was loaded; set max_position_embeddings to {context}"
        )
    if name == "LlamaForCausalLMEagle3":
        problems += _vocabulary(own) + _recorded_layers(own, base)
    return problems


def standalone_problems(config: Mapping[str, Any], base: Mapping[str, Any]) -> list[str]:
    """Say why a small model cannot draft for the base; SGLang raises it after both were loaded.

    srt/speculative/standalone_worker_v2.py, `_validate_vocab_compatibility`.

    Args:
        config: The small model's.
        base: The base model's; empty if unknown.
    """
    own, of_base = text_part(config).get("vocab_size"), text_part(base).get("vocab_size")
    if own is None or of_base is None or own == of_base:
        return []
    return [
        (
            f"{CONFIG_FILE}: vocab_size is {own}, the base model's is {of_base}; "
            "STANDALONE needs a model with the base's vocabulary, such as a smaller one of its family"
        )
    ]


def _same(
    own: Mapping[str, Any], base: Mapping[str, Any], key: str, value: object, *, base_key: str | None = None
) -> list[str]:
    del own
    base_value = base.get(base_key or key)
    if base_value is None or value == base_value:
        return []
    return [
        (
            f"{CONFIG_FILE}: {key} is {value}, the base model's {base_key or key} is {base_value}; "
            "the draft is for another model; train one on this base"
        )
    ]


def _vocabulary(own: Mapping[str, Any]) -> list[str]:
    size = own.get("vocab_size")
    if own.get("tie_word_embeddings"):
        return []
    if "draft_vocab_size" not in own:
        return [
            (
                f"{CONFIG_FILE}: draft_vocab_size is missing, and SGLang fails without it; "
                f"write {size}, or null to use the base's head"
            )
        ]
    reduced = own["draft_vocab_size"]
    if reduced is None or (isinstance(reduced, int) and isinstance(size, int) and 0 < reduced <= size):
        return []
    return [f"{CONFIG_FILE}: draft_vocab_size is {reduced!r}; write a number of tokens from 1 to {size}, or null"]


def _layer_ids(own: Mapping[str, Any]) -> list[int] | None:
    eagle = own.get("eagle_config")
    ids = eagle.get("eagle_aux_hidden_state_layer_ids") if isinstance(eagle, Mapping) else None
    return [int(value) for value in ids] if isinstance(ids, list) and ids else None


def recorded_layers(own: Mapping[str, Any]) -> int:
    """Return the number of layers whose output an EAGLE3 head reads: SGLang's order of preference, else three.

    Args:
        own: The draft's config.
    """
    number = own.get("num_aux_hidden_states")
    if isinstance(number, int):
        return number
    return len(_layer_ids(own) or ()) or _DEFAULT_RECORDED


def _recorded_layers(own: Mapping[str, Any], base: Mapping[str, Any]) -> list[str]:
    layers = text_part(base).get("num_hidden_layers")
    ids, count = _layer_ids(own), recorded_layers(own)
    if not isinstance(layers, int) or not _reads_layers(own):
        return []
    last = layers - 2 if architecture(base) in _LAST_NOT_RECORDED else layers - 1
    if ids is None:
        found = {place for place in (2, layers // 2, layers - 3) if 0 <= place < layers}
        if len(found) == count:
            return []
        return [
            (
                f"{CONFIG_FILE}: eagle_config names no eagle_aux_hidden_state_layer_ids, and of the layers SGLang takes then "
                f"(2, L/2, L-3) a base of {layers} has {len(found)}, fc reads {count}; name {count} from -1 to {last}"
            )
        ]
    outside = [str(value) for value in ids if not -1 <= value <= last]
    if outside:
        return [
            (
                f"{CONFIG_FILE}: eagle_aux_hidden_state_layer_ids has {', '.join(outside)}, the base's go from -1 to {last}; "
                "the draft is for another model; train one on this base"
            )
        ]
    if len(set(ids)) != count:
        return [
            (
                f"{CONFIG_FILE}: eagle_aux_hidden_state_layer_ids are {ids}, fc reads {count} different ones; "
                "name each layer once"
            )
        ]
    return []


def _reads_layers(own: Mapping[str, Any]) -> bool:
    eagle = own.get("eagle_config")
    return not (isinstance(eagle, Mapping) and eagle.get("use_aux_hidden_state") is False)


def tensor_problems(
    tensors: Mapping[str, Tensor], files: Mapping[str, str], config: Mapping[str, Any], base: Mapping[str, Any]
) -> list[str]:
    """Say what of a draft's tensors SGLang would leave out, miss or read wrongly; the config has no problem.

    Args:
        tensors: By name.
        files: Name of the file by that of the tensor.
        config: The draft's.
        base: The base model's; empty if unknown.
    """
    own = text_part(config)
    problems = _fc_width(tensors, files, config, base)
    if "quantization_config" in config or architecture(config) not in {
        "LlamaForCausalLMEagle",
        "Qwen2ForCausalLMEagle",
        "LlamaForCausalLMEagle3",
    }:
        return problems  # packed tensors, or a loader with names of its own
    problems += name_problems(tensors, files, own, architecture(config))
    if architecture(config) == "LlamaForCausalLMEagle3":
        problems += _maps(tensors, files, own)
    return problems


def _fc_width(
    tensors: Mapping[str, Tensor], files: Mapping[str, str], config: Mapping[str, Any], base: Mapping[str, Any]
) -> list[str]:
    own = text_part(config)
    name = next((known for known in _FC if known in tensors), None)
    if name is None or "quantization_config" in config or len(tensors[name].shape) != _MATRIX:
        return []
    hidden = own.get("target_hidden_size") or own.get("hidden_size") or text_part(base).get("hidden_size")
    if not isinstance(hidden, int) or (trained_for(config) == EAGLE3 and not _reads_layers(own)):
        return []
    parts = recorded_layers(own) if trained_for(config) == EAGLE3 else 2
    width = tensors[name].shape[1]
    if width == parts * hidden:
        return []
    what = (
        f"{parts} recorded layers of {hidden}" if trained_for(config) == EAGLE3 else f"embedding and state of {hidden}"
    )
    return [
        (
            f"{files[name]}: {name} reads {width} values, SGLang gives it {parts * hidden} ({what}); "
            "name the layers in eagle_config, or use a draft of this base"
        )
    ]


def _maps(tensors: Mapping[str, Tensor], files: Mapping[str, str], own: Mapping[str, Any]) -> list[str]:
    reduced, size = own.get("draft_vocab_size"), own.get("vocab_size")
    if own.get("tie_word_embeddings") or not isinstance(reduced, int):
        return []
    head, to_target, to_draft = (
        next((name for name in tensors if key in name), None) for key in ("lm_head.weight", "d2t", "t2d")
    )
    problems = []
    if reduced != size and to_target is None:
        some = next(iter(files.values()))
        problems.append(
            f"{some}: d2t is missing, and draft_vocab_size is {reduced} of {size} tokens; SGLang would take the draft's "
            "numbers for the base's; add the maps d2t and t2d, or use the whole vocabulary"
        )
    for name, rows in ((head, reduced), (to_target, reduced), (to_draft, size)):
        if name is not None and tensors[name].shape[:1] != (rows,):
            got = tensors[name].shape[0] if tensors[name].shape else "no"
            problems.append(
                f"{files[name]}: {name} has {got} rows, {rows} are needed with draft_vocab_size {reduced}; "
                "the files are not of one draft; copy all of them again"
            )
    return problems
