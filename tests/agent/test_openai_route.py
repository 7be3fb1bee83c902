"""The second agent process: the OpenAI-compatible path, started as `main.py`, with redaction switched off as a control."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.agent.conftest import World
from tests.agent.gateway_stand_in import ANA
from tests.agent.model_stand_in import Answer, asleep
from tests.agent.otlp_sink import OtlpSink
from tests.agent.process import START_BUDGET_S, agent
from tests.agent.stand_in import StandIn


@pytest.fixture(scope="module")
def second(shared_world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    sink = OtlpSink()
    log = tmp_path_factory.mktemp("openai") / "agent.log"
    with StandIn(sink) as collector:
        variables = shared_world.variables | {
            "CDK_SGLANG_MODEL_API": "openai",
            "AWS_REDACT_SPAN_ATTRIBUTES": "none",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{collector.url}/v1/logs",
        }
        for name in ("OTEL_PYTHON_DISTRO", "OTEL_PYTHON_CONFIGURATOR", "CDK_SGLANG_ANSWER_TOKENS"):
            del variables[name]
        with agent(log, **variables) as process:
            yield replace(shared_world, agent=process, sink=sink, variables=variables)


@pytest.fixture
def openai(world: World, second: World) -> World:
    """The second agent, with the stand-ins that `world` has cleared."""
    return second


def test_a_turn_on_the_openai_path_calls_tools_and_counts_tokens_with_a_new_token_each_time(openai: World) -> None:
    openai.model.says(Answer(tool=("clinical___patient_search", {"query": "Quillfeather"})), Answer("Found → mäh."))
    reply = openai.agent.ask("Ana Quillfeather is here.")
    assert reply.tools == [("patient_search", "started"), ("patient_search", "ended")]
    assert reply.text.strip() == "Found → mäh."
    assert reply.done["usage"]["total_tokens"] == 30
    assert {(body["model"], body["max_tokens"]) for body in openai.model.bodies} == {("", 2048)}  # the default
    tokens = [request.headers["authorization"] for request in openai.model.requests]
    assert all(token.startswith("Bearer sagemaker-api-key-") for token in tokens)
    assert openai.model.requests[0].headers["x-amzn-sagemaker-custom-attributes"].startswith("traceparent=00-")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer("The half of", breaks="silent"), "model_interrupted"),
        (Answer("The half of", breaks="connection"), "model_interrupted"),
        (Answer("The half of", breaks="engine"), "model_interrupted"),
        (Answer(error=(500, "InternalFailure", "x")), "model_failed"),
        (Answer(error=(403, "AccessDeniedException", "x")), "model_forbidden"),
    ],
)
def test_faults_of_the_openai_path_are_told_as_those_of_the_other(openai: World, answer: Answer, code: str) -> None:
    openai.model.says(answer)
    reply = openai.agent.ask("Hello")
    assert reply.error is not None
    assert reply.error[0] == code
    assert len(openai.model.requests) == 1


def test_a_model_that_is_asleep_is_waited_for_on_the_openai_path(openai: World) -> None:
    openai.model.says(asleep(), Answer("Good morning."))
    reply = openai.agent.ask("Hello")
    assert reply.statuses == ["The model is starting, which takes some minutes; your message waits for it."]
    assert reply.text.strip() == "Good morning."


def test_a_session_goes_on_in_another_process_with_its_turns_and_its_patient(world: World, openai: World) -> None:
    session = world.agent.session()
    world.model.says(Answer(tool=("clinical___patient_search", {"query": "Quillfeather"})), Answer("Found."))
    world.agent.ask("Ana Quillfeather is here.", session)
    for word in ("two", "three"):  # more than a page of the memory's
        world.agent.ask(f"Word {word}.", session)
    world.model.says(Answer(tool=("clinical___patient_search", {"query": "Osterhagen"})), Answer("No."))
    reply = openai.agent.ask("And now?", session)
    assert reply.tools[-1] == ("patient_search", "failed")  # the session is about the patient of its first turn
    contents = [message["content"] for message in world.model.bodies[0]["messages"] if message["role"] == "user"]
    assert [text if isinstance(text, str) else text[0]["text"] for text in contents] == [
        "Ana Quillfeather is here.",
        "Word two.",
        "Word three.",
        "And now?",
    ]


def test_another_user_gets_no_turn_of_a_session_from_memory(world: World, openai: World) -> None:
    session = world.agent.session()
    mine, theirs = ({"X-Amzn-Bedrock-AgentCore-Runtime-Custom-User": name} for name in ("a", "b"))
    world.agent.ask("My word is heliotrope.", session, headers=mine)
    world.model.says()
    openai.agent.ask("Which word?", session, headers=theirs)
    assert "heliotrope" not in str(world.model.bodies)


def test_the_words_are_found_where_redaction_is_switched_off(openai: World) -> None:
    """The control of test_privacy: what that test looks for would be seen."""
    session = openai.agent.session()
    openai.model.says(Answer(tool=("clinical___patient_search", {"query": "Quillfeather"})), Answer("vermilion"))
    openai.agent.ask("Ana Quillfeather, plumbago", session)
    exported = openai.sink.settled(session, "execute_tool").decode("utf-8", "replace")
    assert [word for word in ("Quillfeather", str(ANA["patient_id"])) if word not in exported] == []


def test_both_ways_to_start_stay_within_the_time_that_a_runtime_has(world: World, openai: World) -> None:
    ways = {"opentelemetry-instrument main.py": world.agent, "main.py": openai.agent}
    for name, process in ways.items():
        print(
            f"{name}: listens after {process.started_s:.1f} s ({process.cpu_s:.1f} s of processor) of {START_BUDGET_S} s"
        )
    assert (
        max(process.cpu_s for process in ways.values()) < START_BUDGET_S
    )  # other tests may have the processor meanwhile
