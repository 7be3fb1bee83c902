"""What nobody can plan is not let past a latency or a budget, and a repository names its model."""

from __future__ import annotations

import re
from pathlib import Path

import aws_cdk as cdk
import pytest

from cdk_sglang import ConfigurationError
from cdk_sglang.environments.planning import fleet_request, resolve_fleet
from cdk_sglang.environments.reading import cdk_json_context, parse
from cdk_sglang.planning.export import plan_json
from stacks.fleet import add_fleet

REVISION = "6f6073b423013f6a7d4d9f39144961bfbfbc386b"


def environment(model: str, *, component: str = "", top: str = "", instance: str = "ml.p5en.48xlarge") -> str:
    return f"""
account: "444455556666"
region: us-west-2
network: {{vpc: none}}
alarms: {{none: "a test"}}
{top}
endpoints:
  chat:
    capacity: {{type: {instance}, max_instances: 20}}
    components:
      qwen:
        model: {{{model}}}
        {component}
"""


def problems(text: str) -> list[str]:
    settings = parse(text, source="test.yaml")
    with pytest.raises(ConfigurationError) as error:
        add_fleet(
            cdk.App(context=cdk_json_context()),
            name="test",
            settings=settings,
            source="test.yaml",
            env=cdk.Environment(),
        )
    return list(error.value.problems)


def test_a_repository_is_planned_as_the_model_it_names() -> None:
    text = environment(
        f"hugging_face: Qwen/Qwen3-8B, revision: {REVISION}",
        component="server: {context_length: 4000000}\n        slo: {ttft_ms: 1}\n        copies: 2",
        top="budget_usd_per_hour: 5",
    )
    found = problems(text)
    for path in ("server.context_length", "slo.ttft_ms"):
        assert any(line.startswith(f"test.yaml: endpoints.chat.components.qwen.{path}: ") for line in found), path
    assert any(line.startswith("test.yaml: budget_usd_per_hour: the fleet costs up to ") for line in found)


def test_each_refusal_is_said_once_though_plan_and_library_both_ask() -> None:
    text = environment(
        f"hugging_face: Qwen/Qwen3-235B-A22B, revision: {REVISION}",
        component="server: {context_length: 8192}",
        instance="ml.g6e.4xlarge",
    )
    (line,) = problems(text)
    assert (
        "endpoints.chat.components.qwen.server.tp_size: Qwen/Qwen3-235B-A22B with context_length 8192 does not fit"
        in line
    )


UNKNOWN = {
    f"hugging_face: acme/own, revision: {REVISION}": (
        "the catalogue does not know acme/own; add it with: cdk-sglang models add acme/own, or give the id of a catalogue model of the "
        "same architecture as model.id (cdk-sglang models list)"
    ),
    "prefix: weights/own/": (
        "model has no id; give the id of a catalogue model of the same architecture as model.id (cdk-sglang models list)"
    ),
    "s3: s3://models/own/": (
        "model has no id; give the id of a catalogue model of the same architecture as model.id (cdk-sglang models list)"
    ),
}


@pytest.mark.parametrize("model", UNKNOWN)
def test_latency_of_a_model_that_nobody_knows_cannot_be_asked(model: str) -> None:
    assert problems(environment(model, component="slo: {ttft_ms: 500}")) == [
        f"test.yaml: endpoints.chat.components.qwen.slo: cannot be checked, since {UNKNOWN[model]}"
    ]


@pytest.mark.parametrize("model", UNKNOWN)
def test_a_budget_holds_the_instances_of_a_model_that_nobody_knows(model: str) -> None:
    (line,) = problems(environment(model, component="copies: 9", top="budget_usd_per_hour: 100"))
    assert re.match(
        r"test\.yaml: budget_usd_per_hour: the fleet costs up to 1[0-9]{2}\.[0-9]{2} USD per hour \(chat ", line
    )


@pytest.mark.parametrize("model", UNKNOWN)
def test_without_latency_and_budget_an_unknown_model_is_named_as_not_planned(model: str) -> None:
    settings = parse(environment(model), source="test.yaml")
    add_fleet(
        cdk.App(context=cdk_json_context()), name="test", settings=settings, source="test.yaml", env=cdk.Environment()
    )
    assert resolve_fleet(settings, name="test").unplanned == ["chat.qwen"]


def test_an_own_model_is_planned_as_the_architecture_that_is_given() -> None:
    text = environment(
        f"hugging_face: acme/own, revision: {REVISION}, id: Qwen/Qwen3-8B", component="slo: {ttft_ms: 5000}"
    )
    settings = parse(text, source="test.yaml")
    fleet = resolve_fleet(settings, name="test")
    assert not fleet.unplanned
    (endpoint,) = fleet.plan.endpoints
    assert endpoint.components[0].model == "Qwen/Qwen3-8B"


def test_a_model_that_options_would_make_fit_is_refused_once_with_those_options() -> None:
    build = 'image: {build: {unpinned: "a test"}}'
    (line,) = problems(
        environment(
            "id: Qwen/Qwen3-8B, prefix: weights/qwen/",
            top=build,
            instance="ml.g5.xlarge",
            component="server: {context_length: 8192}",
        ).replace("max_instances: 20", "max_instances: 1")
    )
    assert "does not fit 1 x A10G of ml.g5.xlarge" in line
    assert "it fits here with chunked_prefill_size: 2048 and cuda_graph_max_bs: 24" in line


def test_the_plan_shows_why_a_model_is_deployed_that_does_not_fit() -> None:
    text = environment(
        f"hugging_face: Qwen/Qwen3-235B-A22B, revision: {REVISION}",
        component='server: {context_length: 8192}\n        fit_check: {none: "measured with offloading"}',
        instance="ml.g6e.4xlarge",
    )
    plan = resolve_fleet(parse(text, source="test.yaml"), name="test").plan
    assert not plan.problems
    path = "endpoints.chat.components.qwen"
    assert f"{path}: whether it fits is not checked: measured with offloading" in plan.warnings
    assert any(line.startswith(f"{path}.server.tp_size: Qwen/Qwen3-235B-A22B with") for line in plan.warnings)
    assert "whether it fits is not checked" in plan_json(plan)


def test_instances_are_counted_for_models_that_nobody_knows_too() -> None:
    text = environment("prefix: weights/own/", component="copies: 9").replace("max_instances: 20", "max_instances: 1")
    assert problems(text) == [
        (
            "test.yaml: endpoints.chat.capacity.max_instances: 2 instances are needed for all copies, 1 allowed; raise it to 2, lower "
            "copies, or use an instance with more than 8 GPUs"
        )
    ]


def test_a_size_that_the_engine_refuses_is_told_without_the_instances_that_it_would_need() -> None:
    text = environment(
        "id: Qwen/Qwen3-8B, prefix: weights/q/",
        component="server: {tp_size: 3}\n        copies: 9",
        instance="ml.g6e.12xlarge",
    ).replace("max_instances: 20", "max_instances: 1")
    (line,) = problems(text)
    assert "tp 3 does not divide 32 attention heads; use one of 1, 2, 4" in line
    assert resolve_fleet(parse(text, source="test.yaml"), name="test").problems == (line.removeprefix("test.yaml: "),)


def test_a_repository_that_nobody_knows_is_told_at_the_model_where_scaling_needs_its_plan() -> None:
    (line,) = problems(
        environment(
            f"hugging_face: nobody/unknown, revision: {REVISION}", component="scaling: {min_copies: 1, max_copies: 2}"
        )
    )
    assert line == (
        "test.yaml: endpoints.chat.components.qwen.model.hugging_face: the catalogue does not know nobody/unknown; add it with: cdk-sglang "
        "models add nobody/unknown, or give the id of a catalogue model of the same architecture as model.id (cdk-sglang models list); or "
        "give the requests in flight, which the plan cannot: scaling.concurrency: 16"
    )


def test_the_command_line_counts_instances_of_unknown_models_as_the_synth_does(tmp_path: Path) -> None:
    text = environment("prefix: weights/own/", component="copies: 9").replace("max_instances: 20", "max_instances: 1")
    (tmp_path / "test.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match="2 instances are needed for all copies, 1 allowed"):
        fleet_request("test", folder=tmp_path)
