"""The LangGraph example on the same stand-ins: the second agent of the gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.agent.gateway_stand_in import ANA, GatewayStandIn
from tests.agent.model_stand_in import COMPONENT, ENDPOINT, Answer, ModelStandIn
from tests.agent.process import AgentProcess, agent
from tests.agent.stand_in import CREDENTIALS, StandIn


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AgentProcess, ModelStandIn, GatewayStandIn]]:
    model, gateway = ModelStandIn(), GatewayStandIn()
    log = tmp_path_factory.mktemp("langgraph") / "agent.log"
    with StandIn(model) as runtime, StandIn(gateway) as tools:
        variables = CREDENTIALS | {
            "CDK_SGLANG_ENDPOINT": ENDPOINT,
            "CDK_SGLANG_COMPONENT": COMPONENT,
            "CDK_SGLANG_GATEWAY_URL": f"{tools.url}/mcp",
            "CDK_SGLANG_MAX_TOOL_CALLS": "3",
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": runtime.url,
        }
        with agent(log, folder="agent/langgraph_example", **variables) as process:
            yield process, model, gateway


def test_the_example_calls_the_same_tools_and_speaks_the_same_events(
    example: tuple[AgentProcess, ModelStandIn, GatewayStandIn],
) -> None:
    process, model, gateway = example
    report = {
        "patient_id": ANA["patient_id"],
        "format": "markdown",
        "content": "text",
        "idempotency_key": "request-0001",
    }
    model.says(
        Answer(tool=("clinical___patient_search", {"query": "Quillfeather"})),
        Answer(tool=("clinical___save_medical_report", report)),
        Answer("Saved → mäh."),
    )
    reply = process.ask("Ana Quillfeather coughs.")
    assert reply.tools == [
        ("patient_search", "started"),
        ("patient_search", "ended"),
        ("save_medical_report", "started"),
        ("save_medical_report", "ended"),
    ]
    assert reply.text.strip() == "Saved → mäh."
    assert reply.done["stop_reason"] == "end_turn"
    assert reply.done["usage"]["total_tokens"] == 45
    assert len(gateway.bucket.objects) == 1


def test_an_error_of_the_example_quotes_nothing(example: tuple[AgentProcess, ModelStandIn, GatewayStandIn]) -> None:
    process, model, _ = example
    model.says(Answer(error=(500, "ModelError", "input 'Quillfeather' is invalid")))
    reply = process.ask("Ana Quillfeather coughs.")
    assert reply.error is not None
    assert reply.error[0] == "internal"
    assert "Quillfeather" not in reply.error[1]
    assert "Quillfeather" not in process.log.read_text(encoding="utf-8")


def test_a_model_that_calls_tools_for_ever_is_stopped(
    example: tuple[AgentProcess, ModelStandIn, GatewayStandIn],
) -> None:
    process, model, gateway = example
    gateway.reset()
    model.rule = lambda _: Answer(tool=("clinical___patient_search", {"query": "Nobody"}))
    reply = process.ask("Search for ever.")
    model.rule = None
    assert reply.done["stop_reason"] == "error"
    assert len(gateway.calls) == 3
