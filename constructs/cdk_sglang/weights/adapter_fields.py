"""Which fields of `adapter_config.json` SGLang serves as they were trained, which it would ignore, and what to do then.

One text in two places, as `adapter_rules.py`. The fields are those of PEFT's LoraConfig and PeftConfig from 0.0.1 to 0.20.0, and of
its main branch on 2026-08-21 (huggingface/peft, src/peft/tuners/lora/config.py, src/peft/config.py). SGLang 0.5.17 to 0.5.23 reads
`peft_type`, `r`, `lora_alpha`, `target_modules`, and `use_dora` to refuse it (srt/lora/lora_config.py, lora.py; the former is the
same file in both): every other field counts by what it did to the tensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_OFF: Final[tuple[object, ...]] = (None, False, "", [], {})
_ADVICE: Final = "train without it, or merge the adapter into the base model"
_TRAIN: Final = "train without it"
_LONGEST: Final = 60
"""Characters of a value in a message."""
_ALL_WORDS: Final = ("all", "all-linear")


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of `adapter_config.json`.

    Attributes:
        reason: Why it changes nothing, or what would be wrong about the answers.
        served: Values with which SGLang serves an adapter as it was trained; None for every value.
        advice: What to do about any other value.
    """

    reason: str
    served: tuple[object, ...] | None = _OFF
    advice: str = _ADVICE


def _harmless(reason: str) -> Field:
    return Field(reason=reason, served=None)


_OWN_CHECK: Final = _harmless("has a check of its own")
_INIT: Final = _harmless("counts with init_lora_weights alone (PEFT, LoraConfig.__post_init__)")
_EXTRA_TENSORS: Final = Field(
    reason="PEFT saves tensors of it beside the matrices, and SGLang takes every one for lora_B (mem_pool.py)",
    advice="it changes training alone: delete its tensors from the weights, and set it to null",
)

FIELDS: Final[Mapping[str, Field]] = {
    "peft_type": _OWN_CHECK,
    "r": _OWN_CHECK,
    "lora_alpha": _OWN_CHECK,
    "target_modules": _OWN_CHECK,
    "use_dora": _OWN_CHECK,
    "base_model_name_or_path": _harmless("names the base model; compared with the component's where that is known"),
    "revision": _harmless("names the base model's revision"),
    "task_type": _harmless("chooses PEFT's class; heads of other tasks are in modules_to_save"),
    "auto_mapping": _harmless("chooses the base model's class"),
    "peft_version": _harmless("names the writer"),
    "inference_mode": _harmless("freezes the matrices in PEFT"),
    "runtime_config": _harmless("is where PEFT computes; no release saves it"),
    "lora_dropout": _harmless("acts in training alone"),
    "merge_weights": _harmless("of PEFT before 0.3: how PEFT evaluates"),
    "exclude_modules": _harmless("excluded modules have no tensors, and SGLang adds nothing for those (mem_pool.py)"),
    "layers_to_transform": _harmless("other layers have no tensors, and SGLang adds nothing for those (mem_pool.py)"),
    "layers_pattern": _harmless("finds the layers of layers_to_transform"),
    "megatron_core": _harmless("counts with megatron_config alone"),
    "qalora_group_size": _harmless("counts with use_qalora alone"),
    "loftq_config": _INIT,
    "eva_config": _INIT,
    "corda_config": _INIT,
    "lora_ga_config": _INIT,
    # PEFT's layer.py: pissa_init, olora_init, corda_init, loftq_init and lora_ga_init assign to the base layer's weight; the others
    # set the adapter's matrices alone. EVA's other ranks are in rank_pattern (eva.py). An unknown one may be of either kind.
    "init_lora_weights": Field(
        reason="PEFT trained the adapter beside base weights that it had changed",
        served=(None, True, False, "gaussian", "eva", "orthogonal", "mica"),
        advice="convert it with save_pretrained(path_initial_model_for_weight_conversion=...), which doubles r (pissa, olora, corda, "
        "lora_ga), or serve the changed base model and set init_lora_weights to true",
    ),
    "use_rslora": Field(reason="SGLang scales by lora_alpha / r, not by lora_alpha / sqrt(r)"),
    "rank_pattern": Field(reason="SGLang takes r for every module"),
    "alpha_pattern": Field(reason="SGLang takes lora_alpha for every module"),
    "modules_to_save": Field(reason="SGLang leaves fully trained modules out"),
    "layer_replication": Field(reason="SGLang does not repeat layers"),
    "bias": Field(reason="SGLang leaves trained biases out", served=(*_OFF, "none")),
    "lora_bias": Field(reason="SGLang leaves trained biases out"),
    "trainable_token_indices": Field(reason="SGLang leaves trained tokens out"),
    "ensure_weight_tying": Field(
        reason="SGLang does not tie the adapters of tied layers",
        advice="set it to false if target_modules has neither embed_tokens nor lm_head, else merge the adapter into the base model",
    ),
    "target_parameters": Field(reason="SGLang adapts modules; PEFT keeps all experts of a parameter in one matrix"),
    "enable_lora": Field(reason="of PEFT before 0.3: SGLang does not adapt parts of a fused projection"),
    "fan_in_fan_out": Field(
        reason="it is of base models that store weights transposed, such as GPT-2, and SGLang has no LoRA for their modules",
        advice="merge the adapter into the base model; on a base of linear layers it changes nothing, so set it to false",
    ),
    "megatron_config": Field(
        reason="Megatron's layers have other names and orders of rows than those that SGLang loads",
        advice="convert the adapter to the base model's layout at Hugging Face, and set it to null",
    ),
    "use_qalora": Field(reason="SGLang does not pool a layer's input"),
    "use_bdlora": Field(reason="SGLang multiplies whole matrices, not blocks of them"),
    "kasa_config": Field(reason="SGLang leaves the trained diagonal out, and PEFT had changed the base weights"),
    "velora_config": _EXTRA_TENSORS,
    "monteclora_config": _EXTRA_TENSORS,
    "alora_invocation_tokens": Field(reason="SGLang applies the adapter to every token", advice=_TRAIN),
    "arrow_config": Field(reason="SGLang applies the adapter as it is, without a router", advice=_TRAIN),
}
"""Every field that a release of PEFT writes for LoRA; one that is missing here is refused unless it is empty or false."""

_UNKNOWN: Final = Field(
    reason="nothing is known here of what it does",
    advice="remove it from the file if the training did not depend on it, else merge the adapter into the base model",
)


def config_problems(content: Mapping[str, Any]) -> list[str]:
    """Say what of a parsed `adapter_config.json` SGLang would refuse, or serve otherwise than it was trained."""
    kind = content.get("peft_type")
    if isinstance(kind, str) and kind.upper() != "LORA":
        return [f"peft_type: {_shown(kind)} is not served by SGLang; only LORA adapters are"]
    problems = []
    if not isinstance(kind, str):
        problems.append(f"peft_type: {_shown(kind)} is not served by SGLang; only LORA adapters are")
    rank = content.get("r")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        problems.append(f"r: {_shown(rank)} is not a rank; use a whole number of 1 or more")
    alpha = content.get("lora_alpha")
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not math.isfinite(alpha):
        problems.append(f"lora_alpha: {_shown(alpha)} is not a number; SGLang scales the adapter by lora_alpha / r")
    problems += _module_problems(content.get("target_modules"))
    if content.get("use_dora"):
        problems.append("use_dora: SGLang does not serve DoRA adapters; train one without it")
    unknown = [key for key in content if key not in FIELDS]
    for key in (*(key for key in FIELDS if key in content), *unknown):
        field, value = FIELDS.get(key, _UNKNOWN), content[key]
        if field.served is not None and value not in field.served:
            problems.append(
                f"{json.dumps(key)[1:-1]}: {_shown(value)} is ignored by SGLang, so that the answers would be wrong "
                f"({field.reason}); {field.advice}"
            )
    return problems


def _module_problems(modules: object) -> list[str]:
    if isinstance(modules, str):
        if modules in _ALL_WORDS:
            return []
        return [f"target_modules: the pattern {_shown(modules)} is not understood by SGLang; list the modules' names"]
    if not isinstance(modules, list) or not modules or not all(isinstance(name, str) for name in modules):
        return [f"target_modules: {_shown(modules)} is not a list of module names"]
    return []


def module_names(modules: str | list[str]) -> frozenset[str]:
    """Return the last parts of the modules' names; "all" alone for PEFT's `all-linear`."""
    if isinstance(modules, str) or not modules:
        return frozenset({"all"})
    return frozenset(name.rsplit(".", 1)[-1] for name in modules)


def _shown(value: object) -> str:
    """Return a value as the file spells it, on one line and cut where it is long."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
