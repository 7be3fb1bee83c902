"""What SGLang refuses, and what it takes although the GPU has no arithmetic for it."""

from __future__ import annotations

import dataclasses

import pytest

from cdk_sglang.hardware import Gpu
from cdk_sglang.models import catalogue
from cdk_sglang.planning import EngineOptions, Parallelism, plan_memory, split_problems
from cdk_sglang.planning.formats import as_loaded, format_notes
from cdk_sglang.planning.predict import answer
from cdk_sglang.planning.rows import read_question

A10G, L40S, H100, H200, B200 = (
    Gpu.of(name) for name in ("A10G-24GB", "L40S-48GB", "H100-SXM-80GB", "H200-SXM-141GB", "B200-SXM-180GB")
)
ONE = Parallelism()


def test_block_quantized_experts_are_refused_where_the_engine_dies() -> None:
    model = catalogue("Qwen/Qwen3-235B-A22B-FP8").architecture
    assert split_problems(model, H200, Parallelism(gpus=4)) == []
    assert split_problems(model, H200, Parallelism(gpus=8, expert_parallel=True)) == []
    assert split_problems(model, H200, Parallelism(gpus=8)) == [
        "expert width 1536 / tp 8 = 192 is not a multiple of the fp8 weight block 128; use tp 4, or expert parallelism (ep_size 8)"
    ]


def test_formats_that_sglang_unpacks_are_taken_and_noted_and_those_it_refuses_are_refused() -> None:
    dense, experts, modelopt, nvfp4 = (
        catalogue(name).architecture
        for name in (
            "Qwen/Qwen3-32B-FP8",
            "Qwen/Qwen3-30B-A3B-FP8",
            "nvidia/Llama-3.1-70B-Instruct-FP8",
            "nvidia/Gemma-4-31B-IT-NVFP4",
        )
    )
    assert split_problems(dense, A10G, ONE) == []
    assert format_notes(dense, A10G, ONE)[0].startswith(
        "A10G has no fp8 arithmetic: SGLang keeps fp8 weights as they are"
    )
    assert split_problems(nvfp4, H200, ONE) == []
    assert format_notes(nvfp4, H200, ONE)[0].startswith("H200 has no fp4 arithmetic: SGLang keeps nvfp4 weights")
    assert format_notes(dense, H200, ONE) == []
    (line,) = split_problems(experts, A10G, ONE)
    assert line.startswith(
        "A10G has no fp8 arithmetic (compute capability 8.6), and SGLang has no weight-only kernel for experts"
    )
    (line,) = split_problems(modelopt, A10G, Parallelism(gpus=8))
    assert "SGLang loads fp8 weights of this kind (ModelOpt, w8a8, mxfp8) only with it" in line


def test_heads_that_tp_does_not_divide_are_refused_with_sizes_that_do() -> None:
    (line, *_) = split_problems(catalogue("Qwen/Qwen2.5-0.5B").architecture, L40S, Parallelism(gpus=4))
    assert line == "tp 4 does not divide 14 attention heads; use one of 1, 2"


def test_experts_of_partial_expert_parallelism_are_sliced_by_what_remains() -> None:
    model = catalogue("Qwen/Qwen3-30B-A3B-FP8").architecture
    assert split_problems(model, H200, Parallelism(gpus=8, expert_parallel=True, expert_groups=8)) == []
    assert split_problems(model, H200, Parallelism(gpus=8, expert_parallel=True, expert_groups=4)) == []
    (line,) = split_problems(model, H200, Parallelism(gpus=8, expert_parallel=True, expert_groups=2))
    assert line == (
        "expert width 768 / tp 4 = 192 is not a multiple of the fp8 weight block 128; use tp 2, or expert parallelism (ep_size 8)"
    )


@pytest.mark.parametrize("gpus", [4, 8])
def test_shared_experts_are_sliced_under_expert_parallelism_too(gpus: int) -> None:
    model = catalogue("stepfun-ai/Step-3.7-Flash-FP8").architecture
    spread = Parallelism(gpus=gpus, expert_parallel=True, expert_groups=gpus)
    assert split_problems(model, H200, Parallelism(gpus=2)) == []
    (line,) = split_problems(model, H200, spread)
    assert line == (
        f"shared expert width 1280 / tp {gpus} = {1280 // gpus} is not a multiple of the fp8 weight block 128; use tp 2"
    )
    assert split_problems(model, H200, spread, EngineOptions(deepep=True)) == []  # DeepEP keeps them whole


def test_every_sliced_width_is_checked_against_the_blocks() -> None:
    model = catalogue("Qwen/Qwen3-32B-FP8").architecture
    narrow = dataclasses.replace(model, head_dim=96, v_head_dim=96)
    names = {line.split(" / ")[0] for line in split_problems(narrow, H200, Parallelism(gpus=8))}
    assert names == {"width of the keys 768", "width of the values 768"}
    deepseek = catalogue("deepseek-ai/DeepSeek-R1").architecture
    assert split_problems(deepseek, H200, Parallelism(gpus=8)) == []
    assert [line.split(" / ")[0] for line in split_problems(deepseek, H200, Parallelism(gpus=32))] == [
        "expert width 2048",
        "shared expert width 2048",
        "MLP width 18432",
    ]


@pytest.mark.parametrize(
    ("model", "gpus"),
    [
        ("XiaomiMiMo/MiMo-V2-Flash", 4),  # its keys are 192 wide, and not checked
        ("XiaomiMiMo/MiMo-V2-Flash", 8),
        ("MiniMaxAI/MiniMax-M2.5", 4),
        ("zai-org/GLM-5.2-FP8", 8),
        ("Qwen/Qwen3-235B-A22B-FP8", 4),
        ("Qwen/Qwen3-32B-FP8", 8),
        ("moonshotai/Kimi-K2-Instruct", 8),
    ],
)
def test_splits_that_public_recipes_use_are_taken(model: str, gpus: int) -> None:
    assert split_problems(catalogue(model).architecture, H200, Parallelism(gpus=gpus)) == []


def test_experts_of_gpt_oss_are_planned_in_bf16_where_sglang_unpacks_them() -> None:
    model = catalogue("openai/gpt-oss-120b").architecture
    sliced = Parallelism(gpus=4)
    spread = Parallelism(gpus=4, expert_parallel=True)
    assert as_loaded(model, H100, sliced) is model
    assert as_loaded(model, B200, spread) is model
    assert 15 < plan_memory(model, H100, sliced).weights_gib < 17
    assert 54 < plan_memory(model, H100, spread).weights_gib < 56
    assert format_notes(model, H100, spread) == [
        (
            "SGLang unpacks the experts of gpt-oss to bf16 with ep_size above 1 on H100, which takes four times their memory; "
            "without ep_size they stay in mxfp4"
        )
    ]
    assert "unpacks" not in " ".join(format_notes(model, B200, spread))
    row = {"model": "openai/gpt-oss-120b", "gpu": "H100-SXM-80GB", "tp": "2", "concurrency": "8"}
    (fits, refused) = answer([read_question(row), read_question({**row, "ep": "2"})])
    assert (fits.fits, refused.fits) == (True, False)


def test_a_context_beyond_the_pool_is_refused_whatever_the_prompt() -> None:
    row = {
        "model": "deepseek-ai/DeepSeek-R1",
        "gpu": "RTX-PRO-6000-BW-SE-96GB",
        "tp": "8",
        "mem_fraction": "0.9",
        "isl": "1000",
    }
    short, long = answer([read_question(row), read_question({**row, "context_len": "163840"})])
    assert (short.fits, long.fits) == (True, False)
    assert "for a request of 163840 tokens" in long.problems[0]
