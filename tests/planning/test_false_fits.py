"""Components that the planner took and SGLang does not start with its defaults, and what the refusal says to do."""

from __future__ import annotations

import re

import pytest

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.models import catalogue
from cdk_sglang.planning import (
    ComponentRequest,
    EndpointRequest,
    EngineOptions,
    FleetPlan,
    FleetRequest,
    plan_fleet,
)

LEAN = "chunked_prefill_size: 2048 and cuda_graph_max_bs: 24"


def plan(model: str, instance: str, tp_size: int, context: int = 8192, **options: object) -> FleetPlan:
    """Plan one copy on one instance."""
    component = ComponentRequest(
        name="c",
        facts=catalogue(model),
        tp_size=tp_size,
        context_length=context,
        **options,
    )
    endpoint = EndpointRequest(name="e", instances=(GpuInstance.named(instance),), components=(component,))
    return plan_fleet(FleetRequest(environment="x", region="us-east-1", endpoints=(endpoint,)))


def refusal(model: str, instance: str, tp_size: int, context: int = 8192, **options: object) -> str:
    """Return the one problem of a plan."""
    (problem,) = plan(model, instance, tp_size, context, **options).problems
    return problem


FALSE_FITS = [
    ("meta-llama/Llama-3.1-8B-Instruct", "ml.g5.xlarge", 1, LEAN),
    ("meta-llama/Llama-3.1-8B-Instruct", "ml.g6.xlarge", 1, LEAN),
    ("Qwen/Qwen3-8B", "ml.g5.xlarge", 1, LEAN),
    ("Qwen/Qwen3-8B", "ml.g6.xlarge", 1, LEAN),
    ("meta-llama/Llama-3.3-70B-Instruct", "ml.g5.48xlarge", 8, f"mem_fraction_static: 0.79 with {LEAN}"),
    ("openai/gpt-oss-120b", "ml.g5.12xlarge", 4, LEAN),
    ("Qwen/Qwen3-30B-A3B-FP8", "ml.g6.12xlarge", 2, LEAN),
    ("meta-llama/Llama-3.3-70B-Instruct-FP8", "ml.g6.12xlarge", 4, f"mem_fraction_static: 0.83 with {LEAN}"),
    ("Qwen/Qwen3.5-35B-A3B", "ml.p5.4xlarge", 1, "mem_fraction_static: 0.85"),
    ("Qwen/Qwen3-32B", "ml.p4d.24xlarge", 2, "mem_fraction_static: 0.87"),
]


@pytest.mark.parametrize(("model", "instance", "tp_size", "remedy"), FALSE_FITS)
@pytest.mark.parametrize("version", ["0.5.20", "0.5.23", None])
def test_what_the_engine_has_no_room_for_is_refused_with_options_that_make_it_fit(
    model: str, instance: str, tp_size: int, remedy: str, version: str | None
) -> None:
    problem = refusal(model, instance, tp_size, engine=EngineOptions(version=version))
    assert f"does not fit {tp_size} x" in problem
    assert f"; it fits here with {remedy}" in problem
    assert "; nearest fit: ml." in problem
    first = re.split(r", or | \(", problem.split("; it fits here with ")[1])[0]
    options = {name: float(value) for name, value in re.findall(r"(\w+): ([\d.]+)", first)}
    helped = plan(
        model,
        instance,
        tp_size,
        mem_fraction=options.get("mem_fraction_static"),
        engine=EngineOptions(
            version=version,
            chunked_prefill_size=int(options.get("chunked_prefill_size", 0)) or None,
            cuda_graph_max_bs=int(options.get("cuda_graph_max_bs", 0)) or None,
        ),
    )
    assert helped.problems == ()


@pytest.mark.parametrize(
    ("model", "instance"), [("meta-llama/Llama-3.1-8B-Instruct", "ml.g5.xlarge"), ("Qwen/Qwen3-8B", "ml.g6.xlarge")]
)
def test_releases_that_kept_less_for_graphs_still_hold_it(model: str, instance: str) -> None:
    assert plan(model, instance, 1, engine=EngineOptions(version="0.5.19")).problems == ()


@pytest.mark.parametrize(
    ("model", "instance", "tp_size", "context"),
    [
        ("openai/gpt-oss-20b", "ml.g5.2xlarge", 1, 32768),
        ("openai/gpt-oss-120b", "ml.p5.4xlarge", 1, 32768),
        ("openai/gpt-oss-120b", "ml.g6e.12xlarge", 2, 32768),
        ("deepseek-ai/DeepSeek-V3.2", "ml.p5en.48xlarge", 8, 163840),
        ("MiniMaxAI/MiniMax-M2.5", "ml.p5.48xlarge", 4, 32768),
    ],
)
def test_what_starts_is_still_taken(model: str, instance: str, tp_size: int, context: int) -> None:
    assert plan(model, instance, tp_size, context).problems == ()


def test_a_share_that_closes_the_gap_comes_before_another_instance() -> None:
    problem = refusal("deepseek-ai/DeepSeek-R1", "ml.g7e.48xlarge", 8, 65536)
    assert problem.endswith(
        "; it fits here with mem_fraction_static: 0.89 (41.43 $/h per copy); nearest fit: ml.p5en.48xlarge with tp_size 8 (72.80 $/h)"
    )


def test_no_option_is_named_that_does_not_make_it_fit() -> None:
    problem = refusal("Qwen/Qwen3-14B", "ml.g6.xlarge", 1, 40960)
    assert "; nearest fit: ml.g6e.xlarge with tp_size 1" in problem
    assert "fits here" not in problem


def test_what_is_set_already_is_not_advised_again() -> None:
    lean = EngineOptions(chunked_prefill_size=2048, cuda_graph_max_bs=24)
    problem = refusal("meta-llama/Llama-3.3-70B-Instruct-FP8", "ml.g6.12xlarge", 4, engine=lean)
    assert "; it fits here with mem_fraction_static: 0.83, or context_length: 3072 (" in problem
    problem = refusal("Qwen/Qwen3-8B", "ml.g6.xlarge", 1, mem_fraction=0.7)
    assert f"; it fits here with mem_fraction_static: 0.77 with {LEAN}" in problem


def test_dp_attention_is_planned_with_the_room_it_takes() -> None:
    (component,) = plan("Qwen/Qwen3-32B", "ml.p5.48xlarge", 8, attention_dp=8).endpoints[0].components
    assert component.memory.fraction == pytest.approx(0.586)


def test_pipeline_stages_share_the_layers_and_take_their_gpus() -> None:
    (component,) = plan("meta-llama/Llama-3.3-70B-Instruct", "ml.g6e.12xlarge", 2, pp_size=2).endpoints[0].components
    (whole,) = plan("meta-llama/Llama-3.3-70B-Instruct", "ml.g6e.12xlarge", 2).endpoints[0].components
    assert (component.gpus, component.gpus_by_type) == (4, {"ml.g6e.12xlarge": 4})
    assert component.memory.weights_gib < 0.6 * whole.memory.weights_gib


def test_dense_fp8_runs_weight_only_on_ampere_with_a_warning() -> None:
    for model, instance, tp_size in (
        ("Qwen/Qwen3-8B-FP8", "ml.g5.2xlarge", 1),
        ("Qwen/Qwen3-32B-FP8", "ml.g5.12xlarge", 4),
        ("Qwen/Qwen3-32B-FP8", "ml.p4d.24xlarge", 2),
    ):
        fleet_plan = plan(model, instance, tp_size)
        assert fleet_plan.problems == ()
        assert any(
            f"c.model: {model} on {instance}: A1" in line
            and "has no fp8 arithmetic: SGLang keeps fp8 weights as they are and multiplies in bf16" in line
            for line in fleet_plan.warnings
        )


def test_experts_in_fp8_are_refused_on_ampere_and_dense_models_are_named_as_the_difference() -> None:
    problem = refusal("Qwen/Qwen3-30B-A3B-FP8", "ml.p4d.24xlarge", 2)
    assert problem.endswith(
        "A100 has no fp8 arithmetic (compute capability 8.0), and SGLang has no weight-only kernel for experts in fp8 as it has for dense "
        "models; use bf16 or AWQ weights, or a GPU of compute capability 8.9 or newer"
    )
