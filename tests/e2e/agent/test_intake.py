"""From the question to the report, through the command line: the model is a scripted stand-in, all else is what a deployment has.

The tests share one deployment. What the agent does in each fault is in tests/agent; here is what its user sees.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from cdk_sglang.agents.patients import synthetic_patients
from localcloud.aws import faults
from localcloud.aws.agents.store import stores
from localcloud.scripted import Answer, clinical_intake
from tests.e2e.agent.conftest import ROOT, AgentFleet, events
from tests.localcloud.helpers import eventually

pytestmark = pytest.mark.timeout(600)

PATIENTS = synthetic_patients(40)
NAMES = [str(patient["name"]) for patient in PATIENTS]
PATIENT = next(patient for patient in PATIENTS if NAMES.count(str(patient["name"])) == 1)
OTHER = next(patient for patient in PATIENTS if NAMES.count(str(patient["name"])) == 1 and patient is not PATIENT)
QUESTION = f"Please look up {PATIENT['name']} and save an intake report: headache for three days."


def ask(fleet: AgentFleet, prompt: str, *words: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, events and stderr of one question."""
    done = fleet.command("invoke", prompt, "--env", "e2e", "--json", *words)
    return done.returncode, events(done), done.stderr


def first_calls(tool: str, arguments: Any) -> Any:
    """A script whose first answer in a turn calls a tool, and whose second says how that went."""

    def script(body: dict[str, Any]) -> Answer:
        last = body["messages"][-1]
        if last["role"] == "user":
            return "tool", (f"clinical___{tool}", arguments)
        return "text", "That did not work."

    return script


@contextmanager
def fault(name: str, target: str, times: int | None = None) -> Iterator[None]:
    faults.inject(name, target=target, times=times)
    try:
        yield
    finally:
        faults.clear()


class TestIntake:
    def test_a_question_becomes_a_search_a_report_in_the_bucket_and_a_streamed_answer(self, fleet: AgentFleet) -> None:
        before = fleet.reports().keys()
        code, events, _ = ask(fleet, QUESTION)
        tools = [(event["name"], event["state"]) for event in events if event["type"] == "tool"]
        answer = "".join(event["text"] for event in events if event["type"] == "text")

        assert code == 0
        assert tools == [
            ("patient_search", "started"),
            ("patient_search", "ended"),
            ("save_medical_report", "started"),
            ("save_medical_report", "ended"),
        ]
        assert answer.startswith("The intake is finished. The report ")
        assert sum(event["type"] == "text" for event in events) > 3  # streamed, not sent at once
        assert events[-1]["type"] == "done"
        ((key, report),) = [(key, text) for key, text in fleet.reports().items() if key not in before]
        assert "headache for three days" in report
        assert key.removesuffix(".md").rpartition("/")[2] in answer
        assert PATIENT["patient_id"] not in key
        offered = {tool["function"]["name"] for tool in fleet.model.requests[0]["tools"]}
        assert offered >= {"clinical___patient_search", "clinical___save_medical_report"}

    def test_no_name_and_no_word_of_the_user_is_in_any_log(self, fleet: AgentFleet) -> None:
        ask(fleet, QUESTION)
        text = fleet.logs()

        assert '"turn": "end_turn"' in text
        assert "save_medical_report" in text  # the tools' own line: tool, outcome, milliseconds
        for word in (PATIENT["name"], str(PATIENT["name"]).split()[1], PATIENT["patient_id"], "headache"):
            assert str(word) not in text

    def test_every_panel_of_its_dashboard_has_data(self, fleet: AgentFleet) -> None:
        ask(fleet, QUESTION)
        cloudwatch = fleet.client("cloudwatch")
        body = json.loads(cloudwatch.get_dashboard(DashboardName="e2e_agent")["DashboardBody"])
        panels = [one["properties"] for one in body["widgets"] if one["type"] == "metric"]
        now = dt.datetime.now(tz=dt.UTC)

        def values(row: list[Any]) -> list[float]:
            namespace, name, *pairs, options = row
            dimensions = [{"Name": key, "Value": value} for key, value in zip(pairs[::2], pairs[1::2], strict=True)]
            metric = {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions}
            stat = {"Metric": metric, "Period": options["period"], "Stat": options["stat"]}
            span = {"StartTime": now - dt.timedelta(hours=1), "EndTime": now + dt.timedelta(minutes=10)}
            (found,) = cloudwatch.get_metric_data(MetricDataQueries=[{"Id": "m", "MetricStat": stat}], **span)[
                "MetricDataResults"
            ]
            return list(found["Values"])

        assert len(panels) == 11
        assert [panel["title"] for panel in panels if not any(values(row) for row in panel["metrics"])] == []
        turns = next(panel for panel in panels if panel["title"].startswith("Turns"))
        assert sum(values(turns["metrics"][0])) >= 1

    def test_the_deployed_tools_take_what_the_function_takes(self, fleet: AgentFleet) -> None:
        """Template and function have one source; a property that only one of them has fails here."""
        accepted = json.loads((ROOT / "constructs/cdk_sglang/_runtime/clinical/tools.json").read_text())["tools"]
        control = fleet.client("bedrock-agentcore-control")
        (gateway,) = control.list_gateways()["items"]
        (listed,) = control.list_gateway_targets(gatewayIdentifier=gateway["gatewayId"])["items"]
        target = control.get_gateway_target(gatewayIdentifier=gateway["gatewayId"], targetId=listed["targetId"])
        deployed = target["targetConfiguration"]["mcp"]["lambda"]["toolSchema"]["inlinePayload"]

        def shape(schema: dict[str, Any]) -> Any:
            properties = {name: one["type"] for name, one in schema["properties"].items()}
            return properties, sorted(schema["required"])

        assert [(tool["name"], shape(tool["inputSchema"])) for tool in deployed] == [
            (tool["name"], shape(tool["inputSchema"])) for tool in accepted
        ]

    @pytest.mark.parametrize("columns", [60, 140])
    def test_people_see_the_answer_on_stdout_and_the_rest_on_stderr(self, fleet: AgentFleet, columns: int) -> None:
        done = fleet.command("invoke", QUESTION, "--env", "e2e", columns=columns)

        assert done.returncode == 0
        assert done.stdout.startswith("The intake is finished. The report ")
        assert done.stdout.count("\n") == 1
        assert "patient_search: done\n" in done.stderr
        assert "(go on with --session)" in " ".join(done.stderr.split())
        assert all(len(line) <= columns for line in done.stderr.splitlines())

    def test_a_session_goes_on_and_a_chat_ends_its_own(self, fleet: AgentFleet) -> None:
        session = "ward-7-" + "s" * 30
        ask(fleet, f"Please look up {PATIENT['name']}", "--session", session)
        ask(fleet, "Thank you", "--session", session)
        roles = [message["role"] for message in fleet.model.requests[-1]["messages"]]
        assert roles.count("user") >= 2

        running = {key for state in stores() for key in state.sessions}
        done = fleet.command("chat", "--env", "e2e", text=f"hello\n\n{QUESTION}\n/quit\nnever read\n")
        assert done.returncode == 0
        assert done.stdout.count("I can look a patient up") == 1
        assert "The intake is finished" in done.stdout
        eventually(lambda: {key for state in stores() for key in state.sessions} == running)


class TestFaults:
    """Each row of docs/agent.md's table that needs the gateway, the function or the data plane."""

    def test_a_gateway_that_refuses_is_told_and_ends_the_turn(self, fleet: AgentFleet) -> None:
        with fault("access-denied", "InvokeGateway"):
            code, events, _ = ask(fleet, QUESTION)

        (error,) = [event for event in events if event["type"] == "error"]
        assert code == 1
        assert error["code"] in {"tools_forbidden", "tools_unavailable"}
        assert "nothing was saved" in error["text"].lower()

    def test_a_table_that_is_down_is_a_failed_tool_and_no_traceback(self, fleet: AgentFleet) -> None:
        with fault("access-denied", "dynamodb:*"):
            _, events, _ = ask(fleet, QUESTION)

        assert ("patient_search", "failed") in [
            (event["name"], event["state"]) for event in events if event["type"] == "tool"
        ]
        assert "Traceback" not in fleet.logs()

    def test_memory_that_is_down_is_told_and_the_answer_comes(self, fleet: AgentFleet) -> None:
        with fault("access-denied", "bedrock-agentcore:*Event*"):
            code, events, _ = ask(fleet, "hello")

        assert code == 0
        assert any("memory" in event["text"] for event in events if event["type"] == "status")
        assert any(event["type"] == "text" for event in events)

    def test_a_conversation_survives_its_process_by_memory(self, fleet: AgentFleet) -> None:
        session = "ward-9-" + "s" * 30
        ask(fleet, f"Please look up {PATIENT['name']}", "--session", session)
        for state in stores():
            state.end()
        ask(fleet, "Thank you", "--session", session)

        assert str(PATIENT["name"]) in json.dumps(fleet.model.requests[-1]["messages"])

    @pytest.mark.parametrize(
        ("name", "text"), [("access-denied", "not allowed"), ("throttling", "AWS throttles the request")]
    )
    def test_an_invocation_that_aws_refuses_is_one_line(self, fleet: AgentFleet, name: str, text: str) -> None:
        with fault(name, "InvokeAgentRuntime"):
            done = fleet.command("invoke", "hello", "--env", "e2e")

        assert done.returncode == 1
        assert text in done.stderr
        assert done.stderr.count("\n") == 1

    def test_an_agent_that_dies_within_its_answer_is_told(self, fleet: AgentFleet) -> None:
        def dies(body: dict[str, Any]) -> Answer:
            if body["messages"][-1]["role"] == "tool":
                for state in stores():
                    for session in state.sessions.values():
                        if session.outstanding and session.pid:
                            psutil.Process(session.pid).kill()
            return clinical_intake(body)

        fleet.script = dies
        done = fleet.command("invoke", QUESTION, "--env", "e2e")

        assert done.returncode == 1
        assert "send the message again with --session" in " ".join(done.stderr.split())


class TestUsage:
    def test_wrong_usage_is_exit_code_2(self, fleet: AgentFleet) -> None:
        for words, text in (
            (("invoke", "hello"), "give --env or --runtime-arn, one of them"),
            (("invoke", " ", "--env", "e2e"), "is empty"),
            (("invoke", "hello", "--env", "e2e", "--session", "short"), "5 characters, 33 to 256 are allowed"),
            (("chat", "--env", "No/Where"), "no such file: No/Where.yaml"),
        ):
            done = fleet.command(*words)
            assert done.returncode == 2
            assert text in done.stderr

    def test_an_environment_without_an_agent_names_the_setting(self, fleet: AgentFleet) -> None:
        done = fleet.command("invoke", "hello", "--env", "prod")
        assert done.returncode == 1
        assert "prod: there is no agent in us-east-1" in done.stderr
