"""The share of memory SGLang takes when nobody says, against its own resolution (0.5.23 on a faked GPU, 2026-11-29)."""

from __future__ import annotations

import dataclasses

import pytest

from cdk_sglang.hardware import Gpu, GpuInstance
from cdk_sglang.models import catalogue
from cdk_sglang.planning import ComponentRequest, EngineOptions, Parallelism, StaticFraction, planned_fraction
from cdk_sglang.planning.static_fraction import sglang_fraction

DENSE, MLA = (catalogue(name).architecture for name in ("Qwen/Qwen3-8B", "deepseek-ai/DeepSeek-R1"))

SINCE_0_5_20 = {
    "A10G-24GB": (0.684, 0.657, 0.635),
    "L4-24GB": (0.684, 0.658, 0.635),
    "A100-SXM-40GB": (0.823, 0.807, 0.795),
    "L40S-48GB": (0.843, 0.829, 0.818),
    "H100-SXM-80GB": (0.830, 0.819, 0.812),
    "A100-SXM-80GB": (0.830, 0.819, 0.813),
    "RTX-PRO-6000-BW-SE-96GB": (0.858, 0.849, 0.844),
    "H200-SXM-141GB": (0.903, 0.897, 0.893),
    "B200-SXM-180GB": (0.854, 0.852, 0.849),
    "B300-SXM-288GB": (0.902, 0.901, 0.899),
}
"""At tp 1, 4 and 8."""
BEFORE_0_5_20 = {**SINCE_0_5_20, "A10G-24GB": (0.822, 0.801, 0.778), "L4-24GB": (0.822, 0.801, 0.778)}
LATENT_ATTENTION = {
    "A10G-24GB": (0.635, 0.608, 0.586),
    "L4-24GB": (0.635, 0.608, 0.586),
    "A100-SXM-40GB": (0.795, 0.780, 0.767),
    "L40S-48GB": (0.818, 0.804, 0.793),
    "H100-SXM-80GB": (0.816, 0.805, 0.799),
    "A100-SXM-80GB": (0.817, 0.806, 0.800),
    "RTX-PRO-6000-BW-SE-96GB": (0.847, 0.838, 0.833),
    "H200-SXM-141GB": (0.896, 0.890, 0.886),
    "B200-SXM-180GB": (0.849, 0.846, 0.844),
    "B300-SXM-288GB": (0.899, 0.898, 0.896),
}
TABLES = [
    (f"{model.model_type} {version}", model, version, gpu, tp, share)
    for model, version, table in (
        (DENSE, "0.5.17", BEFORE_0_5_20),
        (DENSE, "0.5.19.post1", BEFORE_0_5_20),
        (DENSE, "0.5.20", SINCE_0_5_20),
        (DENSE, "0.5.23", SINCE_0_5_20),
        (MLA, "0.5.23", LATENT_ATTENTION),
    )
    for gpu, shares in table.items()
    for tp, share in zip((1, 4, 8), shares, strict=True)
]


@pytest.mark.parametrize(
    ("model", "version", "gpu", "tp", "share"),
    [row[1:] for row in TABLES],
    ids=[f"{r[0]} {r[3]} tp {r[4]}" for r in TABLES],
)
def test_the_default_share_is_the_engines_own(model: object, version: str, gpu: str, tp: int, share: float) -> None:
    found = sglang_fraction(model, Gpu.of(gpu), Parallelism(gpus=tp), EngineOptions(version=version))
    assert found == pytest.approx(share, abs=5e-4)


@pytest.mark.parametrize(
    ("version", "as_in", "known"),
    [
        (None, "0.5.23", False),
        ("nightly-dev-20260402-d7256eb6", "0.5.23", False),
        ("0.6.0", "0.5.23", False),
        ("0.5.24", "0.5.23", False),
        ("0.5.10.post1", "0.5.17", False),
        ("0.4.9", "0.5.17", False),
        ("v0.5.19", "0.5.19", True),
    ],
)
def test_a_release_that_was_not_read_takes_the_nearest_ones_rule_and_says_so(
    version: str | None, as_in: str, *, known: bool
) -> None:
    l4 = Gpu.of("L4-24GB")
    options, nearest = EngineOptions(version=version), EngineOptions(version=as_in)
    assert sglang_fraction(DENSE, l4, Parallelism(), options) == sglang_fraction(DENSE, l4, Parallelism(), nearest)
    assert options.release_known is known


@pytest.mark.parametrize(
    ("gpu", "split", "options", "share"),
    [
        ("L4-24GB", {}, {"chunked_prefill_size": 2048, "cuda_graph_max_bs": 24}, 0.822),
        ("H100-SXM-80GB", {}, {"chunked_prefill_size": 2048, "cuda_graph_max_bs": 24}, 0.874),
        ("H100-SXM-80GB", {}, {"chunked_prefill_size": -1}, 0.685),
        ("L4-24GB", {}, {"chunked_prefill_size": -1}, -0.099),
        ("L4-24GB", {}, {"decode_graphs": False, "prefill_graphs": False}, 0.705),
        ("L4-24GB", {}, {"decode_graphs": False}, 0.688),
        ("L4-24GB", {}, {"max_running_requests": 16}, 0.687),
        ("L4-24GB", {}, {"max_running_requests": 16, "version": "0.5.20"}, 0.684),
        ("L4-24GB", {}, {"max_running_requests": 64}, 0.684),
        ("L4-24GB", {"gpus": 4, "pipeline": 2}, {}, 0.685),
        ("H100-SXM-80GB", {"gpus": 8, "attention_dp": 8}, {}, 0.586),
        ("L4-24GB", {"gpus": 4, "attention_dp": 4}, {"cuda_graph_max_bs": 8}, 0.667),
        ("H100-SXM-80GB", {"gpus": 4, "attention_dp": 4}, {"decode_graphs": False}, 0.718),
    ],
)
def test_options_move_the_default_as_they_do_in_the_engine(
    gpu: str, split: dict[str, int], options: dict[str, object], share: float
) -> None:
    engine = EngineOptions(**{"version": "0.5.23", **options})
    assert sglang_fraction(DENSE, Gpu.of(gpu), Parallelism(**split), engine) == pytest.approx(share, abs=5e-4)


def test_deepep_buffers_come_on_top_of_what_is_kept_at_least() -> None:
    engine = EngineOptions(deepep=True)
    split = Parallelism(gpus=8, expert_parallel=True)
    assert sglang_fraction(MLA, Gpu.of("H200-SXM-141GB"), split, engine) == pytest.approx(0.865, abs=5e-4)


@pytest.mark.parametrize(
    ("model", "gpu", "options", "share"),
    [
        ("Qwen/Qwen3.5-27B", "L4-24GB", {}, 0.63254),
        ("Qwen/Qwen3.5-35B-A3B", "H100-SXM-80GB", {}, 0.76756),
        ("moonshotai/Kimi-K2.5", "H100-SXM-80GB", {}, 0.74234),
        ("moonshotai/Kimi-K2-Thinking", "H100-SXM-80GB", {}, 0.816),  # text, though of the same architecture
        ("Qwen/Qwen3-VL-8B-Instruct", "L40S-48GB", {}, 0.78698),
        ("Qwen/Qwen3-VL-4B-Instruct", "L40S-48GB", {}, 0.80845),
        ("Qwen/Qwen3-VL-8B-Instruct", "H100-SXM-80GB", {"max_running_requests": 400}, 0.76940),
        ("Qwen/Qwen3-VL-8B-Instruct", "L40S-48GB", {"multimodal": False}, 0.843),
        ("google/gemma-4-26B-A4B", "L40S-48GB", {}, 0.77419),
        ("nvidia/MiniMax-M3-NVFP4", "H100-SXM-80GB", {}, 0.7885),
        ("stepfun-ai/Step-3.7-Flash", "L40S-48GB", {}, 0.80845),
        # served without images unless asked
        ("google/gemma-3-27b-it", "L40S-48GB", {}, 0.843),
        ("google/gemma-3-27b-it", "L40S-48GB", {"multimodal": True}, 0.77419),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "H100-SXM-80GB", {}, 0.830),
    ],
)
def test_images_take_their_share(model: str, gpu: str, options: dict[str, object], share: float) -> None:
    engine = EngineOptions(**options)
    found = sglang_fraction(catalogue(model).architecture, Gpu.of(gpu), Parallelism(), engine)
    assert found == pytest.approx(share, abs=5e-5 + 5e-4 * (share == round(share, 3)))


def test_the_plan_says_its_share_and_the_engines_own() -> None:
    request = ComponentRequest(
        name="c",
        facts=catalogue("Qwen/Qwen3-8B"),
        tp_size=1,
        context_length=8192,
        engine=EngineOptions(version="0.5.23"),
    )
    of_engine = planned_fraction(request, GpuInstance.G5_XLARGE)
    assert of_engine == StaticFraction(planned=0.684, engine_default=0.684, release_known=True)
    own = planned_fraction(dataclasses.replace(request, mem_fraction=0.85), GpuInstance.G5_XLARGE)
    assert (own.planned, own.engine_default) == (0.85, 0.684)
    unknown = planned_fraction(dataclasses.replace(request, engine=EngineOptions()), GpuInstance.G5_XLARGE)
    assert not unknown.release_known
