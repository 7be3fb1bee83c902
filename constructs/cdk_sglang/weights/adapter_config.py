"""What `adapter_config.json` says of a LoRA adapter, and whether SGLang would serve it as it was trained.

SGLang 0.5.23 reads four keys of the file (`peft_type`, `r`, `lora_alpha`, `target_modules`, plus `use_dora` to refuse it:
srt/lora/lora_config.py, lora.py). Everything else PEFT may have trained with is ignored without a word, so an adapter that
depends on it answers wrongly; here it is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError

CONFIG_FILE: Final = "adapter_config.json"

_IGNORED: Final[Mapping[str, tuple[tuple[object, ...], str]]] = {
    # key: (values that change nothing, what SGLang does instead)
    "use_rslora": ((None, False), "SGLang scales by lora_alpha / r, not by lora_alpha / sqrt(r)"),
    "rank_pattern": ((None, {}), "SGLang takes r for every module"),
    "alpha_pattern": ((None, {}), "SGLang takes lora_alpha for every module"),
    "modules_to_save": ((None, []), "SGLang leaves fully trained modules out"),
    "layer_replication": ((None, []), "SGLang does not repeat layers"),
    "bias": ((None, "none"), "SGLang leaves trained biases out"),
    "lora_bias": ((None, False), "SGLang leaves trained biases out"),
    "use_qalora": ((None, False), "SGLang knows plain LoRA only"),
    "alora_invocation_tokens": ((None, []), "SGLang applies the adapter to every token"),
    "trainable_token_indices": ((None, [], {}), "SGLang leaves trained tokens out"),
}
"""Keys of PEFT's LoraConfig (huggingface/peft, src/peft/tuners/lora/config.py) that SGLang 0.5.23 never reads."""

_ALL_WORDS: Final = ("all", "all-linear")

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

_QUANTIZED: Final = re.compile(
    r"[-_.](fp8(-dynamic|-kv)?|nvfp4|mxfp4|fp4|awq|gptq(-int[48])?|bnb(-4bit|-8bit)?|int[48]|w\d+a\d+|unsloth|4bit|8bit|bf16|fp16|hf)(?=$|[-_.])",
    re.IGNORECASE,
)


@checked_fields
@dataclass(frozen=True, kw_only=True)
class AdapterConfig:
    """The part of `adapter_config.json` that decides whether an adapter can be served.

    Attributes:
        rank: Of its matrices (`r`).
        target_modules: Last parts of the names of the modules it changes; "all" alone for PEFT's `all-linear`.
        base_model: `base_model_name_or_path`; None when the file does not say.
    """

    rank: int
    target_modules: frozenset[str]
    base_model: str | None = None

    @staticmethod
    @checked()
    def read(path: Path | str) -> AdapterConfig:
        """Read a file, or `adapter_config.json` of a folder.

        Raises:
            ConfigurationError: There is no such file, it is not JSON, or SGLang would not serve it as it was trained.
        """
        path = Path(path)
        file = path / CONFIG_FILE if path.is_dir() else path
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError([f"{file}: cannot be read: {error.strerror or error}"]) from None
        except ValueError as error:
            raise ConfigurationError([f"{file}: is not JSON: {error}"]) from None
        if not isinstance(content, dict):
            raise ConfigurationError([f"{file}: expected an object, got a {type(content).__name__}"])
        return AdapterConfig.parse(content, path=str(file))

    @staticmethod
    @checked()
    def parse(content: Mapping[str, Any], *, path: str = CONFIG_FILE) -> AdapterConfig:
        """Take the file's content.

        Args:
            content: The parsed JSON.
            path: Begins every problem's line.

        Raises:
            ConfigurationError: SGLang would refuse it, or serve something else than was trained.
        """
        problems = []
        kind = content.get("peft_type")
        if not isinstance(kind, str) or kind.upper() != "LORA":
            problems.append(f"{path}: peft_type: {kind!r} is not served by SGLang; only LORA adapters are")
        rank = content.get("r")
        if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
            problems.append(f"{path}: r: {rank!r} is not a rank; use a whole number of 1 or more")
        alpha = content.get("lora_alpha")
        if not isinstance(alpha, int | float) or isinstance(alpha, bool):
            problems.append(
                f"{path}: lora_alpha: {alpha!r} is not a number; SGLang scales the adapter by lora_alpha / r"
            )
        modules = content.get("target_modules")
        problems += _module_problems(modules, path)
        if content.get("use_dora"):
            problems.append(f"{path}: use_dora: SGLang does not serve DoRA adapters; train one without it")
        for key, (harmless, instead) in _IGNORED.items():
            value = content.get(key)
            if value not in harmless:
                problems.append(
                    f"{path}: {key}: {value!r} is ignored by SGLang, so that the answers would be wrong "
                    f"({instead}); train without it, or merge the adapter into the base model"
                )
        raise_if_any(problems)
        assert isinstance(rank, int)
        base = content.get("base_model_name_or_path")
        return AdapterConfig(
            rank=rank,
            target_modules=_names(modules),
            base_model=base if isinstance(base, str) and base else None,
        )

    def problems(self, path: str, *, max_rank: int | None, server_modules: Iterable[str] | None) -> list[str]:
        """Say why a server with these LoRA settings cannot take the adapter; an empty list when it can.

        Args:
            path: Begins every line.
            max_rank: The server's `lora.max_rank`; None skips the check.
            server_modules: The server's `lora.target_modules`; None skips the check.
        """
        problems = []
        if max_rank is not None and self.rank > max_rank:
            problems.append(
                f"{path}: rank {self.rank} is over the component's server.lora.max_rank {max_rank}; "
                f"raise that to {self.rank} or more, which costs GPU memory for every slot"
            )
        allowed = None if server_modules is None else frozenset(server_modules)
        if allowed is None or "all" in allowed:
            return problems
        if "all" in self.target_modules:
            problems.append(
                f"{path}: changes all linear modules, the component's server.lora.target_modules has "
                f"{', '.join(sorted(allowed))}; SGLang would leave the others out without a word, so use [all]"
            )
            return problems
        buffers = {_FUSED.get(module, module) for module in allowed}
        missing = sorted(module for module in self.target_modules if _FUSED.get(module, module) not in buffers)
        if missing:
            problems.append(
                f"{path}: changes {', '.join(missing)}, which the component's server.lora.target_modules lacks "
                f"({', '.join(sorted(allowed))}); add them, or use [all]"
            )
        return problems


def _module_problems(modules: object, path: str) -> list[str]:
    if isinstance(modules, str):
        if modules in _ALL_WORDS:
            return []
        return [f"{path}: target_modules: the pattern {modules!r} is not understood by SGLang; list the modules' names"]
    if not isinstance(modules, list) or not modules or not all(isinstance(name, str) for name in modules):
        return [f"{path}: target_modules: {modules!r} is not a list of module names"]
    return []


def _names(modules: str | list[str] | Any) -> frozenset[str]:  # noqa: ANN401  checked before
    if isinstance(modules, str) or not modules:
        return frozenset({"all"})
    return frozenset(name.rsplit(".", 1)[-1] for name in modules)


def same_base_model(trained_on: str, served: str) -> bool:
    """Whether an adapter trained on one model may be served on the other: the same one, whoever published or quantized it.

    Args:
        trained_on: `base_model_name_or_path` of the adapter, such as "unsloth/Llama-3.2-3B-Instruct-bnb-4bit".
        served: Hub id of the component's model, such as "meta-llama/Llama-3.2-3B-Instruct".
    """
    return _plain_name(trained_on) == _plain_name(served)


def _plain_name(model: str) -> str:
    name = model.rstrip("/").rsplit("/", 1)[-1]
    return _QUANTIZED.sub("", name).lower().removeprefix("meta-")
