"""Fleets for a wish: they carry the load within the latency, the cheapest comes first, and where there is none the nearest is named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.models.known_models import catalogue
from cdk_sglang.planning.alternatives import question
from cdk_sglang.planning.predict import answer
from cdk_sglang.planning.proposals import Proposals, propose
from cdk_sglang.planning.wish import Wish


def proposals(model: str = "Qwen/Qwen3-8B", **more: Any) -> Proposals:
    wish: dict[str, Any] = {"requests_per_second": 10, "input_tokens": 1024, "output_tokens": 256}
    wish |= {"context_length": 5120, "region": "us-east-1", **more}
    return propose(Wish(facts=catalogue(model), **wish))


@settings(max_examples=12)  # each tries some 300 configurations
@given(
    model=st.sampled_from(["Qwen/Qwen3-8B", "meta-llama/Llama-3.2-3B-Instruct", "openai/gpt-oss-20b"]),
    rate=st.floats(0.01, 60),
    ttft_ms=st.none() | st.floats(300, 3000),
    tpot_ms=st.none() | st.floats(15, 100),
)
def test_every_proposal_carries_the_load_within_the_latency(
    model: str, rate: float, ttft_ms: float | None, tpot_ms: float | None
) -> None:
    found = proposals(model, requests_per_second=rate, ttft_ms=ttft_ms, tpot_ms=tpot_ms)
    assert (found.problem is None) == bool(found.ranked)
    for one in found.ranked:
        instance = GpuInstance.named(one.instance)
        assert one.requests_per_second >= rate
        assert one.instances * (instance.gpu_count // one.tp_size) >= one.copies
        assert ttft_ms is None or one.ttft_ms.value <= ttft_ms
        assert tpot_ms is None or one.tpot_ms.value <= tpot_ms
        if one.certain:
            assert tpot_ms is None or one.tpot_ms.high <= tpot_ms


def test_the_cheapest_comes_first_and_each_kind_of_gpu_once() -> None:
    ranked = proposals(requests_per_second=3).ranked
    prices = [one.usd_per_hour for one in ranked]
    assert prices == sorted(prices)
    kinds = [GpuInstance.named(one.instance).gpu.name for one in ranked]
    assert len(set(kinds)) == len(kinds) > 3


def test_the_times_are_those_that_the_planner_predicts() -> None:
    first = proposals().ranked[0]
    wish = Wish(
        facts=catalogue("Qwen/Qwen3-8B"),
        requests_per_second=10,
        input_tokens=1024,
        output_tokens=256,
        context_length=5120,
        region="us-east-1",
    )
    split = wish.component.split_of(first.tp_size)
    (prediction,) = answer(
        [question(wish.component, GpuInstance.named(first.instance), split, concurrency=float(first.concurrency))]
    )
    for predicted, proposed in ((prediction.ttft_ms, first.ttft_ms), (prediction.tpot_ms, first.tpot_ms)):
        assert predicted is not None
        assert (predicted.low, predicted.value, predicted.high) == pytest.approx(
            (proposed.low, proposed.value, proposed.high)
        )


def test_twice_the_load_takes_about_twice_the_copies() -> None:
    once, twice = (
        {one.instance: one.copies for one in proposals(requests_per_second=rate).ranked} for rate in (20, 40)
    )
    for instance in once.keys() & twice.keys():
        assert 2 * once[instance] - 1 <= twice[instance] <= 2 * once[instance]


@pytest.mark.parametrize(
    ("wish", "path", "words"),
    [
        ({"ttft_ms": 5, "tpot_ms": 1}, "--ttft-ms", ("no instance type is that fast", "5 ms asked", "1 ms asked")),
        ({"tpot_ms": 1}, "--tpot-ms", ("time per further token 1 ms asked",)),
        ({"budget_usd_per_hour": 1}, "--budget", ("1 $/h is too little", "the cheapest is")),
        ({"requests_per_second": 9000}, "--requests-per-second", ("more than 64 copies",)),
    ],
)
def test_what_cannot_be_had_is_said_with_what_is_nearest(
    wish: dict[str, Any], path: str, words: tuple[str, ...]
) -> None:
    found = proposals(**wish)
    assert found.ranked == ()
    assert found.problem is not None
    assert found.problem.path == path
    for word in words:
        assert word in found.problem.text


def test_a_request_that_no_cache_holds_is_told_from_a_model_that_fits_nowhere() -> None:
    found = proposals("Qwen/Qwen3-235B-A22B-FP8", context_length=9_000_000)
    assert found.problem is not None
    assert found.problem.path == "--context-length"
    assert "some do with 1,280" in found.problem.text


def test_an_instance_type_that_a_region_lacks_is_not_proposed_there() -> None:
    """The g5.12xlarge is documented as absent from ap-southeast-1, and the only one of its family asked for."""
    g5 = GpuInstance.named("ml.g5.12xlarge")
    there, absent = (proposals(instance=g5, region=region) for region in ("us-east-1", "ap-southeast-1"))
    assert {one.instance for one in there.ranked} == {"ml.g5.12xlarge"}
    assert absent.problem is not None
    assert absent.problem.startswith("--instance: ml.g5.12xlarge is documented as not available in ap-southeast-1")


def test_no_more_instances_are_proposed_than_there_are_and_adapters_take_memory() -> None:
    bounded = proposals(requests_per_second=40, instances_max=2)
    assert bounded.ranked
    assert max(one.instances for one in bounded.ranked) <= 2
    many = proposals(requests_per_second=2000, instances_max=2)
    assert many.problem is not None
    assert many.problem.startswith("--count: 2 are too few for the busiest hour, which takes ")
    alone, adapted = (
        proposals(instance=GpuInstance.named("ml.g6e.xlarge"), lora_slots=slots, lora_rank=128) for slots in (0, 64)
    )
    assert alone.ranked
    assert adapted.problem is not None
