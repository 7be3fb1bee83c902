"""How far a run is: steps, times, cost and end, read from an execution's history."""

from __future__ import annotations

import datetime as dt
import io
import json
from typing import Any

import pytest
from rich.console import Console

from cdk_sglang.cli.eagle.show import duration, end_lines, line_of, screen
from cdk_sglang.optimization.progress import STEPS, Progress, progress_of
from cdk_sglang.optimization.steps import GROUPS
from tests.support.eagle import RUN, ended

BEGAN = dt.datetime(2026, 11, 30, 16, 12, tzinfo=dt.UTC)


def at(seconds: float) -> dt.datetime:
    return BEGAN + dt.timedelta(seconds=seconds)


def entered(name: str, seconds: float) -> dict[str, Any]:
    return {"timestamp": at(seconds), "type": "TaskStateEntered", "stateEnteredEventDetails": {"name": name}}


def exited(name: str, seconds: float, state: dict[str, Any]) -> dict[str, Any]:
    details = {"name": name, "output": json.dumps(state)}
    return {"timestamp": at(seconds), "type": "TaskStateExited", "stateExitedEventDetails": details}


def execution(status: str = "RUNNING", **more: Any) -> dict[str, Any]:
    input_json = json.dumps({"run": RUN, "reason": "start"})
    return {"executionArn": "arn:e", "name": RUN, "status": status, "startDate": BEGAN, "input": input_json} | more


def trained() -> list[dict[str, Any]]:
    watch = {"status": "running", "spent_usd": 12.5}
    return [
        entered("begin", 0),
        entered("check_inputs", 1),
        exited("check_inputs", 20, {"run": RUN, "inputs": {"dataset": {"lines": 12034}}}),
        entered("start_training", 21),
        entered("watch_training", 22),
        exited("watch_training", 23, {"run": RUN, "inputs": {"dataset": {"lines": 12034}}, "watch": watch}),
        entered("training_ended", 23),
        entered("wait_training", 24),
        entered("watch_training", 84),
    ]


def test_every_state_that_calls_a_function_belongs_to_a_step() -> None:
    states = {state for states in STEPS.values() for state in states}
    assert {step for group in GROUPS for step in group.steps} <= states


def test_a_run_that_trains_shows_its_step_its_time_and_its_cost() -> None:
    found = progress_of(execution(), trained())
    assert (found.step, found.spent_usd, found.is_running, found.ending) == ("training", 12.5, True, None)
    inputs, training = found.steps
    assert (inputs.note, inputs.seconds(at(500))) == ("12,034 conversations", 20)
    assert (training.calls, training.note, training.seconds(at(121))) == (3, "running, 12.50 $", 100)
    assert line_of(found) == f"{RUN}: training: running, 12.50 $; 12.50 $ so far"


@pytest.mark.parametrize("width", [60, 140])
def test_a_screen_of_any_width_has_every_step(width: int) -> None:
    out = io.StringIO()
    Console(file=out, width=width).print(screen(progress_of(execution(), trained()), at(3723), width=width))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "runs, 1 h 02 min, about 12.50 $ so far" in " ".join(text.split())
    assert "12,034 conversations" in text


def test_the_output_of_an_execution_says_how_it_ended() -> None:
    ending = ended("GateSaidNo", "concurrency 16: slower", "read the report")
    found = progress_of(execution("SUCCEEDED", stopDate=at(9000), output=json.dumps(ending)), trained())
    assert found.ending is not None
    assert (found.ending.state, found.ending.is_good, found.ending.spent_usd) == ("GateSaidNo", True, 33.5)
    assert end_lines(found) == [
        "GateSaidNo: concurrency 16: slower",
        f"report: {ending['report']}",
        "next: read the report",
    ]
    assert found.steps[-1].ended == at(9000)


def test_the_cause_of_a_failed_execution_says_it_too() -> None:
    ending = ended("CeilingReached", "the job was stopped at 200 $", "raise max_usd")
    found = progress_of(execution("FAILED", stopDate=at(90), error="CeilingReached", cause=json.dumps(ending)), [])
    assert found.ending is not None
    assert (found.ending.state, found.ending.is_good, found.ending.reason) == (
        "CeilingReached",
        False,
        ending["reason"],
    )


@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT"])
def test_an_execution_that_was_ended_from_outside_is_said_to_be(status: str) -> None:
    found = progress_of(execution(status, stopDate=at(90)), trained())
    assert found.ending is not None
    assert (found.ending.state, found.ending.spent_usd) == (status, 12.5)
    assert found.ending.next_step.endswith("start again: cdk-sglang eagle start")


def test_a_run_that_a_schedule_started_is_named_by_its_first_step() -> None:
    begun = execution(name="7f3e", input="{}")
    state = {"run": RUN, "reason": "schedule"}
    found: Progress = progress_of(begun, [entered("check_inputs", 1), exited("check_inputs", 2, state)])
    assert (found.run, found.reason) == (RUN, "schedule")
    assert progress_of(begun, []).run == "7f3e"


def test_a_history_without_payload_still_has_steps() -> None:
    bare = {"timestamp": at(2), "type": "TaskStateExited", "stateExitedEventDetails": {"name": "judge"}}
    found = progress_of(execution(), [entered("judge", 1), bare])
    assert (found.step, found.spent_usd, found.steps[0].note) == ("verdict", 0.0, "")


def test_problems_of_the_inputs_are_shown() -> None:
    state = {"inputs": {"state": "InputsRefused", "problems": ["dataset: line 3 is no JSON", "quota is 0"]}}
    found = progress_of(execution(), [entered("check_inputs", 1), exited("check_inputs", 2, state)])
    assert found.steps[0].note == "dataset: line 3 is no JSON; quota is 0"


def test_durations_are_for_people() -> None:
    assert [duration(seconds) for seconds in (5, 65, 3600, 90_000)] == [
        "5 s",
        "1 min 05 s",
        "1 h 00 min",
        "25 h 00 min",
    ]
