"""Memory against engine logs, and the splits that engines refuse."""

from __future__ import annotations

import pytest

from cdk_sglang.hardware import Gpu
from cdk_sglang.models import catalogue
from cdk_sglang.planning import EngineOptions, Parallelism, plan_memory
from cdk_sglang.planning.memory import smallest_split
from cdk_sglang.planning.parallel import kv_bytes_per_token

H200, A10G, L40S = Gpu.of("H200-SXM-141GB"), Gpu.of("A10G-24GB"), Gpu.of("L40S-48GB")


@pytest.mark.parametrize(
    ("model", "tp", "kv_dtype", "logged"),
    [
        # "KV Cache is allocated" lines of SGLang and vLLM
        ("meta-llama/Llama-3.1-8B-Instruct", 1, "bf16", 131_072),
        ("Qwen/Qwen3-0.6B", 1, "bf16", 114_713),
        ("Qwen/Qwen2.5-0.5B", 1, "bf16", 12_288),
        ("meta-llama/Meta-Llama-3.1-70B", 8, "bf16", 40_957),
        ("moonshotai/Kimi-K2.5", 8, "bf16", 70_271),
        ("zai-org/GLM-5-FP8", 8, "fp8", 61_463),
        ("Qwen/Qwen3-30B-A3B", 1, "bf16", 98_306),
        ("Qwen/Qwen3.5-27B", 1, "fp8", 32_797),
        ("nvidia/MiniMax-M3-NVFP4", 2, "fp8", 38_523),
    ],
)
def test_bytes_per_token_agree_with_logs(model: str, tp: int, kv_dtype: str, logged: float) -> None:
    kv = kv_bytes_per_token(catalogue(model).architecture, Parallelism(gpus=tp), kv_dtype)
    assert kv.all_layers == pytest.approx(logged, rel=5e-3)


def test_sliding_and_full_pools_agree_with_logs() -> None:
    kv = kv_bytes_per_token(catalogue("XiaomiMiMo/MiMo-V2-Flash").architecture, Parallelism(gpus=4))
    assert (kv.sliding, kv.unbounded) == (pytest.approx(49_920, rel=5e-3), pytest.approx(5_760, rel=5e-3))


@pytest.mark.parametrize(
    ("model", "tp", "logged_gib"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 1, 15.02),
        ("Qwen/Qwen3-30B-A3B", 1, 56.98),
        ("Qwen/Qwen2.5-32B", 4, 15.54),
        ("zai-org/GLM-5-FP8", 8, 89.58),
        ("nvidia/DeepSeek-V3-NVFP4", 4, 94.50),
    ],
)
def test_weights_per_gpu_agree_with_logs(model: str, tp: int, logged_gib: float) -> None:
    memory = plan_memory(catalogue(model).architecture, H200, Parallelism(gpus=tp))
    assert memory.weights_gib == pytest.approx(logged_gib, rel=0.03)


def test_the_cache_is_what_the_static_fraction_leaves() -> None:
    memory = plan_memory(catalogue("google/gemma-3-4b-it").architecture, H200, Parallelism(), fraction=0.8359)
    assert memory.cache_gib == pytest.approx(108.24, rel=0.02)  # H200, March 2025


def test_replicated_heads_keep_the_cache_from_shrinking_further() -> None:
    model = catalogue("Qwen/Qwen3-30B-A3B").architecture  # 4 key/value heads
    sizes = [kv_bytes_per_token(model, Parallelism(gpus=n)).all_layers for n in (1, 2, 4, 8)]
    assert sizes == [98304, 49152, 24576, 24576]


def test_the_fewest_gpus_that_fit_are_found() -> None:
    model = catalogue("Qwen/Qwen3-235B-A22B-FP8").architecture
    found = smallest_split(model, H200, gpus=8, context=32768)
    assert found is not None
    assert found.gpus == 2
    assert smallest_split(model, A10G, gpus=8, context=32768) is None


def test_drafts_and_adapters_take_from_the_cache() -> None:
    model = catalogue("meta-llama/Llama-3.1-8B-Instruct").architecture
    plain = plan_memory(model, L40S, Parallelism())
    loaded = plan_memory(model, L40S, Parallelism(), draft_gib=1.5, lora_slots=4, lora_rank=64)
    assert plain.cache_gib - loaded.cache_gib == pytest.approx(1.5 + loaded.adapters_gib)
    assert 0.5 < loaded.adapters_gib < 2.0


def test_images_keep_room_for_their_embeddings() -> None:
    model = catalogue("Qwen/Qwen3-VL-8B-Instruct").architecture
    shown = plan_memory(model, L40S, Parallelism(), fraction=0.8)
    text = plan_memory(model, L40S, Parallelism(), fraction=0.8, options=EngineOptions(multimodal=False))
    assert text.cache_gib - shown.cache_gib == pytest.approx(100 / 1024)
