"""Read `adapter_config.json` of a LoRA adapter, and check whether SGLang would serve the adapter as it was trained.

SGLang silently ignores most of what PEFT writes into the file, so an adapter that depends on those fields gives wrong answers. Such an
adapter is refused here, by the table in `adapter_fields.py`.
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
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.weights.adapter_fields import config_problems, module_names
from cdk_sglang.weights.adapter_rules import CONFIG_FILE, missing_modules

_QUANTIZED: Final = re.compile(
    r"[-_.](fp8(-dynamic|-kv)?|nvfp4|mxfp4|fp4|awq|gptq(-int[48])?|bnb(-4bit|-8bit)?|int[48]|w\d+a\d+|unsloth|4bit|8bit|bf16|fp16|hf)(?=$|[-_.])",
    re.IGNORECASE,
)


@checked_fields
@dataclass(frozen=True, kw_only=True)
class AdapterConfig:
    """The part of `adapter_config.json` that decides whether an adapter can be served.

    Attributes:
        rank: Rank of the adapter's matrices (`r`).
        target_modules: Last parts of the names of the changed modules; "all" alone for PEFT's `all-linear`.
        base_model: `base_model_name_or_path`; None if the file has none.
    """

    rank: int
    target_modules: frozenset[str]
    base_model: str | None = None

    @staticmethod
    @checked()
    def read(path: Path | str) -> AdapterConfig:
        """Read a file, or `adapter_config.json` of a folder.

        Args:
            path: The file, or its folder.

        Raises:
            ConfigurationError: The file does not exist or is not JSON, or SGLang would not serve the adapter as it was trained.
        """
        path = Path(path)
        file = path / CONFIG_FILE if path.is_dir() else path
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError([Problem(file, f"cannot be read: {error.strerror or error}")]) from None
        except ValueError as error:
            raise ConfigurationError([Problem(file, f"is not JSON: {error}")]) from None
        if not isinstance(content, dict):
            raise ConfigurationError([Problem(file, f"expected an object, got a {type(content).__name__}")])
        return AdapterConfig.parse(content, path=str(file))

    @staticmethod
    @checked()
    def parse(content: Mapping[str, Any], *, path: str = CONFIG_FILE) -> AdapterConfig:
        """Check the content of the file and return its configuration.

        Args:
            content: The parsed JSON.
            path: Beginning of every problem's line.

        Raises:
            ConfigurationError: SGLang would refuse the adapter, or not serve it as it was trained.
        """
        raise_if_any(Problem(path, problem) for problem in config_problems(content))
        rank, modules = content["r"], content["target_modules"]
        base = content.get("base_model_name_or_path")
        return AdapterConfig(
            rank=rank,
            target_modules=module_names(modules),
            base_model=base if isinstance(base, str) and base else None,
        )

    def problems(self, path: str, *, max_rank: int | None, server_modules: Iterable[str] | None) -> list[Problem]:
        """Return the reasons why a server with these LoRA settings cannot serve the adapter; an empty list if it can.

        Args:
            path: Beginning of every line.
            max_rank: The server's `lora.max_rank`; None skips the check.
            server_modules: The server's `lora.target_modules`; None skips the check.
        """
        problems = []
        if max_rank is not None and self.rank > max_rank:
            problems.append(
                Problem(
                    path,
                    f"rank {self.rank} is over the component's server.lora.max_rank {max_rank}; "
                    f"raise that to {self.rank} or more, which costs GPU memory for every slot",
                )
            )
        allowed = None if server_modules is None else frozenset(server_modules)
        if allowed is None or "all" in allowed:
            return problems
        if "all" in self.target_modules:
            problems.append(
                Problem(
                    path,
                    f"changes all linear modules, the component's server.lora.target_modules has "
                    f"{', '.join(sorted(allowed))}; SGLang would leave the others out without a word, so use [all]",
                )
            )
            return problems
        missing = missing_modules(self.target_modules, allowed)
        if missing:
            problems.append(
                Problem(
                    path,
                    f"changes {', '.join(missing)}, which the component's server.lora.target_modules lacks "
                    f"({', '.join(sorted(allowed))}); add them, or use [all]",
                )
            )
        return problems


def same_base_model(trained_on: str, served: str) -> bool:
    """Whether an adapter trained on one model may be served on the other: both are the same model, by any publisher and quantization.

    Args:
        trained_on: `base_model_name_or_path` of the adapter, for example "unsloth/Llama-3.2-3B-Instruct-bnb-4bit".
        served: Hub id of the component's model, for example "meta-llama/Llama-3.2-3B-Instruct".
    """
    return _plain_name(trained_on) == _plain_name(served)


def _plain_name(model: str) -> str:
    name = model.rstrip("/").rsplit("/", 1)[-1]
    return _QUANTIZED.sub("", name).lower().removeprefix("meta-")
