"""`dtype: float32`: four bytes where the planner counts two otherwise, a reason where SGLang refuses it, and the way back."""

from __future__ import annotations

import pytest

from cdk_sglang import SglangOptions
from cdk_sglang.hardware import Gpu, GpuInstance
from cdk_sglang.models import catalogue
from cdk_sglang.planning import Parallelism
from cdk_sglang.planning.component.request import component_request
from cdk_sglang.planning.formats import format_notes
from cdk_sglang.planning.memory import MemoryPlan, memory_of
from cdk_sglang.planning.refusals import split_problems
from cdk_sglang.planning.remedies import same_instance_remedies

LLAMA, QUANTIZED = "meta-llama/Meta-Llama-3.1-8B", "Qwen/Qwen3-32B-FP8"
L40S = GpuInstance.of("ml.g6e.2xlarge")
ONE = Parallelism()


def planned(dtype: str | None, *, model: str = LLAMA, **options: object) -> MemoryPlan:
    server = SglangOptions(dtype=dtype, **options)
    return memory_of(component_request("llama", catalogue(model), server, bounds=(1, 1)), L40S.gpu, ONE)


@pytest.mark.parametrize("dtype", ["float", "float32"])
def test_weights_and_cache_take_four_bytes_a_value(dtype: str) -> None:
    usual, wide = planned(None), planned(dtype)
    of_loading = usual.weights_gib - 2 * 8.03e9 / 2**30
    assert wide.weights_gib == pytest.approx(2 * usual.weights_gib - of_loading, rel=0.001)
    assert (usual.kv.unbounded, wide.kv.unbounded) == (131_072, 262_144)
    assert (usual.kv_dtype, wide.kv_dtype) == ("bf16", "float32")
    assert planned(dtype, kv_cache_dtype="fp8_e4m3").kv.unbounded == 65_536


@pytest.mark.parametrize("dtype", ["auto", "half", "float16", "bfloat16"])
def test_sixteen_bits_are_what_is_counted_without_a_dtype(dtype: str) -> None:
    assert planned(dtype) == planned(None)


def test_a_model_that_fits_in_sixteen_bits_alone_is_refused_and_told_so() -> None:
    component = component_request(
        "qwen", catalogue("Qwen/Qwen3-14B"), SglangOptions(dtype="float32", context_length=8192), bounds=(1, 1)
    )
    assert memory_of(component, L40S.gpu, ONE).shortfall_gib(8192) > 0
    remedies = same_instance_remedies(component, L40S, ONE, 8192)
    assert remedies[0].setting == "dtype: auto"


def test_the_weights_of_the_checkpoint_stay_as_large_as_they_are_stored() -> None:
    facts = catalogue(LLAMA)
    assert facts.in_float32().weights_gib == facts.weights_gib
    assert facts.in_float32().in_float32(wide=False) == facts


def test_sglang_refuses_it_beside_quantized_weights() -> None:
    wide = catalogue(QUANTIZED).in_float32().architecture
    (problem,) = split_problems(wide, Gpu.of("H100-SXM-80GB"), ONE)
    assert problem.startswith("SGLang refuses dtype: float32 beside fp8 weights")


def test_the_plan_says_what_it_costs() -> None:
    (note,) = format_notes(catalogue(LLAMA).in_float32().architecture, L40S.gpu, ONE)
    assert "twice the memory" in note
    assert "Leave dtype out" in note
    assert not format_notes(catalogue(LLAMA).architecture, L40S.gpu, ONE)
