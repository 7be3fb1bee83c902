from __future__ import annotations

import pytest

from cdk_sglang.engine import SglangOptions, suggested_parsers
from cdk_sglang.engine.flags import flag_of
from cdk_sglang.engine.parsers import _FAMILIES, _vendor, foreign_parsers


@pytest.mark.parametrize(
    ("family", "reasoning", "tool_call"),
    [
        ("qwen3_moe", "qwen3", "qwen"),
        ("Qwen/Qwen3-8B", "qwen3", "qwen"),
        ("Qwen/Qwen3-235B-A22B-FP8", "qwen3", "qwen"),
        ("Qwen/Qwen3-Coder-480B-A35B-Instruct", None, "qwen3_coder"),
        ("Qwen/Qwen3.5-397B-A17B", "qwen3", "qwen3_coder"),
        ("Qwen/Qwen2.5-72B", None, "qwen"),
        ("gpt_oss", "gpt-oss", "gpt-oss"),
        ("openai/gpt-oss-20b", "gpt-oss", "gpt-oss"),
        ("meta-llama/Llama-3.2-3B-Instruct", None, "llama3"),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", None, "pythonic"),
        ("deepseek-ai/DeepSeek-R1", "deepseek-r1", None),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "deepseek-r1", None),
        ("deepseek-ai/DeepSeek-V3", "deepseek-v3", "deepseekv3"),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek-v3", "deepseekv31"),
        ("deepseek-ai/DeepSeek-V3.2", "deepseek-v3", "deepseekv32"),
        ("deepseek-ai/DeepSeek-V3.2-Exp", "deepseek-v3", "deepseekv31"),
        ("deepseek_v32", "deepseek-v3", "deepseekv32"),
        ("deepseek-ai/DeepSeek-V4-Flash", "deepseek-v4", "deepseekv4"),
        ("moonshotai/Kimi-K2-Instruct-0905", None, "kimi_k2"),
        ("moonshotai/Kimi-K2-Thinking", "kimi_k2", "kimi_k2"),
        ("moonshotai/Kimi-K2.5", "kimi_k2", "kimi_k2"),
        ("MiniMaxAI/MiniMax-M2.5", "minimax", "minimax-m2"),
        ("glm4_moe", "glm45", "glm"),
        ("zai-org/GLM-5.2-FP8", "glm45", "glm47"),
        ("mistralai/Mixtral-8x7B-v0.1", None, "mistral"),
    ],
)
def test_suggests_parsers_for_a_family(family: str, reasoning: str | None, tool_call: str | None) -> None:
    found = suggested_parsers(family)
    assert found is not None
    assert (found.reasoning_parser, found.tool_call_parser) == (reasoning, tool_call)
    assert found.source
    SglangOptions(reasoning_parser=found.reasoning_parser, tool_call_parser=found.tool_call_parser)


@pytest.mark.parametrize("family", ["", "bert", "nvidia/Llama-3_3-Nemotron-Super-49B-v1"])
def test_suggests_nothing_for_a_family_it_does_not_know(family: str) -> None:
    assert suggested_parsers(family) is None


def test_suggests_only_parsers_sglang_has() -> None:
    for _, reasoning, tool_call, _ in _FAMILIES:
        assert reasoning is None or reasoning in flag_of("reasoning_parser").choices
        assert tool_call is None or tool_call in flag_of("tool_call_parser").choices


@pytest.mark.parametrize(
    ("model", "reasoning", "tool_call", "found"),
    [
        ("Qwen/Qwen3-8B", None, "llama3", [("tool_call_parser", "llama3", "qwen")]),
        ("Qwen/Qwen3-8B", "deepseek-r1", "qwen", [("reasoning_parser", "deepseek-r1", "qwen3")]),
        ("meta-llama/Llama-3.2-3B-Instruct", "qwen3", "llama3", [("reasoning_parser", "qwen3", None)]),
        (
            "openai/gpt-oss-120b",
            "qwen3",
            "mistral",
            [("reasoning_parser", "qwen3", "gpt-oss"), ("tool_call_parser", "mistral", "gpt-oss")],
        ),
        (
            "zai-org/GLM-4.5",
            "qwen3",
            "qwen25",
            [("reasoning_parser", "qwen3", "glm45"), ("tool_call_parser", "qwen25", "glm")],
        ),
        ("Qwen/Qwen3-8B", "qwen3", "qwen25", []),
        ("Qwen/Qwen3-8B", "qwen3-thinking", "qwen3_coder", []),
        ("nvidia/Nemotron-3-Nano", "nemotron_3", "qwen3_coder", []),
        ("zai-org/GLM-4.5", "glm45", "glm45", []),
        ("Qwen/Qwen3-8B", "auto", "auto", []),
        ("Qwen/Qwen3-8B", None, "hermes", []),
        ("my-team/my-model", "qwen3", "llama3", []),
    ],
)
def test_a_parser_of_another_makers_models_is_named_with_the_right_one(
    model: str, reasoning: str | None, tool_call: str | None, found: list[tuple[str, str, str | None]]
) -> None:
    assert foreign_parsers(model, reasoning_parser=reasoning, tool_call_parser=tool_call) == found


def test_every_family_has_a_maker_and_its_own_parsers_are_never_foreign() -> None:
    for pattern, reasoning, tool_call, _ in _FAMILIES:
        assert _vendor(pattern)
        names = [name for name in ("gpt_oss", "qwen3", "llama", "glm_5", "kimi_k2") if pattern == name]
        for name in names:
            assert foreign_parsers(name, reasoning_parser=reasoning, tool_call_parser=tool_call) == []
