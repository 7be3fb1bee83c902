"""The KV pool by SGLang's rules: values of SGLang 0.5.23's own pool sizing (`tests/planning/engine` asks it again)."""

from __future__ import annotations

import dataclasses

import pytest

from cdk_sglang.hardware import Gpu, GpuInstance
from cdk_sglang.models import catalogue
from cdk_sglang.planning import (
    ComponentRequest,
    EndpointRequest,
    EngineOptions,
    FleetRequest,
    MemoryPlan,
    Parallelism,
    plan_fleet,
    plan_memory,
)
from cdk_sglang.planning.concurrency import concurrency_limits
from cdk_sglang.planning.drafts import DraftKind, Speculation
from cdk_sglang.planning.memory import memory_of
from cdk_sglang.planning.pools import cache_format
from cdk_sglang.planning.verdict import component_problems

HYBRID = "Qwen/Qwen3.6-27B-FP8"


def planned(model: str, gpu: str, tp: int = 1, cache_option: str | None = None, **options: object) -> MemoryPlan:
    """Plan a model of the catalogue with SGLang's choice of the cache's format."""
    shape, card = catalogue(model).architecture, Gpu.of(gpu)
    return plan_memory(
        shape,
        card,
        Parallelism(gpus=tp),
        kv_dtype=cache_format(shape, card, cache_option),
        options=EngineOptions(**options),
    )


@pytest.mark.parametrize(
    ("model", "gpu", "cache_option", "kv_dtype", "per_layer"),
    [
        ("deepseek-ai/DeepSeek-V3.2", "H200-SXM-141GB", None, "bf16", 1284),
        ("deepseek-ai/DeepSeek-V3.2", "H200-SXM-141GB", "fp8", "fp8", 788),
        ("deepseek-ai/DeepSeek-V3.2", "B200-SXM-180GB", None, "fp8", 708),
        ("deepseek-ai/DeepSeek-V3.2", "B200-SXM-180GB", "bf16", "bf16", 1284),
        ("deepseek-ai/DeepSeek-V3.2", "RTX-PRO-6000-BW-SE-96GB", None, "fp8", 708),
        ("zai-org/GLM-5-FP8", "B200-SXM-180GB", None, "fp8", 708),
        ("zai-org/GLM-5-FP8", "RTX-PRO-6000-BW-SE-96GB", None, "fp8", 788),
        ("nvidia/GLM-5-NVFP4", "H200-SXM-141GB", None, "bf16", 1284),  # whatever format the checkpoint states
    ],
)
def test_sparse_attention_caches_in_the_format_and_layout_of_its_gpu(
    model: str, gpu: str, cache_option: str | None, kv_dtype: str, per_layer: int
) -> None:
    memory = planned(model, gpu, 8, cache_option)
    assert memory.kv_dtype == kv_dtype
    assert memory.bytes_per_token == per_layer * catalogue(model).architecture.layers


def test_gemma_3_keeps_the_whole_context_in_every_layer() -> None:
    assert planned("google/gemma-3-27b-it", "H100-SXM-80GB").bytes_per_token == 507_904
    windows = planned("openai/gpt-oss-120b", "H100-SXM-80GB")
    assert windows.bytes_per_token == pytest.approx(66_355.2)
    assert planned("openai/gpt-oss-120b", "H100-SXM-80GB", sliding_ratio=0.1).kv_tokens > 1.5 * windows.kv_tokens


def test_a_checkpoint_that_states_its_cache_format_is_planned_with_it() -> None:
    facts = catalogue("nvidia/Qwen3.6-27B-NVFP4")
    component = ComponentRequest(name="c", facts=facts, tp_size=1)
    b200 = Gpu.of("B200-SXM-180GB")
    assert memory_of(component, b200, Parallelism()).kv_dtype == "fp8"
    assert memory_of(dataclasses.replace(component, kv_dtype="bf16"), b200, Parallelism()).kv_dtype == "bf16"


def test_recurrent_state_limits_the_requests_at_once_whatever_their_length() -> None:
    memory = planned(HYBRID, "H100-SXM-80GB")
    assert memory.state is not None
    assert (memory.state.slots, memory.state.per_request, memory.state.running) == (103, 5, 20)
    assert memory.kv_tokens > 250_000
    assert memory.requests(1) == 20
    assert memory.requests(200_000) == 1


@pytest.mark.parametrize(
    ("options", "slots", "running"),
    [
        ({"radix_cache": False}, 103, 103),
        ({"radix_cache": False, "max_running_requests": 40}, 40, 40),
        ({"state_strategy": "no_buffer"}, 103, 34),
        ({"state_strategy": "extra_buffer_lazy"}, 103, 25),
        ({"state_slots": 50}, 50, 10),
        ({"max_running_requests": 8}, 105, 8),
    ],
)
def test_options_of_the_state_pool_move_its_slots_and_the_requests_at_once(
    options: dict[str, object], slots: int, running: int
) -> None:
    memory = planned(HYBRID, "H100-SXM-80GB", **options)
    assert memory.state is not None
    assert abs(memory.state.slots - slots) <= 1
    assert memory.running_limit == running


def test_a_draft_keeps_states_between_and_leaves_fewer_slots() -> None:
    shape, card = catalogue(HYBRID).architecture, Gpu.of("H100-SXM-80GB")
    draft = Speculation(kind=DraftKind.OWN_LAYERS, draft_tokens=4)
    plain, drafted = (plan_memory(shape, card, Parallelism(), speculation=one) for one in (None, draft))
    assert plain.state is not None
    assert drafted.state is not None
    assert drafted.state.slots < plain.state.slots / 1.7


def test_state_without_room_for_one_request_is_a_shortfall() -> None:
    memory = planned(HYBRID, "H100-SXM-80GB")
    assert memory.shortfall_gib(16) == 0
    shape, card = catalogue("Qwen/Qwen3.5-27B").architecture, Gpu.of("H100-SXM-80GB")
    tight = plan_memory(shape, card, Parallelism(), fraction=0.665)
    assert 0 < tight.cache_gib < 2
    assert tight.state is not None
    assert tight.state.running == 0
    assert tight.shortfall_gib(16) > 0


def test_a_given_number_of_tokens_is_the_pools() -> None:
    assert planned("Qwen/Qwen3-8B", "H100-SXM-80GB", max_total_tokens=50_000).kv_tokens == 50_000
    assert planned("Qwen/Qwen3-8B", "H100-SXM-80GB", max_total_tokens=5_000_000).kv_tokens < 500_000


def test_the_target_of_scaling_follows_the_slots_and_says_so() -> None:
    component = ComponentRequest(name="c", facts=catalogue(HYBRID), tp_size=1)
    limits = concurrency_limits(component, GpuInstance.P5_4XLARGE, gpus=1)
    assert (limits.cache, limits.slots, limits.target) == (20, 20, 16.0)
    assert limits.reason == "there are slots for the recurrent state of 20 requests; 80% of them is the target"


def test_the_models_own_context_above_a_given_pool_is_refused() -> None:
    component = ComponentRequest(
        name="c",
        facts=catalogue("Qwen/Qwen3-8B"),
        tp_size=1,
        engine=EngineOptions(max_total_tokens=20_000),
    )
    (problem,) = component_problems(component, [GpuInstance.P5_4XLARGE], path="c", region="us-east-1")
    assert problem.startswith("c.server.max_total_tokens: 20000 tokens hold no request of context_length 40960")


def test_stages_that_do_not_divide_the_layers_are_planned_with_the_largest() -> None:
    shape = catalogue("deepseek-ai/DeepSeek-R1").architecture  # 61 layers
    memory = plan_memory(shape, Gpu.of("H200-SXM-141GB"), Parallelism(gpus=16, pipeline=2))
    assert memory.bytes_per_token == 31 * 1152


@pytest.mark.parametrize(
    ("model", "gpu", "per_token"),
    [
        ("deepseek-ai/DeepSeek-V4-Flash", "H200-SXM-141GB", 7086.75),
        ("deepseek-ai/DeepSeek-V4-Pro", "B300-SXM-288GB", 10115.25),
    ],
)
def test_compressed_attention_has_pools_of_its_own(model: str, gpu: str, per_token: float) -> None:
    memory = planned(model, gpu, 8)
    assert (memory.kv_dtype, memory.bytes_per_token, memory.running) == ("fp8", per_token, 256)
    fewer = planned(model, gpu, 8, max_running_requests=32)
    assert fewer.running == 32
    assert fewer.state_gib < memory.state_gib / 6
    assert fewer.kv_tokens > memory.kv_tokens


def line_of(model: str, instance: str, tp_size: int, **options: object) -> str:
    """Plan one copy and return the line about its memory."""
    component = ComponentRequest(name="c", facts=catalogue(model), tp_size=tp_size, **options)
    endpoint = EndpointRequest(name="e", instances=(GpuInstance.named(instance),), components=(component,))
    plan = plan_fleet(FleetRequest(environment="x", region="us-east-1", endpoints=(endpoint,)))
    return plan.endpoints[0].components[0].memory_line


def test_a_line_says_why_it_fits_what_limits_its_requests_and_what_is_assumed() -> None:
    options = {"context_length": 8192, "engine": EngineOptions(version="0.5.23")}
    line = line_of(HYBRID, "ml.p5.4xlarge", 1, **options)
    assert line.startswith(
        "fits 1 x H100 of ml.p5.4xlarge: beside 28.3 of 78.6 GiB for weights, 31.7 GiB (mem_fraction_static 0.768, SGL"
    )
    assert "20 at once, limited by recurrent state (103 slots, 5 for each request)" in line
    assert line.endswith("assumed: GPU memory taken by start-up and loading, length of requests")
    own_fraction = line_of(
        "Qwen/Qwen3-32B", "ml.p5.48xlarge", 2, mem_fraction=0.85, input_tokens=2000.0, context_length=8192
    )
    assert "(mem_fraction_static 0.85) hold" in own_fraction
    assert (
        "at once, limited by the KV cache; assumed: GPU memory taken by communication and loading, rules of SGLang 0.5.23"
        in own_fraction
    )
    capped = line_of(
        "Qwen/Qwen3-8B", "ml.p5.4xlarge", 1, engine=EngineOptions(version="0.5.23", max_running_requests=16)
    )
    assert "16 at once, limited by max_running_requests;" in capped
    drafted = line_of("Qwen/Qwen3-8B", "ml.p5.4xlarge", 1, speculation=Speculation(kind=DraftKind.HEAD))
    assert "48 at once, limited by max_running_requests, SGLang's choice with a draft; assumed:" in drafted
    assert drafted.endswith("accept length")


def test_a_line_says_why_it_does_not_fit() -> None:
    line = line_of("meta-llama/Llama-3.1-8B-Instruct", "ml.g5.xlarge", 1, context_length=8192)
    assert line == (
        "does not fit 1 x A10G of ml.g5.xlarge: 15.0 of 21.6 GiB for weights leave 1.4 GiB too little for one request of 8,192 tokens"
    )


def test_a_release_without_known_rules_is_a_warning() -> None:
    component = ComponentRequest(name="c", facts=catalogue("Qwen/Qwen3-8B"), engine=EngineOptions(version="0.5.31"))
    endpoint = EndpointRequest(name="e", instances=(GpuInstance.P5_4XLARGE,), components=(component,))
    plan = plan_fleet(FleetRequest(environment="x", region="us-east-1", endpoints=(endpoint,)))
    assert (
        "endpoints.e.components.c: SGLang 0.5.31: no rules of that release are known, those of 0.5.23 are used"
        in plan.warnings
    )


def test_three_of_four_layers_of_llama_4_keep_a_window() -> None:
    memory = planned("meta-llama/Llama-4-Scout-17B-16E-Instruct", "H200-SXM-141GB", 8)
    assert memory.bytes_per_token == pytest.approx(20_889.6)  # 12 layers, and 36 of which the pool keeps 0.8
