"""The state machine: its steps, its loops, and that every way leads through the clean-up to a named end."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdk_sglang import DraftModel, EagleTraining, NextN, Ngram, Speculative
from cdk_sglang.optimization.steps import APPROVAL_DAYS, BAD_ENDS, GOOD_ENDS, groups_of
from tests.support.pipelines import Pipeline

NOT_OF_A_TASK = {"Promoted", "Failed"}


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """A pipeline with every state: training, and a person to ask."""
    eagle = EagleTraining(dataset="built_in", max_usd=200, approval="required")
    return Pipeline(Speculative(eagle=eagle), asks=True)


@pytest.fixture(scope="module")
def states(pipeline: Pipeline) -> dict[str, Any]:
    return pipeline.states()


def _next(state: dict[str, Any]) -> Iterator[str]:
    yield from (state[key] for key in ("Next", "Default") if key in state)
    yield from (way["Next"] for key in ("Choices", "Catch") for way in state.get(key, ()))


def _reached(states: dict[str, Any], first: str) -> set[str]:
    found, open_ends = set(), [first]
    while open_ends:
        name = open_ends.pop()
        if name not in found:
            found.add(name)
            open_ends += _next(states[name])
    return found


def test_every_step_is_a_state_and_an_entry_of_the_handler(states: dict[str, Any], root: Path) -> None:
    steps = {step for group in groups_of("eagle") for step in group.steps}
    assert {name for name, state in states.items() if state["Type"] == "Task"} == steps
    handler = root / "constructs/cdk_sglang/_runtime/speculative/handler.py"
    entries = {node.name for node in ast.parse(handler.read_text()).body if isinstance(node, ast.FunctionDef)}
    assert steps <= entries


def test_every_named_end_is_reached_through_the_clean_up(states: dict[str, Any]) -> None:
    ends = {name for name, state in states.items() if state["Type"] in {"Succeed", "Fail"}}
    assert ends == {*GOOD_ENDS, *BAD_ENDS}
    assert _reached(states, "clean_up") >= ends
    without = {name: state for name, state in states.items() if name != "clean_up"} | {"clean_up": {}}
    assert not _reached(without, "has_reason") & ends


def test_no_state_is_left_unreached(states: dict[str, Any]) -> None:
    assert _reached(states, "has_reason") == set(states)


def test_an_end_says_what_it_is(states: dict[str, Any]) -> None:
    for name in GOOD_ENDS:
        assert states[name] == {"Type": "Succeed", "OutputPath": "$.ended"}
    for name in BAD_ENDS:
        assert states[name] == {"Type": "Fail", "Error": name, "CausePath": "States.JsonToString($.ended)"}


def test_every_task_retries_what_passes_and_catches_the_rest(states: dict[str, Any]) -> None:
    for name, state in states.items():
        if state["Type"] != "Task":
            continue
        retried = [error for retry in state["Retry"] for error in retry["ErrorEquals"]]
        assert {"Throttled", "Lambda.TooManyRequestsException", "Sandbox.Timedout"} <= set(retried)
        caught = [error for way in state["Catch"] for error in way["ErrorEquals"]]
        assert caught[-1] == "States.ALL"
        if name != "clean_up":
            assert set(caught) >= {*GOOD_ENDS, *BAD_ENDS} - NOT_OF_A_TASK


def test_nobody_is_asked_while_the_gate_costs_money(states: dict[str, Any]) -> None:
    assert states["judge"]["Next"] == "close_gate"
    assert states["close_gate"]["Next"] == "is_faster"
    assert [way["Next"] for way in states["is_faster"]["Choices"]] == ["ask_approval"]
    assert states["is_faster"]["Default"] == "to_GateSaidNo"


def test_a_person_has_a_week_and_silence_is_a_no(states: dict[str, Any]) -> None:
    ask = states["ask_approval"]
    assert ask["Resource"].endswith(":states:::lambda:invoke.waitForTaskToken")
    assert ask["TimeoutSeconds"] == APPROVAL_DAYS * 24 * 3600
    assert ask["Parameters"]["Payload"] == {"token.$": "$$.Task.Token", "state.$": "$"}
    assert ask["Catch"][0] == {
        "ErrorEquals": ["States.Timeout"],
        "ResultPath": "$.error",
        "Next": "to_ApprovalTimedOut",
    }
    assert states["approved"]["Default"] == "to_ApprovalRefused"


def test_a_loop_waits_as_long_as_its_function_says(states: dict[str, Any]) -> None:
    waits = {name: (state["SecondsPath"], state["Next"]) for name, state in states.items() if state["Type"] == "Wait"}
    assert waits == {
        "wait_training": ("$.watch.wait_seconds", "watch_training"),
        "wait_gate_open": ("$.gate.wait_seconds", "watch_gate_open"),
        "wait_gate": ("$.bench.wait_seconds", "run_gate"),
        "wait_promotion": ("$.promotion.wait_seconds", "watch_promotion"),
    }


@pytest.mark.parametrize(
    ("speculative", "absent"),
    [
        (Speculative(draft=DraftModel(s3="s3://drafts/llama/")), {"start_training", "watch_training"}),
        (Speculative(ngram=Ngram()), {"start_training", "watch_training", "read_draft", "assemble"}),
    ],
)
def test_a_pipeline_has_the_steps_of_its_kind_alone(speculative: Speculative, absent: set[str]) -> None:
    pipeline = Pipeline(speculative)
    steps = {step for group in groups_of("eagle") for step in group.steps} - {"ask_approval"} - absent
    tasks = {name for name, state in pipeline.states().items() if state["Type"] == "Task"}
    assert tasks == steps == set(pipeline.pipeline.functions)


def test_a_draft_of_prediction_layers_needs_a_model_that_has_them() -> None:
    with pytest.raises(ValueError, match=r"has no layers that predict further tokens"):
        Pipeline(Speculative(nextn=NextN()))


def test_an_execution_ends_after_what_it_may_take(pipeline: Pipeline) -> None:
    (machine,) = pipeline.own("AWS::StepFunctions::StateMachine").values()
    text = machine["DefinitionString"]["Fn::Join"][1][-1]
    assert json.loads("{" + text[text.index('"TimeoutSeconds"') :])["TimeoutSeconds"] == (24 + 168 + 48 + 10) * 3600
