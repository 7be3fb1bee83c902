"""What the planner is told of a component's server options."""

from __future__ import annotations

from typing import Any

import pytest

from cdk_sglang.engine import SglangOptions
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.models import catalogue
from cdk_sglang.planning import EngineOptions, planned_fraction
from cdk_sglang.planning.component.request import component_request

QWEN = catalogue("Qwen/Qwen3-8B")


@pytest.mark.parametrize(
    ("options", "told"),
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
    options: dict[str, Any], told: dict[str, Any]
) -> None:
    server = SglangOptions.model_validate(options)
    asked = component_request("c", QWEN, server, bounds=(1, 1), engine_version="0.5.23")
    assert asked.engine == EngineOptions(version="0.5.23", **told)


def test_the_planned_share_of_a_component_is_the_engines_for_its_release() -> None:
    def share(version: str | None, **options: Any) -> float:
        asked = component_request("c", QWEN, SglangOptions(**options), bounds=(1, 1), engine_version=version)
        return planned_fraction(asked, GpuInstance.G5_XLARGE).planned

    assert (share("0.5.19"), share("0.5.23"), share(None)) == (0.822, 0.684, 0.684)
    assert share("0.5.23", chunked_prefill_size=2048, cuda_graph_max_bs=24) == 0.822
    assert share("0.5.23", mem_fraction_static=0.8) == 0.8


def test_pipeline_stages_reach_the_planner() -> None:
    asked = component_request("c", QWEN, SglangOptions(tp_size=2, pp_size=2), bounds=(1, 1))
    assert asked.split(4).pipeline == 2
