"""Reasoning and tool-call parsers by model family."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, cast

from cdk_sglang.engine.choices import ReasoningParser, ToolCallParser


@dataclass(frozen=True, kw_only=True)
class SuggestedParsers:
    """Parsers for a model family; `None` where the family needs none.

    Args:
        reasoning_parser: For `SglangOptions.reasoning_parser`.
        tool_call_parser: For `SglangOptions.tool_call_parser`.
        source: Source of the suggestion.
    """

    reasoning_parser: ReasoningParser | None
    tool_call_parser: ToolCallParser | None
    source: str


_DOCS: Final = "docs.sglang.io: Tool Parser and Reasoning Parser, tables of supported models (2026)"
_ARCHITECTURE: Final = "SGLang 0.5.23, parser/template_detection.py, parsers by architecture"
_TEMPLATE: Final = "SGLang 0.5.23, parser/template_detection.py, parsers by chat template"

# First match wins. Matched against a model_type ("qwen3_moe") or a repository name ("Qwen/Qwen3-Coder-480B-A35B-Instruct"),
# lower case, with "-", "." and "/" as "_". `qwen25` and `glm45` as tool parsers are retired names of `qwen` and `glm`.
_FAMILIES: Final[tuple[tuple[str, str | None, str | None, str], ...]] = (
    (r"gpt_oss", "gpt-oss", "gpt-oss", _DOCS),
    (r"deepseek_r1|r1_distill", "deepseek-r1", None, _DOCS),
    (r"deepseek_?v4_1|deepseek_?v41", "deepseek-v41", "deepseekv41", _ARCHITECTURE),
    (r"deepseek_?v4", "deepseek-v4", "deepseekv4", _ARCHITECTURE),
    (r"deepseek_?v3_2_exp|deepseek_?v3_1", "deepseek-v3", "deepseekv31", _DOCS),
    (r"deepseek_?v3_?2", "deepseek-v3", "deepseekv32", _DOCS),
    (r"deepseek_v3", "deepseek-v3", "deepseekv3", _DOCS),
    (r"qwen3_coder", None, "qwen3_coder", _DOCS),
    (r"qwen3_[56]", "qwen3", "qwen3_coder", _TEMPLATE),
    (r"qwen3.*thinking", "qwen3-thinking", "qwen", _DOCS),
    (r"qwen3.*instruct", None, "qwen", _DOCS),
    (r"qwen3", "qwen3", "qwen", _DOCS),
    (r"qwen2", None, "qwen", _DOCS),
    (r"kimi_k3", "kimi_k3", "kimi_k3", _ARCHITECTURE),
    (r"kimi_k2(_?[567](_|$)|.*thinking)", "kimi_k2", "kimi_k2", _DOCS),
    (r"kimi_k2", None, "kimi_k2", _DOCS),
    (r"minimax_m3", "minimax-m3", "minimax-m3", _ARCHITECTURE),
    (r"minimax_m2", "minimax", "minimax-m2", _ARCHITECTURE),
    (r"glm_4_7|glm_5|glm_moe_dsa", "glm45", "glm47", _TEMPLATE),
    (r"glm_?4_(5|6|moe)|glm4_moe", "glm45", "glm", _DOCS),
    (r"nemotron_3", "nemotron_3", "qwen3_coder", _TEMPLATE),
    (r"gemma_?4", "gemma4", "gemma4", _TEMPLATE),
    (r"step_?3(p|_)[5-9]", "step3p5", "step3p5", _TEMPLATE),
    (r"step_?3", "step3", "step3", _DOCS),
    (r"mimo_v2", "mimo", "mimo", _TEMPLATE),
    (r"llama_?4", None, "pythonic", _DOCS),
    (r"^(?!.*nemotron).*llama", None, "llama3", _DOCS),
    (r"mi[sx]tral|ministral|magistral", None, "mistral", _DOCS),
)


_RETIRED: Final = {"qwen25": "qwen", "glm45": "glm"}
"""Tool-call parsers by their former names; as a reasoning parser, `glm45` is current."""

_VENDORS: Final = (
    *(
        "gpt_oss",
        "deepseek",
        "qwen",
        "kimi",
        "minimax",
        "glm",
        "llama",
        "nemotron",
        "gemma",
        "step",
        "mimo",
        "mi[sx]tral",
    ),
)
"""Parts of the patterns above that identify the families of one maker."""


def foreign_parsers(
    model: str, *, reasoning_parser: str | None, tool_call_parser: str | None
) -> list[tuple[str, str, str | None]]:
    """Return configured parsers that belong to another maker's models: the option, its value, and the suitable parser.

    Parsers that belong to no known family, and models of unknown families, are not checked.

    Args:
        model: `model_type` of the model's config.json, or its repository name.
        reasoning_parser: SGLang's `--reasoning-parser`; None if not set.
        tool_call_parser: SGLang's `--tool-call-parser`; None if not set.
    """
    row = _row(model)
    if row is None:
        return []
    vendor = _vendor(row[0])
    found: list[tuple[str, str, str | None]] = []
    for column, option, value in ((1, "reasoning_parser", reasoning_parser), (2, "tool_call_parser", tool_call_parser)):
        makers = {
            _vendor(other[0])
            for other in _FAMILIES
            if value is not None and value in {other[column], *_former(other[column])}
        }
        if value is not None and makers and vendor not in makers:
            found.append((option, value, row[column]))
    return found


def _row(model: str) -> tuple[str, str | None, str | None, str] | None:
    name = re.sub(r"[-./ ]+", "_", model.strip().lower())
    return next((row for row in _FAMILIES if re.search(row[0], name)), None)


def _former(parser: str | None) -> list[str]:
    return [former for former, now in _RETIRED.items() if now == parser]


def _vendor(pattern: str) -> str:
    return next(vendor for vendor in _VENDORS if vendor in pattern)


def suggested_parsers(model_family: str) -> SuggestedParsers | None:
    """Return the parsers for a model family; `None` if the family is unknown.

    This is a suggestion: fine-tuned models may use another format, and `auto` lets SGLang inspect the chat template at
    start-up. A repository name is more specific than a model type: DeepSeek V3 and R1 share one, Qwen3 and Qwen3-Coder too.

    Args:
        model_family: `model_type` of the model's config.json, or its repository name.
    """
    row = _row(model_family)
    if row is None:
        return None
    _, reasoning, tool_call, source = row
    return SuggestedParsers(
        reasoning_parser=cast("ReasoningParser | None", reasoning),
        tool_call_parser=cast("ToolCallParser | None", tool_call),
        source=source,
    )
