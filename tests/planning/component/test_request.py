"""What the planner is told of a component's server options."""

from __future__ import annotations

from typing import Any

import pytest

from cdk_sglang.engine import SglangOptions
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.models import catalogue
from cdk_sglang.planning import EndpointRequest, EngineOptions, FleetRequest, plan_fleet, planned_fraction
from cdk_sglang.planning.component.request import component_request
from cdk_sglang.planning.concurrency import concurrency_limits

QWEN = catalogue("Qwen/Qwen3-8B")


@pytest.mark.parametrize(
    ("options", "engine_options"),
    [
        ({}, {}),
        (
            {"chunked_prefill_size": 2048, "max_prefill_tokens": 8192, "cuda_graph_max_bs": 24},
            {"chunked_prefill_size": 2048, "max_prefill_tokens": 8192, "cuda_graph_max_bs": 24},
        ),
        ({"max_running_requests": 16}, {"max_running_requests": 16}),
        ({"extra": {"cuda_graph_bs_decode": [1, 2, 12]}}, {"cuda_graph_max_bs": 12}),
        ({"extra": {"disable_cuda_graph": True}}, {"decode_graphs": False, "prefill_graphs": False}),
        ({"extra": {"disable_decode_cuda_graph": True}}, {"decode_graphs": False}),
        ({"extra": {"disable_prefill_cuda_graph": True}}, {"prefill_graphs": False}),
        ({"extra": {"cuda_graph_backend_prefill": "disabled"}}, {"prefill_graphs": False}),
        ({"tp_size": 2, "ep_size": 2, "moe_a2a_backend": "deepep"}, {"deepep": True}),
        ({"tp_size": 2, "ep_size": 2, "moe_a2a_backend": "mooncake"}, {"prefill_graphs": False}),
        ({"extra": {"enable_multimodal": True}}, {"multimodal": True}),
        ({"extra": {"language_only": True}}, {"multimodal": False}),
    ],
)
def test_every_option_that_moves_the_engines_share_of_memory_reaches_the_planner(
    options: dict[str, Any], engine_options: dict[str, Any]
) -> None:
    server = SglangOptions.model_validate(options)
    request = component_request("c", QWEN, server, bounds=(1, 1), engine_version="0.5.23")
    assert request.engine == EngineOptions(version="0.5.23", **engine_options)


def test_the_planned_share_of_a_component_is_the_engines_for_its_release() -> None:
    def share(version: str | None, **options: Any) -> float:
        request = component_request("c", QWEN, SglangOptions(**options), bounds=(1, 1), engine_version=version)
        return planned_fraction(request, GpuInstance.G5_XLARGE).planned

    assert (share("0.5.19"), share("0.5.23"), share(None)) == (0.822, 0.684, 0.684)
    assert share("0.5.23", chunked_prefill_size=2048, cuda_graph_max_bs=24) == 0.822
    assert share("0.5.23", mem_fraction_static=0.8) == 0.8


def test_pipeline_stages_reach_the_planner() -> None:
    request = component_request("c", QWEN, SglangOptions(tp_size=2, pp_size=2), bounds=(1, 1))
    assert request.split(4).pipeline == 2


@pytest.mark.parametrize(
    ("options", "engine_options"),
    [
        ({"max_total_tokens": 50_000}, {"max_total_tokens": 50_000}),
        ({"disable_radix_cache": True}, {"radix_cache": False}),
        ({"extra": {"swa_full_tokens_ratio": 0.5}}, {"sliding_ratio": 0.5}),
        ({"extra": {"mamba_full_memory_ratio": 0.5}}, {"state_ratio": 0.5}),
        ({"extra": {"max_mamba_cache_size": 64}}, {"state_slots": 64}),
        ({"extra": {"mamba_radix_cache_strategy": "no_buffer"}}, {"state_strategy": "no_buffer"}),
    ],
)
def test_every_option_that_moves_the_pool_reaches_the_planner(
    options: dict[str, Any], engine_options: dict[str, Any]
) -> None:
    request = component_request("c", QWEN, SglangOptions.model_validate(options), bounds=(1, 1))
    assert request.engine == EngineOptions(**engine_options)


def test_the_format_of_the_cache_is_the_engines_choice_unless_it_is_given() -> None:
    formats = [
        component_request("c", QWEN, SglangOptions.model_validate(options), bounds=(1, 1)).kv_dtype
        for options in ({}, {"kv_cache_dtype": "auto"}, {"kv_cache_dtype": "bfloat16"}, {"kv_cache_dtype": "fp8_e4m3"})
    ]
    assert formats == [None, None, "bf16", "fp8"]


def test_a_model_that_makes_embeddings_generates_no_tokens() -> None:
    server = SglangOptions(extra={"is_embedding": True})
    request = component_request("c", catalogue("Qwen/Qwen3-Embedding-0.6B"), server, bounds=(1, 1))
    assert (request.generates, request.output_tokens) == (False, 1)
    request = component_request("c", QWEN, SglangOptions(), bounds=(1, 1))
    assert (request.generates, request.output_tokens) == (True, 256)


def test_replicas_inside_a_copy_take_their_gpus_and_share_its_requests() -> None:
    options = {"tp_size": 2, "context_length": 8192}
    one, two = (
        component_request("c", QWEN, SglangOptions(**options, dp_size=replicas), bounds=(1, 1)) for replicas in (1, 2)
    )
    assert (two.split_of(2).gpus, two.split_of(2).tensor) == (4, 2)
    plans = []
    for request in (one, two):
        endpoint = EndpointRequest(name="e", instances=(GpuInstance.G6E_12XLARGE,), components=(request,))
        plans.append(plan_fleet(FleetRequest(environment="x", region="us-east-1", endpoints=(endpoint,))))
    single, double = (plan.endpoints[0].components[0] for plan in plans)
    assert (single.gpus, double.gpus) == (2, 4)
    assert single.memory == double.memory
    assert double.requests_at_context == 2 * single.requests_at_context
    limits = [
        concurrency_limits(request, GpuInstance.G6E_12XLARGE, gpus=gpus).cache for request, gpus in ((one, 2), (two, 4))
    ]
    assert limits[1] == 2 * limits[0]
