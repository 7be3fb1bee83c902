"""How many requests in flight per copy scaling aims at."""

from __future__ import annotations

import dataclasses

import pytest

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.models import catalogue
from cdk_sglang.planning import (
    ComponentRequest,
    ConcurrencyLimits,
    Parallelism,
    Slo,
    answer,
    concurrency_limits,
    plan_memory,
    target_concurrency,
)
from cdk_sglang.planning.alternatives import question

LLAMA = ComponentRequest(
    name="llama", facts=catalogue("meta-llama/Llama-3.1-8B-Instruct"), input_tokens=1024, output_tokens=256
)
L40S, H200 = GpuInstance.G6E_12XLARGE, GpuInstance.P5EN_48XLARGE


def test_the_cache_bounds_requests_of_prompt_and_whole_answer() -> None:
    limits = concurrency_limits(LLAMA, L40S, gpus=1)
    memory = plan_memory(LLAMA.facts.architecture, L40S.gpu, Parallelism())
    assert limits.cache == memory.kv_tokens // 1280
    assert limits.target == pytest.approx(0.8 * limits.cache, abs=0.05)
    assert limits.reason == f"the cache holds {limits.cache} requests; 80% of it is the target"


def test_longer_answers_lower_the_target() -> None:
    longer = dataclasses.replace(LLAMA, output_tokens=4096)
    assert target_concurrency(longer, [L40S], gpus=1) < target_concurrency(LLAMA, [L40S], gpus=1) / 3


def test_the_engines_cap_bounds_what_a_large_cache_would_hold() -> None:
    tiny = dataclasses.replace(LLAMA, facts=catalogue("Qwen/Qwen2.5-0.5B"), input_tokens=64, output_tokens=16)
    assert concurrency_limits(tiny, H200, gpus=1).cache == 2048


def test_latency_bounds_the_target_at_the_upper_end_of_the_band() -> None:
    request = dataclasses.replace(LLAMA, slo=Slo(tpot_ms=40))
    limits = concurrency_limits(request, L40S, gpus=1)
    assert limits.latency is not None
    assert 1 <= limits.latency < limits.cache
    last, next_one = answer(
        [question(request, L40S, Parallelism(), concurrency=c) for c in (limits.latency, limits.latency + 1)]
    )
    assert last.tpot_ms is not None
    assert next_one.tpot_ms is not None
    assert last.tpot_ms.high <= 40 < next_one.tpot_ms.high
    assert limits.reason == f"the latency asked is met at up to {limits.latency} requests in flight"


def test_both_latencies_must_be_met() -> None:
    def latency(slo: Slo) -> int:
        found = concurrency_limits(dataclasses.replace(LLAMA, slo=slo), L40S, gpus=1).latency
        assert found is not None
        return found

    first, following = latency(Slo(ttft_ms=1500)), latency(Slo(tpot_ms=60))
    assert latency(Slo(ttft_ms=1500, tpot_ms=60)) == min(first, following)


def test_latency_that_one_request_misses_leaves_a_target_of_one_and_says_so() -> None:
    limits = concurrency_limits(dataclasses.replace(LLAMA, slo=Slo(tpot_ms=1)), L40S, gpus=1)
    assert (limits.latency, limits.target) == (0, 1.0)
    assert "a faster instance does" in limits.reason


def test_an_slo_without_latencies_asks_nothing() -> None:
    assert (
        concurrency_limits(dataclasses.replace(LLAMA, slo=Slo(availability_percent=99.9)), L40S, gpus=1).latency is None
    )


def test_the_options_own_limit_bounds_the_target() -> None:
    limits = concurrency_limits(LLAMA, L40S, gpus=1, max_running_requests=12)
    assert (limits.target, limits.reason) == (12.0, "max_running_requests is 12")


def test_a_pool_takes_the_target_of_its_smallest_type() -> None:
    small = target_concurrency(LLAMA, [L40S], gpus=1)
    assert target_concurrency(LLAMA, [H200], gpus=1) > small
    assert target_concurrency(LLAMA, [H200, L40S], gpus=1) == small


def test_a_model_that_does_not_fit_leaves_a_target_of_one() -> None:
    large = dataclasses.replace(LLAMA, facts=catalogue("Qwen/Qwen3-235B-A22B-FP8"), slo=Slo(tpot_ms=50))
    assert concurrency_limits(large, L40S, gpus=1) == ConcurrencyLimits(cache=0)
    assert target_concurrency(large, [L40S], gpus=1) == 1.0


def test_dp_attention_multiplies_what_the_cache_holds() -> None:
    model = dataclasses.replace(LLAMA, facts=catalogue("deepseek-ai/DeepSeek-R1-0528"), mem_fraction=0.88)
    plain = concurrency_limits(model, H200, gpus=8).cache
    spread = concurrency_limits(dataclasses.replace(model, attention_dp=8), H200, gpus=8).cache
    assert spread > 4 * plain
