"""Executions of state machines on the driven clock: waits, retries, task tokens, time-outs, stops, history and events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws.compute import functions
from tests.localcloud.helpers import ROLE, SESSION

Answer = Callable[[dict[str, Any]], Any]


class Machines:
    """State machines whose function is answered by the test, a stand-in for a Lambda function."""

    def __init__(self, clock: Any) -> None:
        self.clock, self.states = clock, SESSION.client("stepfunctions")
        self.calls: list[tuple[float, dict[str, Any]]] = []
        self.answer: Answer = lambda event: event
        iam = SESSION.client("iam")
        role = iam.create_role(RoleName="f", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        SESSION.client("lambda").create_function(
            FunctionName="work", Runtime="python3.12", Role=role, Handler="h.h", Code={"ZipFile": b"-"}
        )

    def run(self, _: Any, event: str) -> functions.Outcome:
        called = json.loads(event)
        self.calls.append((self.clock.now(), called))
        try:
            return functions.Outcome(json.dumps(self.answer(called)))
        except Exception as error:  # noqa: BLE001 -- whatever the stand-in raises is an error of the function
            failure = {"errorMessage": str(error), "errorType": type(error).__name__}
            return functions.Outcome(json.dumps(failure), failed=True)

    def start(self, states: dict[str, Any], *, name: str = "m", run: str = "r1", **more: Any) -> str:
        definition = {"StartAt": next(iter(states)), "States": states} | more
        machine = self.states.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE)
        began = self.states.start_execution(stateMachineArn=machine["stateMachineArn"], name=run, input='{"run": 1}')
        return str(began["executionArn"])

    def end(self, execution: str) -> dict[str, Any]:
        return dict(self.states.describe_execution(executionArn=execution))

    def events(self, execution: str) -> list[str]:
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=execution)
        return [event["type"] for page in pages for event in page["events"]]


@pytest.fixture
def machines(driven: Any) -> Iterator[Machines]:
    machines = Machines(driven)
    before = functions.use_runner(machines.run)
    yield machines
    functions.use_runner(before)


def task(**more: Any) -> dict[str, Any]:
    state = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "OutputPath": "$.Payload"}
    return state | {"Parameters": {"FunctionName": "work", "Payload.$": "$"}} | more


def approval(**more: Any) -> dict[str, Any]:
    parameters = {"FunctionName": "work", "Payload": {"token.$": "$$.Task.Token"}}
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": parameters,
        "End": True,
    } | more


def test_a_wait_lasts_as_long_as_the_clock_says(machines: Machines, driven: Any) -> None:
    execution = machines.start({"Pause": {"Type": "Wait", "Seconds": 600, "Next": "Work"}, "Work": task(End=True)})
    driven.advance(599, step_s=60)
    assert machines.end(execution)["status"] == "RUNNING"
    driven.advance(1)
    ended = machines.end(execution)
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", {"run": 1})
    assert round((ended["stopDate"] - ended["startDate"]).total_seconds()) == 600


def test_a_loop_of_waits_gets_its_seconds_from_the_answer(machines: Machines, driven: Any) -> None:
    seconds = iter([60, 120, 300, 0])
    machines.answer = lambda _: {"wait": next(seconds)}
    again = {"Variable": "$.wait", "NumericGreaterThan": 0, "Next": "Pause"}
    execution = machines.start(
        {
            "Work": task(Next="Again"),
            "Again": {"Type": "Choice", "Choices": [again], "Default": "Done"},
            "Pause": {"Type": "Wait", "SecondsPath": "$.wait", "Next": "Work"},
            "Done": {"Type": "Succeed"},
        }
    )
    driven.advance(480, step_s=10)
    assert machines.end(execution)["status"] == "SUCCEEDED"
    began = machines.calls[0][0]
    assert [round(moment - began) for moment, _ in machines.calls] == [0, 60, 180, 480]


def test_retries_back_off_and_then_the_catcher_runs(machines: Machines, driven: Any) -> None:
    def throttled(_: dict[str, Any]) -> None:
        raise type("Throttled", (Exception,), {})("rate exceeded")

    machines.answer = throttled
    retry = {"ErrorEquals": ["Throttled"], "IntervalSeconds": 10, "BackoffRate": 2, "MaxAttempts": 3}
    catch = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Named"}
    execution = machines.start(
        {
            "Work": task(Retry=[retry], Catch=[catch], End=True),
            "Named": {"Type": "Fail", "Error": "JobFailed", "CausePath": "$.error.Cause"},
        }
    )
    driven.advance(69)
    assert len(machines.calls) == 3
    driven.advance(1)
    began = machines.calls[0][0]
    assert [round(moment - began) for moment, _ in machines.calls] == [0, 10, 30, 70]
    ended = machines.end(execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "JobFailed")
    assert json.loads(ended["cause"]) == {"errorMessage": "rate exceeded", "errorType": "Throttled"}


def test_a_task_token_is_answered_once(machines: Machines) -> None:
    execution = machines.start({"Ask": approval()})
    assert machines.end(execution)["status"] == "RUNNING"
    token = machines.calls[0][1]["token"]
    machines.states.send_task_success(taskToken=token, output='{"approved": true}')
    ended = machines.end(execution)
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", {"approved": True})
    with pytest.raises(ClientError) as error:
        machines.states.send_task_success(taskToken=token, output="{}")
    assert error.value.response["Error"]["Code"] == "TaskTimedOut"
    with pytest.raises(ClientError) as error:
        machines.states.send_task_success(taskToken="another", output="{}")
    assert error.value.response["Error"]["Code"] == "InvalidToken"


def test_a_refused_task_fails_with_error_and_cause(machines: Machines) -> None:
    catch = {"ErrorEquals": ["ApprovalRefused"], "ResultPath": "$.no", "Next": "No"}
    execution = machines.start({"Ask": approval(Catch=[catch]), "No": {"Type": "Pass", "End": True}})
    machines.states.send_task_failure(
        taskToken=machines.calls[0][1]["token"], error="ApprovalRefused", cause="too slow at 32 requests"
    )
    ended = machines.end(execution)
    assert json.loads(ended["output"])["no"] == {"Error": "ApprovalRefused", "Cause": "too slow at 32 requests"}


def test_a_task_that_nobody_answers_times_out_in_a_week(machines: Machines, driven: Any) -> None:
    catch = {"ErrorEquals": ["States.Timeout"], "Next": "Late"}
    execution = machines.start({"Ask": approval(TimeoutSeconds=7 * 86400, Catch=[catch]), "Late": {"Type": "Succeed"}})
    token = machines.calls[0][1]["token"]
    driven.advance(7 * 86400 - 3600, step_s=3600)
    assert machines.end(execution)["status"] == "RUNNING"
    driven.advance(3600, step_s=3600)
    assert machines.end(execution)["status"] == "SUCCEEDED"
    assert "TaskTimedOut" in machines.events(execution)
    with pytest.raises(ClientError) as error:
        machines.states.send_task_success(taskToken=token, output="{}")
    assert error.value.response["Error"]["Code"] == "TaskTimedOut"


def test_a_task_without_a_heartbeat_times_out(machines: Machines, driven: Any) -> None:
    catch = {"ErrorEquals": ["States.ALL"], "Next": "Late"}
    execution = machines.start({"Ask": approval(HeartbeatSeconds=60, Catch=[catch]), "Late": {"Type": "Succeed"}})
    driven.advance(50, step_s=10)
    machines.states.send_task_heartbeat(taskToken=machines.calls[0][1]["token"])
    driven.advance(50, step_s=10)
    assert machines.end(execution)["status"] == "RUNNING"
    driven.advance(20, step_s=10)
    assert machines.end(execution)["status"] == "SUCCEEDED"


@pytest.mark.parametrize("waits", ["in a Wait state", "for a token", "for a retry", "in a branch"])
def test_a_stopped_execution_is_aborted_wherever_it_waits(machines: Machines, waits: str) -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]
    pause = {"Type": "Wait", "Seconds": 600, "End": True}
    if waits == "for a retry":
        machines.answer = lambda _: 1 / 0
    branch = {"StartAt": "P", "States": {"P": pause}}
    state = {
        "in a Wait state": pause,
        "for a token": approval(Catch=catch),
        "for a retry": task(End=True, Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 100}], Catch=catch),
        "in a branch": {"Type": "Parallel", "Branches": [branch], "Catch": catch, "End": True},
    }[waits]
    execution = machines.start({"Here": state, "Caught": {"Type": "Succeed"}})
    machines.states.stop_execution(executionArn=execution, error="Enough", cause="a person stopped it")
    ended = machines.end(execution)
    assert (ended["status"], ended["error"], ended["cause"]) == ("ABORTED", "Enough", "a person stopped it")
    assert machines.events(execution)[-1] == "ExecutionAborted"
    machines.states.stop_execution(executionArn=execution)  # changes nothing
    assert machines.end(execution)["error"] == "Enough"


def test_branches_run_beside_each_other_and_are_joined(machines: Machines, driven: Any) -> None:
    def branch(seconds: int) -> dict[str, Any]:
        states = {"P": {"Type": "Wait", "Seconds": seconds, "Next": "W"}, "W": task(End=True)}
        return {"StartAt": "P", "States": states}

    execution = machines.start({"Both": {"Type": "Parallel", "Branches": [branch(60), branch(90)], "End": True}})
    driven.advance(89)
    assert machines.end(execution)["status"] == "RUNNING"
    driven.advance(1)
    assert json.loads(machines.end(execution)["output"]) == [{"run": 1}, {"run": 1}]


def test_a_state_machine_has_a_time_out_of_its_own(machines: Machines, driven: Any) -> None:
    execution = machines.start({"Pause": {"Type": "Wait", "Seconds": 600, "End": True}}, TimeoutSeconds=100)
    driven.advance(99)
    assert machines.end(execution)["status"] == "RUNNING"
    driven.advance(1)
    ended = machines.end(execution)
    assert ended["status"] == "TIMED_OUT"
    assert ended["stopDate"] > ended["startDate"]


def test_the_history_has_pages_in_both_directions(machines: Machines, driven: Any) -> None:
    execution = machines.start(
        {f"S{number}": {"Type": "Pass", "Next": f"S{number + 1}"} for number in range(80)}
        | {"S80": {"Type": "Wait", "Seconds": 5, "End": True}}
    )
    driven.advance(5)
    first = machines.states.get_execution_history(executionArn=execution)
    assert len(first["events"]) == 100
    rest = machines.states.get_execution_history(executionArn=execution, nextToken=first["nextToken"])
    assert "nextToken" not in rest
    assert rest["events"][-1]["type"] == "ExecutionSucceeded"
    newest = machines.states.get_execution_history(executionArn=execution, reverseOrder=True, maxResults=1)
    assert newest["events"][0] == rest["events"][-1]
    assert (rest["events"][-1]["timestamp"] - first["events"][0]["timestamp"]).total_seconds() == pytest.approx(
        5, abs=1
    )


def test_executions_are_listed_newest_first_in_pages_and_by_status(machines: Machines, driven: Any) -> None:
    pause = {"Pause": {"Type": "Wait", "Seconds": 600, "End": True}}
    first = machines.start(pause, run="older")
    machine = machines.end(first)["stateMachineArn"]
    driven.advance(10)
    machines.states.start_execution(stateMachineArn=machine, name="newer")
    pages = machines.states.get_paginator("list_executions").paginate(
        stateMachineArn=machine, statusFilter="RUNNING", PaginationConfig={"PageSize": 1}
    )
    assert [run["name"] for page in pages for run in page["executions"]] == ["newer", "older"]
    driven.advance(590)
    running = machines.states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]
    assert [run["name"] for run in running] == ["newer"]


def rule(pattern: dict[str, Any], **target: Any) -> None:
    events = SESSION.client("events")
    function = SESSION.client("lambda").get_function(FunctionName="work")["Configuration"]["FunctionArn"]
    events.put_rule(Name="ends", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="ends", Targets=[{"Id": "f", "Arn": function} | target])


def test_a_rule_gives_the_end_of_an_execution_to_a_function(machines: Machines, driven: Any) -> None:
    rule(
        {
            "source": ["aws.states"],
            "detail-type": ["Step Functions Execution Status Change"],
            "detail": {"status": ["FAILED", "ABORTED", "TIMED_OUT"]},
        }
    )
    stopped = machines.start({"Pause": {"Type": "Wait", "Seconds": 5, "End": True}})
    fine = {"Type": "Succeed"}
    machines.start({"Fine": fine}, name="other")
    machines.states.stop_execution(executionArn=stopped)
    driven.advance(1)
    ((_, event),) = machines.calls
    assert event["detail-type"] == "Step Functions Execution Status Change"
    assert event["resources"] == [event["detail"]["executionArn"]] == [stopped]
    assert event["detail"]["status"] == "ABORTED"
    assert event["detail"]["input"] == '{"run": 1}'
    assert event["detail"]["stopDate"] >= event["detail"]["startDate"]


def test_a_target_gets_the_part_of_the_event_that_it_asked_for(machines: Machines, driven: Any) -> None:
    template = '{"status": "<status>", "run": "<name>"}'
    paths = {"status": "$.detail.status", "name": "$.detail.name"}
    rule({"source": ["aws.states"], "detail": {"status": ["SUCCEEDED"]}}, InputTransformer={"InputPathsMap": paths, "InputTemplate": template})  # fmt: skip
    machines.start({"Fine": {"Type": "Succeed"}})
    driven.advance(1)
    assert [event for _, event in machines.calls] == [{"status": "SUCCEEDED", "run": "r1"}]


def test_a_function_of_a_rule_that_fails_is_tried_again(machines: Machines, driven: Any) -> None:
    machines.answer = lambda _: 1 / 0
    rule({"source": ["aws.states"], "detail": {"status": ["SUCCEEDED"]}})
    machines.start({"Fine": {"Type": "Succeed"}})
    driven.advance(200)
    began = machines.calls[0][0]
    assert [round(moment - began) for moment, _ in machines.calls] == [0, 60, 180]
