"""Fleets: what fits, what does not and why, what it costs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.models import catalogue
from cdk_sglang.planning import ComponentRequest, EndpointRequest, FleetRequest, Slo, plan_fleet
from cdk_sglang.planning.export import plan_json
from cdk_sglang.planning.packing import Need, pack, unusable_share
from cdk_sglang.planning.startup import start_up


def fleet(**changes: object) -> FleetRequest:
    """A fleet that fits: 235B on p5en at tp 4, two small models on a pool."""
    qwen = ComponentRequest(
        name="qwen",
        facts=catalogue("Qwen/Qwen3-235B-A22B-FP8"),
        tp_size=4,
        context_length=32768,
        min_copies=2,
        max_copies=4,
        slo=Slo(ttft_ms=1500, tpot_ms=60, at_concurrency=64),
    )
    qwen = dataclasses.replace(qwen, **changes.pop("qwen", {}))
    reasoning = EndpointRequest(name="reasoning", instances=(GpuInstance.P5EN_48XLARGE,), components=(qwen,))
    reasoning = dataclasses.replace(reasoning, **changes.pop("reasoning", {}))
    chat = EndpointRequest(
        name="chat",
        instances=(GpuInstance.G6E_12XLARGE, GpuInstance.G6E_24XLARGE),
        min_instances=0,
        components=(
            ComponentRequest(
                name="gpt",
                facts=catalogue("openai/gpt-oss-20b"),
                tp_size=1,
                context_length=32768,
                min_copies=0,
                max_copies=2,
            ),
            ComponentRequest(
                name="llama", facts=catalogue("meta-llama/Llama-3.2-3B-Instruct"), min_copies=0, max_copies=3
            ),
        ),
    )
    return FleetRequest(environment="prod", region="us-east-2", endpoints=(reasoning, chat), **changes)


def test_a_fleet_that_fits_has_no_problems_and_a_price() -> None:
    plan = plan_fleet(fleet(budget_usd_per_hour=220))
    assert plan.problems == ()
    reasoning, chat = plan.endpoints
    assert (reasoning.instances.low, reasoning.instances.high) == (1, 2)
    assert (chat.instances.low, chat.instances.high) == (0, 2)
    assert plan.usd_per_hour is not None
    assert plan.usd_per_hour.high == pytest.approx(2 * 72.795 + 2 * 18.83)
    assert plan.usd_per_hour.low == pytest.approx(72.795)


def test_tp_8_for_the_235b_model_is_refused_with_the_reason() -> None:
    (problem,) = plan_fleet(fleet(qwen={"tp_size": 8})).problems
    assert problem == (
        "endpoints.reasoning.components.qwen.server.tp_size: Qwen/Qwen3-235B-A22B-FP8 on ml.p5en.48xlarge: expert width 1536 / tp 8 = 192 "
        "is not a multiple of the fp8 weight block 128; use tp 4, or expert parallelism (ep_size 8)"
    )


def test_a_smaller_instance_is_refused_with_the_shortfall_and_the_nearest_fit() -> None:
    plan = plan_fleet(fleet(qwen={"slo": None}, reasoning={"instances": (GpuInstance.G6E_12XLARGE,)}))
    (problem,) = plan.problems
    assert "does not fit 4 x L40S of ml.g6e.12xlarge" in problem
    assert "GiB short per GPU" in problem
    assert "nearest fit: ml.g7e.24xlarge with tp_size 4 (" in problem


def test_every_type_of_a_pool_must_hold_the_component() -> None:
    plan = plan_fleet(
        fleet(qwen={"slo": None}, reasoning={"instances": (GpuInstance.P5EN_48XLARGE, GpuInstance.G5_48XLARGE)})
    )
    assert any("ml.g5.48xlarge" in problem and "does not fit" in problem for problem in plan.problems)
    assert any("A10G has no fp8 arithmetic" in problem for problem in plan.problems)


def test_a_budget_below_the_maximum_is_refused_with_the_parts() -> None:
    (problem,) = plan_fleet(fleet(budget_usd_per_hour=100)).problems
    assert problem.startswith(
        "budget_usd_per_hour: the fleet costs up to 183.25 USD per hour (reasoning 145.59, chat 37.66 as 2 x ml.g6e.24xlarge), 100.00 allowed"
    )


def test_latency_that_even_the_fast_end_of_the_band_misses_is_refused() -> None:
    plan = plan_fleet(fleet(qwen={"slo": Slo(ttft_ms=10, tpot_ms=1)}))
    assert [problem.split(":")[0] for problem in plan.problems] == [
        "endpoints.reasoning.components.qwen.slo.ttft_ms",
        "endpoints.reasoning.components.qwen.slo.tpot_ms",
    ]


def test_the_cheapest_instances_that_are_fast_enough_are_offered() -> None:
    component = plan_fleet(fleet()).endpoints[0].components[0]
    prices = [a.usd_per_hour for a in component.alternatives]
    assert prices == sorted(prices)
    assert all(a.usd_per_hour >= a.usd_per_hour_per_copy for a in component.alternatives)
    assert 1 <= len(prices) <= 3
    assert all(a.tpot_ms.value <= 60 and a.ttft_ms.value <= 1500 for a in component.alternatives)


def test_a_context_beyond_the_models_is_refused() -> None:
    (problem,) = plan_fleet(fleet(qwen={"context_length": 65536, "slo": None})).problems
    assert problem.endswith("context_length: 65536 is beyond the 40960 of Qwen/Qwen3-235B-A22B-FP8; use 40960 or less")


def test_more_copies_than_the_instances_hold_are_refused() -> None:
    (problem,) = plan_fleet(fleet(qwen={"max_copies": 8}, reasoning={"max_instances": 2})).problems
    assert problem.startswith(
        "endpoints.reasoning.capacity.max_instances: 4 instances are needed for the maximum copies, 2 allowed"
    )


def test_a_model_whose_cache_is_unknown_is_refused_with_the_way_out() -> None:
    unknown = catalogue("nvidia/Llama-3_3-Nemotron-Super-49B-v1")
    problems = plan_fleet(fleet(qwen={"facts": unknown, "slo": None, "context_length": None})).problems
    assert any("the config does not describe every layer; give weights and KV bytes by hand" in one for one in problems)


def test_old_and_estimated_prices_warn() -> None:
    plan = plan_fleet(fleet(today=dt.date(2027, 6, 1)))
    assert any(
        "241 days old (2026-10-03); refresh it with: cdk-sglang prices update --region us-east-2" in line
        for line in plan.warnings
    )
    assert any("is an estimate" in line for line in plan.warnings)
    assert not any("days old" in line for line in plan_fleet(fleet()).warnings)


def test_tp_size_is_chosen_when_none_is_asked() -> None:
    assert plan_fleet(fleet(qwen={"tp_size": None})).endpoints[0].components[0].gpus == 2


def test_the_same_plan_is_the_same_json() -> None:
    first, second = plan_json(plan_fleet(fleet())), plan_json(plan_fleet(fleet()))
    assert first == second
    assert json.loads(first)["endpoints"][0]["components"][0]["options"]["context_length"] == 32768


def test_startup_grows_with_the_model_and_stays_in_sagemakers_limits() -> None:
    small, large = start_up(6.4, GpuInstance.G6E_2XLARGE), start_up(2000, GpuInstance.G6E_2XLARGE)
    assert small.from_zero > small.new_copy
    assert (small.startup_timeout, large.download_timeout) == (600, 3600)
    eager = start_up(6.4, GpuInstance.G6E_2XLARGE, prefill_graphs=False)
    assert small.engine - eager.engine == 55  # SGLang's capture of prefills


def test_copies_never_span_instances_and_gaps_are_counted() -> None:
    layouts = pack([Need(name="a", gpus=3), Need(name="b", gpus=3), Need(name="c", gpus=1)], GpuInstance.G6E_12XLARGE)
    assert layouts == (("a", "a", "a", "c"), ("b", "b", "b", ""))
    assert unusable_share(layouts, smallest_copy=2) == pytest.approx(1 / 8)


def test_host_memory_limits_copies_as_gpus_do() -> None:
    needs = [Need(name="a", gpus=1, host_memory_gib=200)] * 4
    assert len(pack(needs, GpuInstance.G6E_12XLARGE)) == 4


@given(st.lists(st.integers(1, 8), max_size=20))
def test_packing_places_every_copy_once(sizes: list[int]) -> None:
    needs = [Need(name=str(index), gpus=size) for index, size in enumerate(sizes)]
    layouts = pack(needs, GpuInstance.P5_48XLARGE)
    placed = [name for layout in layouts for name in layout if name]
    assert all(placed.count(str(index)) == size for index, size in enumerate(sizes))
    assert all(len(layout) == 8 for layout in layouts)
