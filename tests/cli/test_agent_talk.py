"""`cdk-sglang agent invoke|chat`: what is shown of an agent's events. The agent is a stand-in in the place of boto3's client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from cdk_sglang.cli.agent import conversation, invoke
from cdk_sglang.cli.main import app

ARN = "arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/dev_agent-0123456789"
DONE = {"type": "done", "stop_reason": "end_turn", "usage": {"total_tokens": 1234}}


class Body:
    """A streamed answer."""

    def __init__(self, lines: list[Any], *, ends: BaseException | None = None) -> None:
        self.closed = False
        self._lines, self._ends = lines, ends

    def iter_lines(self, chunk_size: int) -> Iterator[bytes]:
        assert chunk_size == 1  # a larger chunk would hold events back
        for line in self._lines:
            yield f"data: {line if isinstance(line, str) else json.dumps(line)}".encode()
            yield b""
        if self._ends is not None:
            raise self._ends

    def read(self) -> bytes:
        return "".join(self._lines).encode()

    def close(self) -> None:
        self.closed = True


class Core:
    """Stands for the client of bedrock-agentcore."""

    def __init__(self, *answers: Body, kind: str = "text/event-stream; charset=utf-8") -> None:
        self.answers = list(answers)
        self.kind = kind
        self.requests: list[dict[str, Any]] = []
        self.stopped: list[str] = []

    def invoke_agent_runtime(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        return {"response": self.answers[len(self.requests) - 1], "contentType": self.kind}

    def stop_runtime_session(self, **request: Any) -> None:
        self.stopped.append(request["runtimeSessionId"])


Run = Callable[..., Any]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    def call(core: Core, *words: str, text: str | None = None) -> Any:
        monkeypatch.setattr(conversation, "client", lambda *_, **__: core)
        return CliRunner().invoke(app, ["agent", *words, "--runtime-arn", ARN], input=text)

    return call


def test_a_hand_over_is_an_answer_with_what_is_missing(run: Run) -> None:
    handover = {"type": "handover", "reason": "The dose is unclear.", "missing": ["dose", "date of birth"]}
    done = run(Core(Body([{"type": "text", "text": "I need help."}, handover, DONE])), "invoke", "hello")

    assert done.exit_code == 0
    assert (
        done.stdout
        == "I need help.\nHanded over to a clinician: The dose is unclear.\n  missing: dose\n  missing: date of birth\n"
    )
    assert "1,234 tokens" in done.stderr


def test_an_error_is_shown_beside_the_text_so_far_and_fails(run: Run) -> None:
    error = {"type": "error", "code": "model_interrupted", "text": "The answer is incomplete."}
    done = run(Core(Body([{"type": "text", "text": "So far"}, error, DONE])), "invoke", "hello")

    assert done.exit_code == 1
    assert done.stdout == "So far\n"
    assert done.stderr.startswith("agent: The answer is incomplete. (model_interrupted)\n")


def test_markup_in_a_models_words_is_shown_as_it_is(run: Run) -> None:
    tool = {"type": "tool", "name": "[red]search[/red]", "state": "failed"}
    done = run(Core(Body([tool, {"type": "text", "text": "[bold]x[/bold]"}, DONE])), "invoke", "hello")

    assert done.stdout == "[bold]x[/bold]\n"
    assert done.stderr.startswith("[red]search[/red]: failed\n")


@pytest.mark.parametrize("ends", [None, OSError("reset")])
def test_an_answer_without_its_end_is_broken_off(run: Run, ends: BaseException | None) -> None:
    body = Body([{"type": "status", "text": "starting"}], ends=ends)
    done = run(Core(body), "invoke", "hello")

    assert done.exit_code == 1
    assert "send the message again with --session cli-" in " ".join(done.stderr.split())
    assert body.closed


def test_an_agent_of_ones_own_may_send_text_json_or_errors_of_the_sdk(run: Run) -> None:
    plain = run(Core(Body(['"half "', '{"answer": 42}', "loose words"])), "invoke", "hello")
    failing = run(Core(Body([{"error": "boom", "error_type": "ValueError"}])), "invoke", "hello")
    whole = run(Core(Body(["not streamed"]), kind="application/json"), "invoke", "hello")

    assert (plain.exit_code, plain.stdout) == (0, 'half {"answer": 42}loose words\n')
    assert (failing.exit_code, "agent: boom (internal)" in failing.stderr) == (1, True)
    assert (whole.exit_code, whole.stdout) == (0, "not streamed\n")


def test_each_message_has_an_idempotency_key_of_its_own_and_the_session_stays(run: Run) -> None:
    core = Core(*(Body([{"type": "text", "text": "yes"}, DONE]) for _ in range(2)))
    done = run(core, "chat", text="one\n\n  \ntwo\n")
    sent = [json.loads(request["payload"]) for request in core.requests]

    assert done.exit_code == 0
    assert [body["prompt"] for body in sent] == ["one", "two"]
    assert len({body["idempotency_key"] for body in sent}) == 2
    assert len({request["runtimeSessionId"] for request in core.requests}) == 1
    assert core.stopped == [core.requests[0]["runtimeSessionId"]]


def test_ctrl_c_stops_an_answer_and_the_chat_goes_on(run: Run) -> None:
    stopped = Body([{"type": "text", "text": "long"}], ends=KeyboardInterrupt())
    core = Core(stopped, Body([{"type": "text", "text": "short"}, DONE]))
    done = run(core, "chat", "--session", "s" * 33, text="one\ntwo\n")

    assert done.exit_code == 0
    assert done.stdout == "long\nshort\n"
    assert stopped.closed
    assert core.stopped == []  # the session was there before


def test_ctrl_c_stops_an_answer_and_names_the_session(run: Run) -> None:
    done = run(
        Core(Body([{"type": "text", "text": "long"}], ends=KeyboardInterrupt())),
        "invoke",
        "hello",
        "--session",
        "s" * 33,
    )

    assert done.exit_code == 130
    assert f"stopped; go on with --session {'s' * 33}" in done.stderr


def test_a_user_is_named_in_the_header_that_the_agent_reads() -> None:
    request = type("Request", (), {"headers": {}})()
    conversation._named("nurse-7")(request=request)
    assert request.headers == {"X-Amzn-Bedrock-AgentCore-Runtime-Custom-User": "nurse-7"}
    assert invoke.invoke.__doc__
