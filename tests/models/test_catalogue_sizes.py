"""Totals of the catalogue against what is published, and names that resolve to the formats of their own repositories.

Of `published_sizes.csv`, the rows of vllm-project/recipes were read on 2026-11-30; the other rows give the well-known figure of the card or paper that
they name, which was not read again.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from cdk_sglang.models import all_models, catalogue
from cdk_sglang.models.facts import bytes_per_weight, doubts

GIB = 2**30


def published() -> dict[str, tuple[float, str]]:
    with Path(__file__).with_name("published_sizes.csv").open(newline="", encoding="utf-8") as file:
        return {row["model"]: (float(row["billions"]), row["source"]) for row in csv.DictReader(file)}


def test_every_model_has_as_many_parameters_as_is_published_within_2_percent() -> None:
    sizes = published()
    assert set(sizes) == {facts.id for facts in all_models()}
    off = {}
    for facts in all_models():
        stated, source = sizes[facts.id]
        assert source.startswith("https://")
        counted = facts.architecture.parameters / 1e9
        # some count their prediction layers, some do not
        nearest = min((counted, counted + facts.architecture.mtp_parameters / 1e9), key=lambda one: abs(one - stated))
        if abs(nearest / stated - 1) > 0.02:
            off[facts.id] = (nearest, stated)
    assert off == {}


@pytest.mark.parametrize(
    ("model", "active"),
    # https://github.com/vllm-project/recipes, 2026-08-21
    [
        ("deepseek-ai/DeepSeek-V4-Flash", 13),
        ("deepseek-ai/DeepSeek-V4-Pro", 49),
        ("deepseek-ai/DeepSeek-R1", 37),
        ("openai/gpt-oss-120b", 5.1),
    ],
)
def test_a_token_passes_through_as_many_as_is_published(model: str, active: float) -> None:
    assert catalogue(model).architecture.active_parameters / 1e9 == pytest.approx(active, rel=0.02)


@pytest.mark.parametrize(
    ("model", "gigabytes"),
    [
        ("deepseek-ai/DeepSeek-V4-Pro", 865),  # files of the repository, prediction layer included
        ("nvidia/DeepSeek-V4-Pro-NVFP4", 913),
        ("moonshotai/Kimi-K3", 1560),
        ("Qwen/Qwen3-32B-FP8", 34.3),
    ],
)
def test_files_are_as_large_as_is_published_within_2_percent(model: str, gigabytes: float) -> None:
    facts = catalogue(model)
    drafts = facts.architecture.mtp_parameters * bytes_per_weight("mxfp4" if "V4" in model else "bf16")
    assert (facts.weights_gib * GIB + drafts) / 1e9 == pytest.approx(gigabytes, rel=0.02)


@pytest.mark.parametrize(
    ("model", "billions"),
    # prediction layers: the model cards of Step-3.5-Flash and MiMo-V2-Flash (0.33B each); none in MiniMax's checkpoints
    [
        ("stepfun-ai/Step-3.7-Flash", 0.74),
        ("XiaomiMiMo/MiMo-V2-Flash", 0.99),
        ("MiniMaxAI/MiniMax-M2.5", 0.0),
        ("deepseek-ai/DeepSeek-R1", 11.6),
    ],
)
def test_prediction_layers_are_as_large_as_they_are_stored(model: str, billions: float) -> None:
    assert catalogue(model).architecture.mtp_parameters / 1e9 == pytest.approx(billions, abs=0.05)


@pytest.mark.parametrize(
    ("model", "method", "block", "limit"),
    [
        ("Qwen/Qwen2.5-Coder-7B-Instruct", "bf16", None, 32768),
        ("Qwen/Qwen3-4B-Instruct-2507-FP8", "fp8", 128, 262144),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct-FP8", "fp8", 128, 262144),
        ("deepseek-ai/DeepSeek-V3.1-Terminus", "fp8", 128, 163840),
        ("openai/gpt-oss-safeguard-20b", "mxfp4", None, 131072),
        ("google/gemma-4-31B-it", "bf16", None, 262144),
        ("nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16", "bf16", None, 262144),
        ("MiniMaxAI/MiniMax-M2.1", "fp8", 128, 196608),
    ],
)
def test_other_names_of_an_architecture_have_their_own_format_and_limit(
    model: str, method: str, block: int | None, limit: int
) -> None:
    facts = catalogue(model)
    quantization = facts.architecture.quantization
    assert (quantization.method, quantization.block, facts.architecture.max_position_embeddings) == (
        method,
        block,
        limit,
    )
    assert doubts(facts) == ()


def test_a_format_taken_from_a_name_is_said_to_be() -> None:
    (doubt,) = doubts(catalogue("someone/Qwen3-32B-AWQ"))
    assert doubt == (
        "someone/Qwen3-32B-AWQ is planned as int4 throughout, from its name: its own quantization may leave layers out; "
        "read it with: cdk-sglang models add someone/Qwen3-32B-AWQ"
    )


def test_models_that_make_embeddings_are_known_as_such() -> None:
    assert [facts.id for facts in all_models() if facts.is_embedding] == [
        f"Qwen/Qwen3-Embedding-{size}" for size in ("0.6B", "4B", "8B")
    ]
