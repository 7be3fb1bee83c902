"""What a user of the agent sees when all is well; model, gateway, memory and collector are stand-ins."""

from __future__ import annotations

import json

from tests.agent.conftest import World
from tests.agent.gateway_stand_in import ANA
from tests.agent.model_stand_in import Answer

SEARCH = Answer(tool=("clinical___patient_search", {"query": "Quillfeather"}))
SAVE = Answer(
    tool=(
        "clinical___save_medical_report",
        {
            "patient_id": ANA["patient_id"],
            "format": "markdown",
            "content": "# Reason for visit\nCough",
            "idempotency_key": "12345678",
        },
    )
)


def test_a_turn_finds_the_patient_and_saves_a_report_and_streams_its_answer(world: World) -> None:
    world.model.says(SEARCH, SAVE, Answer("Saved the report for the clinician → mäh."))
    reply = world.agent.ask("Ana Quillfeather coughs since Monday.")
    assert reply.tools == [
        ("patient_search", "started"),
        ("patient_search", "ended"),
        ("save_medical_report", "started"),
        ("save_medical_report", "ended"),
    ]
    assert reply.text.strip() == "Saved the report for the clinician → mäh."
    assert len(reply.of("text")) > 3
    assert reply.done == {
        "type": "done",
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 30, "output_tokens": 15, "total_tokens": 45},
    }
    (report,) = world.gateway.bucket.objects.values()
    assert report["Body"] == b"# Reason for visit\nCough"
    assert "Quillfeather" not in report["Key"]


def test_the_model_is_asked_with_the_system_prompt_and_the_tools_and_for_its_usage(world: World) -> None:
    world.agent.ask("Hello")
    (body,) = world.model.bodies
    assert body["messages"][0]["role"] == "system"
    assert body["messages"][0]["content"].startswith("You are the intake assistant of a clinic.")
    assert body["messages"][1] == {"role": "user", "content": "Hello"}
    names = {tool["function"]["name"] for tool in body["tools"]}
    assert names == {"hand_over_to_clinician", "clinical___patient_search", "clinical___save_medical_report"}
    assert body["tool_choice"] == "auto"
    assert body["stream_options"] == {"include_usage": True}
    assert body["temperature"] == 0


def test_a_session_remembers_its_turns_and_another_session_does_not(world: World) -> None:
    session = world.agent.session()
    world.agent.ask("My word is heliotrope.", session)
    world.agent.ask("Which word?", session)
    world.agent.ask("Which word?")
    texts = [[message["content"] for message in body["messages"][1:]] for body in world.model.bodies]
    assert texts[1] == ["My word is heliotrope.", "Intake finished. ", "Which word?"]
    assert texts[2] == ["Which word?"]


def test_the_same_idempotency_key_gets_the_same_answer_and_nothing_twice(world: World) -> None:
    session = world.agent.session()
    world.model.says(SEARCH, SAVE, Answer("Saved."))
    first = world.agent.ask("Ana Quillfeather coughs.", session, key="request-0001")
    again = world.agent.ask("Ana Quillfeather coughs.", session, key="request-0001")
    assert again.events == first.events
    assert len(world.gateway.calls) == 2
    assert len(world.model.requests) == 3


def test_a_report_has_the_key_of_its_turn_and_not_one_that_the_model_invents(world: World) -> None:
    session = world.agent.session()
    world.model.says(SEARCH, SAVE, Answer("Saved."))
    world.agent.ask("Ana Quillfeather coughs.", session)
    world.model.says(SAVE, Answer("Saved."))
    world.agent.ask("Once more.", session)
    keys = [arguments["idempotency_key"] for name, arguments in world.gateway.calls if name.endswith("report")]
    assert len(set(keys)) == 2
    assert all(len(key) == 40 for key in keys)
    assert len(world.gateway.bucket.objects) == 2


def test_incomplete_inputs_are_handed_over_to_a_clinician(world: World) -> None:
    arguments = {"reason": "Chest pain, and the history is missing.", "missing": ["onset", "medication"]}
    world.model.says(Answer(tool=("hand_over_to_clinician", arguments)))
    reply = world.agent.ask("It hurts.")
    assert reply.of("handover") == [{"type": "handover", **arguments}]
    assert reply.done["stop_reason"] == "handover"
    assert len(world.model.requests) == 1


def test_the_memory_gets_a_finished_turn_as_one_event_of_the_user_and_the_session(world: World) -> None:
    session = world.agent.session()
    world.agent.ask("Word one.", session)
    (event,) = [event for event in world.memory.events if event["sessionId"] == session]
    blob = json.loads(event["payload"][0]["blob"])
    assert [message["content"][0]["text"] for message in blob["messages"]] == ["Word one.", "Intake finished. "]
    assert event["actorId"] == "caller"


def test_a_conversation_longer_than_the_window_is_still_remembered_turn_by_turn(world: World) -> None:
    session = world.agent.session()
    for number in range(23):  # Strands keeps 40 messages
        world.agent.ask(f"Word {number}.", session)
    blobs = [json.loads(event["payload"][0]["blob"]) for event in world.memory.events if event["sessionId"] == session]
    assert [blob["messages"][0]["content"][0]["text"] for blob in blobs] == [f"Word {number}." for number in range(23)]
    assert {len(blob["messages"]) for blob in blobs} == {2}
    assert len(world.model.bodies[-1]["messages"]) < 43


def test_the_runtime_is_healthy(world: World) -> None:
    assert world.agent.ping()["status"] == "Healthy"
