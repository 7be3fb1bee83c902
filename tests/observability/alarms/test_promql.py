"""Queries of the alarms over synthetic series, judged by the real Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cdk_sglang.observability.alarms.definition import AlarmDefinition
from cdk_sglang.observability.alarms.definitions import alarm_definitions
from cdk_sglang.spec.alarm_rules import AlarmRules
from tests.observability.alarms.fleets import observed
from tests.observability.alarms.promtool import firing

HERE = '"aws.sagemaker.endpoint.name"="prod-chat","aws.sagemaker.inference_component.name"="prod-chat-llama"'
COPY = f'{HERE},"aws.sagemaker.container.id"="c1","@resource.host.id"="i-1"'
OTHER = HERE.replace("prod-chat-llama", "prod-chat-qwen")
ELSEWHERE = HERE.replace('"prod-chat"', '"dev-chat"')
MODEL = {"model": {"id": "Qwen/Qwen3-8B", "prefix": "weights/llama/"}}


def _alarms(
    rules: AlarmRules | None = None, *, budget: float | None = None, **component: Any
) -> dict[str, AlarmDefinition]:
    definitions = alarm_definitions(
        observed({"llama": component, "qwen": {}}),
        rules or AlarmRules(),
        enrichment=True,
        budget_usd_per_hour=budget,
    )
    return {alarm.construct_id: alarm for alarm in definitions.alarms if alarm.kind.needs_enrichment}


def _on(folder: Path, alarm: AlarmDefinition, series: Mapping[str, str], minute: int) -> list[str]:
    """Return the component of every series that is on at a minute, or its instance where it has none."""
    (found,) = firing(folder, properties=[alarm.properties], series=series, minutes=[minute]).values()
    return [
        labels.get("aws_sagemaker_inference_component_name") or labels.get("_resource_host_id", "?") for labels in found
    ]


def _requests(name: str, bound: str, *phases: tuple[float, int]) -> dict[str, str]:
    """Return a histogram that counts 100 requests a minute: slow shares, each for some minutes, after each other."""
    within, total = [], []
    start_within = start_total = 0.0
    for share, minutes in phases:
        step = 100 * (1 - share)
        within.append(f"{start_within:g}+{step:g}x{minutes - 1}")
        total.append(f"{start_total:g}+100x{minutes - 1}")
        start_within, start_total = start_within + step * minutes, start_total + 100.0 * minutes
    return {
        f'{name}_bucket{{{COPY},le="{bound}"}}': " ".join(within),
        f"{name}_count{{{COPY}}}": " ".join(total),
    }


BURNS: dict[str, tuple[list[tuple[float, int]], dict[int, bool]]] = {
    # slow shares and their minutes; whether it is on at a minute
    "none is slow": ([(0.0, 800)], {400: False, 795: False}),
    "once the budget": ([(0.01, 800)], {400: False, 795: False}),
    "14.4 times and more": ([(0.0, 400), (0.2, 200)], {400: False, 450: True, 595: True}),
    "everything is slow": ([(0.0, 400), (1.0, 60)], {400: False, 410: True, 455: True}),
    "a short spike": ([(0.0, 400), (1.0, 5), (0.0, 200)], {405: False, 410: False, 450: False}),
    "over, and forgotten by the short window": ([(0.0, 400), (0.5, 60), (0.0, 100)], {455: True, 495: False}),
    "seven times, for hours": ([(0.07, 800)], {790: True}),
    "five times, for hours": ([(0.05, 800)], {790: False}),
}


def _burns(**slo: Any) -> list[AlarmDefinition]:
    return [alarm for alarm in _alarms(slo=slo).values() if alarm.kind.id == "latency-burn"]


@pytest.mark.parametrize("name", BURNS)
def test_latency_burns_its_budget_as_the_workbook_says(tmp_path: Path, name: str) -> None:
    phases, expected = BURNS[name]
    series = _requests("sglang:time_to_first_token_seconds", "1.0", *phases)
    properties = [alarm.properties for alarm in _burns(ttft_ms=1000)]
    found = firing(tmp_path, properties=properties, series=series, minutes=list(expected), evaluation="5m")
    assert {minute: bool(labels) for minute, labels in found.items()} == expected


def test_every_spelling_of_a_histogram_is_read(tmp_path: Path) -> None:
    for spelling in ("sglang:time_to_first_token_seconds", "sglang_time_to_first_token_seconds"):
        slow = _requests(spelling, "1", (1.0, 20))
        assert "prod-chat-llama" in _on(tmp_path, _alarms(slo={"ttft_ms": 1000})["TimeToFirstToken-1h-5m"], slow, 19)


def test_a_component_that_sleeps_or_that_nobody_asks_burns_nothing(tmp_path: Path) -> None:
    alarm = _alarms(slo={"ttft_ms": 1000})["TimeToFirstToken-1h-5m"]
    name = "sglang:time_to_first_token_seconds"
    still = {f'{name}_bucket{{{COPY},le="1.0"}}': "5x90", f"{name}_count{{{COPY}}}": "9x90"}
    assert _on(tmp_path, alarm, still, 80) == []
    assert _on(tmp_path, alarm, {}, 80) == []


def test_one_slow_request_of_a_quiet_night_burns_nothing(tmp_path: Path) -> None:
    alarm = _alarms(slo={"ttft_ms": 1000})["TimeToFirstToken-1h-5m"]
    name = "sglang:time_to_first_token_seconds"
    one = {f'{name}_bucket{{{COPY},le="1.0"}}': "5x90", f"{name}_count{{{COPY}}}": "5x80 6x20"}
    assert _on(tmp_path, alarm, one, 83) == []


def test_only_the_components_that_promise_are_watched(tmp_path: Path) -> None:
    alarm = _alarms(slo={"tpot_ms": 40})["TimePerToken-1h-5m"]
    slow = _requests("sglang:request_time_per_output_token_seconds", "0.04", (1.0, 60))
    others = {key.replace("prod-chat-llama", "prod-chat-qwen"): values for key, values in slow.items()}
    assert _on(tmp_path, alarm, slow, 59) == ["prod-chat-llama"]
    assert _on(tmp_path, alarm, others, 59) == []


GAUGES: dict[str, tuple[str, Mapping[str, str], int, list[str]]] = {
    # alarm, series, minute, what is on
    "a queue that stands": (
        "QueueStuck",
        {f"sglang:num_queue_reqs{{{COPY}}}": "3x30", f"sglang:generation_tokens_total{{{COPY}}}": "500x30"},
        20,
        ["prod-chat-llama"],
    ),
    "one copy of two hangs": (
        "QueueStuck",
        {
            f"sglang:num_queue_reqs{{{COPY}}}": "3x30",
            f"sglang:generation_tokens_total{{{COPY}}}": "500x30",
            f"sglang:num_queue_reqs{{{COPY.replace('c1', 'c2')}}}": "3x30",
            f"sglang:generation_tokens_total{{{COPY.replace('c1', 'c2')}}}": "0+500x30",
        },
        20,
        ["prod-chat-llama"],
    ),
    "a queue behind answers that last": (
        "QueueStuck",
        {
            f"sglang:num_queue_reqs{{{COPY}}}": "3x30",
            f"sglang:generation_tokens_total{{{COPY}}}": "500x30",
            f'sglang:realtime_tokens_total{{{COPY},mode="decode"}}': "0+900x30",
        },
        20,
        [],
    ),
    "a queue that moves": (
        "QueueStuck",
        {f"sglang:num_queue_reqs{{{COPY}}}": "3x30", f"sglang:generation_tokens_total{{{COPY}}}": "0+500x30"},
        20,
        [],
    ),
    "nothing waits and nothing is made": (
        "QueueStuck",
        {f"sglang:num_queue_reqs{{{COPY}}}": "0x30", f"sglang:generation_tokens_total{{{COPY}}}": "500x30"},
        20,
        [],
    ),
    "a long queue": ("QueueGrowth", {f"sglang_num_queue_reqs{{{COPY}}}": "20x30"}, 20, ["prod-chat-llama"]),
    "a long queue that was empty once": (
        "QueueGrowth",
        {f"sglang_num_queue_reqs{{{COPY}}}": "20x14 0 20x14"},
        20,
        [],
    ),
    "a long queue of another endpoint": ("QueueGrowth", {f"sglang:num_queue_reqs{{{ELSEWHERE}}}": "99x30"}, 20, []),
    "a full cache while requests wait": (
        "KvPressure",
        {f"sglang:token_usage{{{COPY}}}": "0.97x40", f"sglang:num_queue_reqs{{{COPY}}}": "2x40"},
        35,
        ["prod-chat-llama"],
    ),
    "a full cache and nobody waits": (
        "KvPressure",
        {f"sglang:token_usage{{{COPY}}}": "0.97x40", f"sglang:num_queue_reqs{{{COPY}}}": "0x40"},
        35,
        [],
    ),
    "retractions": (
        "Retractions",
        {f"sglang:num_retracted_requests_total{{{COPY}}}": "0+2x40"},
        35,
        ["prod-chat-llama"],
    ),
    "the first retractions, all at once": (
        "Retractions",
        {f"sglang:num_retracted_requests_total{{{COPY}}}": "_x20 40x20"},
        30,
        ["prod-chat-llama"],
    ),
    "a retraction now and then": (
        "Retractions",
        {f"sglang:num_retracted_requests_total{{{COPY}}}": "0x20 5x20"},
        35,
        [],
    ),
    "an engine that started anew": (
        "EngineRestart",
        {f'sglang:startup_time_seconds{{{COPY},phase="total"}}': "41.5x20 44.2x20"},
        35,
        ["prod-chat-llama"],
    ),
    "an engine that runs on": (
        "EngineRestart",
        {f'sglang:startup_time_seconds{{{COPY},phase="total"}}': "41.5x40"},
        35,
        [],
    ),
    "a launch refused": (
        "InsufficientCapacity",
        {'ice_count{"aws.sagemaker.endpoint.name"="prod-chat"}': "0x20 1x20"},
        30,
        ["?"],
    ),
    "the first launch refused, with which the counter appears": (
        "InsufficientCapacity",
        {'ice_count{"aws.sagemaker.endpoint.name"="prod-chat"}': "_x20 1x20"},
        30,
        ["?"],
    ),
    "the first launch refused, long ago": (
        "InsufficientCapacity",
        {'ice_count{"aws.sagemaker.endpoint.name"="prod-chat"}': "_x20 1x40"},
        50,
        [],
    ),
    "no launch refused": (
        "InsufficientCapacity",
        {'ice_count{"aws.sagemaker.endpoint.name"="prod-chat"}': "4x40"},
        30,
        [],
    ),
    "a hot GPU": ("GpuTemperature", {f'DCGM_FI_DEV_GPU_TEMP{{{COPY},gpu="0"}}': "90x30"}, 20, ["i-1"]),
    "a GPU that was hot for a moment": (
        "GpuTemperature",
        {f'DCGM_FI_DEV_GPU_TEMP{{{COPY},gpu="0"}}': "70x17 90 70x20"},
        18,
        [],
    ),
    "a GPU that stays behind": (
        "GpuSlowSibling",
        {f'DCGM_FI_DEV_GPU_UTIL{{{COPY},gpu="0"}}': "95x40", f'DCGM_FI_DEV_GPU_UTIL{{{COPY},gpu="1"}}': "20x40"},
        30,
        ["prod-chat-llama"],
    ),
    "two GPUs that idle": (
        "GpuSlowSibling",
        {f'DCGM_FI_DEV_GPU_UTIL{{{COPY},gpu="0"}}': "45x40", f'DCGM_FI_DEV_GPU_UTIL{{{COPY},gpu="1"}}': "0x40"},
        30,
        [],
    ),
    "drafts that are refused": (
        "AcceptLength2p5",
        {f"sglang:spec_accept_length{{{COPY}}}": "1.4x90"},
        85,
        ["prod-chat-llama"],
    ),
    "drafts that are taken": ("AcceptLength2p5", {f"sglang:spec_accept_length{{{COPY}}}": "2.8x90"}, 85, []),
    "no speculation to measure": ("AcceptLength2p5", {f"sglang:spec_accept_length{{{COPY}}}": "0x90"}, 85, []),
    "one copy of two": ("CopiesMissing2", {f"sglang:num_running_reqs{{{COPY}}}": "1x40"}, 35, ["prod-chat-llama"]),
    "both copies": (
        "CopiesMissing2",
        {
            f"sglang:num_running_reqs{{{COPY}}}": "1x40",
            f"sglang:num_running_reqs{{{COPY.replace('c1', 'c2')}}}": "1x40",
        },
        35,
        [],
    ),
    "a copy that starts": ("CopiesMissing2", {f"sglang:num_running_reqs{{{COPY}}}": "_x30 1x9"}, 38, []),
    "all copies asleep": ("CopiesMissing2", {}, 35, []),
    "four dear instances": (
        "CostOverBudget",
        {
            f'DCGM_FI_DEV_GPU_UTIL{{{HERE},gpu="0","@resource.host.id"="i-{n}","@resource.host.type"="ml.g6e.12xlarge"}}': "5x60"
            for n in range(4)
        },
        50,
        ["?"],
    ),
    "one instance": (
        "CostOverBudget",
        {
            f'DCGM_FI_DEV_GPU_UTIL{{{HERE},gpu="0","@resource.host.id"="i-1","@resource.host.type"="ml.g6e.12xlarge"}}': "5x60"
        },
        50,
        [],
    ),
}


@pytest.mark.parametrize("name", GAUGES)
def test_an_alarm_is_on_for_what_it_means_and_for_nothing_else(tmp_path: Path, name: str) -> None:
    alarm, series, minute, expected = GAUGES[name]
    alarms = _alarms(budget=30, slo={"accept_length": 2.5}, copies=2)
    assert _on(tmp_path, alarms[alarm], series, minute) == expected


def test_latency_above_the_plan_counts_only_at_the_planned_load(tmp_path: Path) -> None:
    alarms = _alarms(AlarmRules(plan_band=True), **MODEL)
    name = "sglang:time_to_first_token_seconds"
    slow = {f"{name}_sum{{{COPY}}}": "0+1000x90", f"{name}_count{{{COPY}}}": "0+10x90"}
    for running, queued, expected in ((4, 0, 1), (4000, 0, 0), (4, 4000, 0)):
        load = {"sglang:num_running_reqs": running, "sglang:num_queue_reqs": queued}
        series = {**slow, **{f"{gauge}{{{COPY}}}": f"{value}x90" for gauge, value in load.items()}}
        assert len(_on(tmp_path, alarms["PlanBand-llama"], series, 85)) == expected
    burst = {
        f"{name}_sum{{{COPY}}}": "0+1x60 60+1000x9 9070+1x20",
        f"{name}_count{{{COPY}}}": "0+10x90",
        f"sglang:num_running_reqs{{{COPY}}}": "4x90",
        f"sglang:num_queue_reqs{{{COPY}}}": "0x90",
    }
    assert _on(tmp_path, alarms["PlanBand-llama"], burst, 75) == [], "ten slow minutes are no hour"
    assert "PlanBand-llama" not in _alarms(**MODEL), "it is off unless asked for"


def test_every_query_is_one_that_prometheus_and_cloudwatch_can_read(tmp_path: Path) -> None:
    alarms = _alarms(AlarmRules(plan_band=True), budget=30, slo={"ttft_ms": 1000, "tpot_ms": 40}, **MODEL).values()
    properties = [alarm.properties for alarm in alarms]
    assert firing(tmp_path, properties=properties, series={}, minutes=[1]) == {1: []}
    for each in properties:
        assert len(each["EvaluationCriteria"]["PromQLCriteria"]["Query"]) <= 10_000
