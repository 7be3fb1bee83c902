"""What a user of the agent sees if its model does not answer, or not as it should; the model is a stand-in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.agent.conftest import ANSWER_TOKENS, WAKE_SECONDS, World
from tests.agent.model_stand_in import Answer, asleep
from tests.agent.process import no_trace_of

INTERRUPTED = (
    "The model stopped in the middle of its answer, so the text above is not complete. Send the message again."
)
OVERFLOW = "The input (9000 tokens) is longer than the model's context length (8192 tokens)."


def test_a_model_that_is_asleep_is_waited_for_and_the_user_is_told_so(world: World) -> None:
    world.model.says(asleep(), asleep(), Answer("Good morning."))
    reply = world.agent.ask("Hello")
    assert reply.statuses == ["The model is starting, which takes some minutes; your message waits for it."]
    assert reply.text.strip() == "Good morning."
    assert reply.done["stop_reason"] == "end_turn"


def test_a_model_that_does_not_wake_or_throttles_for_ever_ends_the_turn_with_a_sentence_and_the_next_turn_works(
    world: World,
) -> None:
    """Both at once, since each takes seconds of waiting."""
    sessions = {"asleep": world.agent.session(), "throttled": world.agent.session()}
    counts = {"asleep": 0, "throttled": 0}

    def refuse(body: dict[str, Any]) -> Answer:
        word = body["messages"][-1]["content"]
        counts[word] += 1
        return asleep() if word == "asleep" else Answer(error=(400, "ThrottlingException", "Rate exceeded"))

    world.model.rule = refuse
    with ThreadPoolExecutor() as pool:
        replies = dict(zip(sessions, pool.map(world.agent.ask, sessions, sessions.values()), strict=True))
    assert {word: reply.done["stop_reason"] for word, reply in replies.items()} == dict.fromkeys(sessions, "error")
    assert replies["asleep"].error is not None
    assert replies["asleep"].error[0] == "model_asleep"
    assert replies["asleep"].error[1].startswith("The model did not start in the time that a turn may wait.")
    assert 3 <= counts["asleep"] <= 2 + WAKE_SECONDS * 2
    assert replies["throttled"].statuses == ["The model is busy; your message is sent again."]
    assert replies["throttled"].error == (
        "model_throttled",
        "The model is busy and refused the request several times. Nothing was lost; send the message again in a minute.",
    )
    assert counts["throttled"] == 4
    world.model.rule = None
    for session in sessions.values():
        assert world.agent.ask("And now?", session).text.strip() == "Intake finished."


def test_a_throttled_request_is_sent_again_and_the_user_is_told_so(world: World) -> None:
    world.model.says(Answer(error=(400, "ThrottlingException", "Rate exceeded")), Answer("Here."))
    reply = world.agent.ask("Hello")
    assert reply.statuses == ["The model is busy; your message is sent again."]
    assert reply.text.strip() == "Here."


def test_an_engine_whose_queue_is_full_counts_as_throttled(world: World) -> None:
    world.model.says(Answer(error=(503, "ModelError", "The request queue is full.")), Answer("Here."))
    assert world.agent.ask("Hello").statuses == ["The model is busy; your message is sent again."]


def test_an_engine_that_fails_is_not_asked_twice(world: World) -> None:
    world.model.says(Answer(error=(500, "ModelError", "Traceback: Quillfeather")))
    reply = world.agent.ask("Hello")
    assert reply.error == (
        "model_failed",
        "The model failed. It was not asked again, so nothing was done twice; send the message again.",
    )
    assert len(world.model.requests) == 1
    no_trace_of(reply, "Traceback", "Quillfeather")


def test_a_request_that_is_refused_as_it_is_is_not_sent_again(world: World) -> None:
    world.model.says(Answer(error=(400, "ModelError", "validation error: input 'Quillfeather'")))
    reply = world.agent.ask("Hello")
    assert reply.error is not None
    assert reply.error[0] == "model_refused"
    assert len(world.model.requests) == 1
    no_trace_of(reply, "Quillfeather")


@pytest.mark.parametrize("breaks", ["exception", "connection", "engine", "silent"])
def test_an_answer_that_breaks_off_is_called_incomplete_and_not_asked_for_again(world: World, breaks: str) -> None:
    session = world.agent.session()
    world.model.says(Answer("The half of", breaks=breaks))
    reply = world.agent.ask("Hello", session)
    assert reply.text.strip() == "The half of"
    assert reply.error == ("model_interrupted", INTERRUPTED)
    assert reply.done["stop_reason"] == "error"
    assert len(world.model.requests) == 1
    world.agent.ask("Again", session)
    roles = [message["role"] for message in world.model.bodies[-1]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


def test_a_conversation_longer_than_the_context_is_said_to_be_so(world: World) -> None:
    world.model.rule = lambda _: Answer(error=(400, "ModelError", OVERFLOW))
    reply = world.agent.ask("Hello")
    assert reply.error is not None
    assert reply.error[0] == "context_overflow"
    assert "Start a new session, or send a shorter message." in reply.error[1]


def test_a_model_that_the_agent_may_not_use_is_for_the_operator(world: World) -> None:
    world.model.says(
        Answer(error=(403, "AccessDeniedException", "User: arn:aws:sts::123456789012:x is not authorized"))
    )
    reply = world.agent.ask("Hello")
    assert reply.error == ("model_forbidden", "The agent may not use the model. Tell the operator.")
    no_trace_of(reply, "123456789012")


def test_a_component_that_is_not_deployed_is_for_the_operator(world: World) -> None:
    text = "Inference Component arn:aws:sagemaker:us-east-1:123456789012:inference-component/x not found"
    world.model.says(Answer(error=(400, "ValidationError", text)))
    reply = world.agent.ask("Hello")
    assert reply.error == ("model_missing", "The model's component is not deployed. Tell the operator.")
    no_trace_of(reply, "123456789012")


def test_an_answer_that_is_too_long_is_said_to_be_cut(world: World) -> None:
    world.model.says(Answer("Very long", finish="length"))
    reply = world.agent.ask("Hello")
    assert reply.error is not None
    assert reply.error[0] == "answer_cut"
    assert [body["max_tokens"] for body in world.model.bodies] == [ANSWER_TOKENS]


def test_an_empty_answer_is_not_passed_off_as_one(world: World) -> None:
    world.model.says(Answer(""))
    reply = world.agent.ask("Hello")
    assert reply.error == (
        "model_answer",
        "The model gave an empty answer. Send the message again, or word it differently.",
    )
