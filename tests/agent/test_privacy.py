"""No word of a patient's in spans, log lines, errors or keys of a full run under `opentelemetry-instrument`; the collector is a stand-in."""

from __future__ import annotations

import json

from tests.agent.conftest import World
from tests.agent.gateway_stand_in import ANA, BRUNO
from tests.agent.model_stand_in import Answer

SEEDED = (
    "Quillfeather",
    "Osterhagen",
    "zorbicillin",
    "1961-04-30",
    str(ANA["patient_id"]),
    str(BRUNO["patient_id"]),
    "plumbago",  # of the user's messages
    "heliotrope",  # of the report
    "vermilion",  # of the model's answers
    "cobalt",  # of texts of errors
    "user-of-the-clinic",
)
USER = {"X-Amzn-Bedrock-AgentCore-Runtime-Custom-User": "user-of-the-clinic"}


def _full_run(world: World, session: str) -> str:
    """Turns with every tool and the faults whose texts quote what was sent; returns what the user saw of the faults."""
    search = Answer(tool=("clinical___patient_search", {"query": "Ana Quillfeather"}))
    report = {
        "patient_id": ANA["patient_id"],
        "format": "markdown",
        "content": "heliotrope",
        "idempotency_key": "12345678",
    }
    hand_over = {"reason": "vermilion", "missing": ["vermilion"]}
    scripts = (
        (search, Answer(tool=("clinical___save_medical_report", report)), Answer("Saved, vermilion.")),
        (Answer(tool=("clinical___patient_search", '{"query": "Quillfeather cobalt')), Answer("vermilion")),
        (Answer(tool=("clinical___patient_search", {"query": "Bruno Osterhagen"})), Answer("vermilion")),
        (Answer(tool=("hand_over_to_clinician", hand_over)),),
        (Answer(tool=("Quillfeather cobalt", {"cobalt": "Quillfeather"})), Answer("vermilion")),
    )
    errors = (
        (Answer(error=(400, "ModelError", "validation error: input 'Quillfeather cobalt'")),),
        (Answer(error=(400, "ValidationError", "Quillfeather cobalt")),),
        (Answer("vermilion", breaks="exception"),),
        (Answer("vermilion", breaks="engine"),),
    )
    for script in scripts:
        world.model.says(*script)
        world.agent.ask("Ana Quillfeather, plumbago", session, headers=USER)
    errors_seen = []
    for script in errors:
        world.model.says(*script)
        errors_seen += world.agent.ask("Ana Quillfeather, plumbago", session, headers=USER).of("error")
    world.gateway.refuses_calls = True
    world.model.says(search)
    errors_seen += world.agent.ask("Ana Quillfeather, plumbago", session, headers=USER).of("error")
    world.memory.down = True
    world.agent.ask("Ana Quillfeather, plumbago", headers=USER)
    return json.dumps(errors_seen)


def test_no_span_log_line_error_or_key_of_a_full_run_has_a_word_of_the_patient(world: World) -> None:
    session = world.agent.session()
    errors = _full_run(world, session)
    exported = world.sink.settled(session, "POST /invocations", "invoke_agent", "chat", "execute_tool").decode(
        "utf-8", "replace"
    )
    printed = world.agent.log.read_text(encoding="utf-8")
    keys = " ".join(world.gateway.bucket.objects)
    places = {"spans and logs": exported, "printed": printed, "errors": errors, "keys": keys}
    assert {name: [word for word in SEEDED if word in text] for name, text in places.items()} == {
        name: [] for name in places
    }
    assert errors.count('"type": "error"') == 5
    assert "reports/" in keys


def test_spans_say_which_model_answered_in_which_session_and_the_engine_gets_the_trace(world: World) -> None:
    session = world.agent.session()
    world.agent.ask("Hello", session)
    (request,) = world.model.requests
    attribute = request.headers["x-amzn-sagemaker-custom-attributes"]
    trace = attribute.removeprefix("traceparent=00-").split("-")[0]
    exported = world.sink.settled(session)
    labels = (
        "cdk_sglang.endpoint",
        "fleet-chat",
        "cdk_sglang.component",
        "fleet-chat-llama",
        "cdk_sglang.adapter",
        "intake-lora",
    )
    assert [
        label for label in (*labels, "session.id", "gen_ai.usage.input_tokens") if label.encode() not in exported
    ] == []
    assert bytes.fromhex(trace) in exported


def test_the_log_has_a_line_for_each_turn_and_none_of_its_words(world: World) -> None:
    world.agent.ask("plumbago")
    lines = [
        json.loads(line) for line in world.agent.log.read_text(encoding="utf-8").splitlines() if '"intake"' in line
    ]
    (last,) = [line["message"] for line in lines if "turn" in line["message"]][-1:]
    assert {name: last[name] for name in ("turn", "tool_calls", "total_tokens")} == {
        "turn": "end_turn",
        "tool_calls": 0,
        "total_tokens": 15,
    }
