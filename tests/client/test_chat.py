"""`cdk-sglang chat`, as a user runs it: on the embedded AWS, with a container that answers by a script."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cdk_sglang.cli import chat, main
from cdk_sglang.client import InferenceClient
from cdk_sglang.client.errors import AnswerError
from cdk_sglang.errors import ConfigurationError
from localcloud.aws import faults
from localcloud.scripted import ScriptedModel, standing_in
from tests.localcloud.helpers import any_component, any_endpoint, eventually, in_service

PLACE = ("--endpoint", "fleet", "--component", "llama")
SPEED = r"TTFT \d+\.\d\d s, \d+\.\d tokens/s, 5 tokens"


@pytest.fixture
def aws(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": cloud.url,
        **cloud.credentials.environment,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def model(serving: object, aws: None, cloud: Any) -> Iterator[ScriptedModel]:
    """Answers for `llama` by how many messages it has got."""

    def script(request: dict[str, Any]) -> tuple[str, str]:
        return "text", f"this is message {len(request['messages']) + 1}"

    with (
        ScriptedModel(script) as scripted,
        standing_in(cloud.url, cloud.credentials.secret_access_key, "llama", scripted),
    ):
        yield scripted


def talk(*lines: str, place: tuple[str, ...] = PLACE, **options: Any) -> Result:
    return CliRunner().invoke(main.app, ["chat", *place], input="".join(f"{line}\n" for line in lines), **options)


def test_each_answer_has_the_conversation_so_far_and_its_speed(model: ScriptedModel) -> None:
    done = talk("hello", "", "and again")
    assert (done.exit_code, done.stdout) == (0, "this is message 2\nthis is message 4\n")
    first, *speeds = done.stderr.splitlines()
    assert first == "/reset forgets the conversation, /exit ends the chat, Ctrl-C ends an answer"
    assert [bool(re.fullmatch(SPEED, speed)) for speed in speeds] == [True, True]
    assert model.requests[1]["messages"] == [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "this is message 2"},
        {"role": "user", "content": "and again"},
    ]
    assert all(request["stream_options"] == {"include_usage": True} for request in model.requests)


def test_reset_forgets_all_but_the_system_prompt(model: ScriptedModel) -> None:
    done = talk("hello", "/reset", "hello", "/exit", "never sent", place=(*PLACE, "--system", "Be brief."))
    assert done.stdout == "this is message 3\nthis is message 3\n"
    assert "a new conversation begins\n" in done.stderr
    assert [one["role"] for one in model.requests[-1]["messages"]] == ["system", "user"]


def test_a_command_that_there_is_not_is_not_sent(model: ScriptedModel) -> None:
    done = talk("/rest now", "/help")
    assert (done.exit_code, done.stdout, model.requests) == (0, "", [])
    assert "/rest is not a command; /reset forgets the conversation, /exit ends the chat" in done.stderr


def test_a_refusal_is_a_line_and_the_chat_goes_on(model: ScriptedModel) -> None:
    faults.inject("access-denied", target="InvokeEndpoint*", times=1)
    done = talk("hello", "hello")
    assert (done.exit_code, done.stdout) == (0, "this is message 2\n")  # the refused message is forgotten
    assert "chat: An error occurred (AccessDenied" in done.stderr


def test_the_last_answer_decides_about_the_exit_code(model: ScriptedModel) -> None:
    faults.inject("access-denied", target="InvokeEndpoint*")
    assert talk("hello").exit_code == 1


def test_a_conversation_that_is_too_long_gets_the_next_step(
    model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = InferenceClient.stream_chat

    def full(client: InferenceClient, messages: list[Any], **options: Any) -> Any:
        if len(messages) > 1:
            raise AnswerError("the input is longer than the model's context length (4096 tokens)")
        return real(client, messages, **options)

    monkeypatch.setattr(InferenceClient, "stream_chat", full)
    done = talk("hello", "again", "/reset", "hello")
    assert "context length (4096 tokens); /reset begins a new conversation\n" in done.stderr
    assert (done.exit_code, done.stdout) == (0, "this is message 2\nthis is message 2\n")


def interrupted(monkeypatch: pytest.MonkeyPatch, *, after: int) -> list[bool]:
    """Let Ctrl-C come in the first answer, after so many chunks; whether the answer's connection was closed."""
    real, closed = InferenceClient.stream_chat, []

    def stream(client: InferenceClient, messages: list[Any], **options: Any) -> Iterator[Any]:
        chunks = real(client, messages, **options)
        try:
            for number, chunk in enumerate(chunks):
                if number == after and not closed:
                    raise KeyboardInterrupt
                yield chunk
        finally:
            closed.append(True)
            chunks.close()

    monkeypatch.setattr(InferenceClient, "stream_chat", stream)
    return closed


def test_ctrl_c_ends_the_answer_and_what_was_shown_of_it_stays_in_the_conversation(
    model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = interrupted(monkeypatch, after=3)
    done = talk("hello", "go on")
    assert (done.exit_code, done.stdout) == (0, "this is \nthis is message 4\n")
    assert "stopped; TTFT " in done.stderr
    assert closed
    assert model.requests[-1]["messages"][1] == {"role": "assistant", "content": "this is "}


def test_a_message_that_was_stopped_before_its_answer_began_is_forgotten(
    model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(monkeypatch, after=0)
    done = talk("hello", "hello")
    assert (done.exit_code, done.stdout) == (0, "this is message 2\n")
    assert "stopped; no token\n" in done.stderr


def test_ctrl_c_between_answers_ends_the_chat(model: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["hello"]

    def read() -> str:
        if not lines:
            raise KeyboardInterrupt
        return lines.pop()

    monkeypatch.setattr(chat, "_read", read)
    done = talk()
    assert (done.exit_code, done.stdout) == (0, "this is message 2\n")


def test_a_component_at_zero_copies_is_waited_for(asleep: object, aws: None, time_of: Any) -> None:
    begin = InferenceClient.__init__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InferenceClient, "__init__", lambda self, **options: begin(self, **options, clock=time_of))
        done = talk("anybody there?")
    assert (done.exit_code, done.stdout) == (0, "part 0 part 1 part 2 \n")
    assert "llama: at zero copies; the request has asked for one" in done.stderr
    assert "llama: answered after " in done.stderr


@pytest.fixture
def fleet(client: Callable[[str], Any], aws: None, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The environment `dev` with one endpoint; where there is no file of it."""
    monkeypatch.chdir(tmp_path)
    sagemaker = client("sagemaker")
    any_endpoint(sagemaker, "dev-chat")
    eventually(lambda: sagemaker.describe_endpoint(EndpointName="dev-chat")["EndpointStatus"] == "InService")
    any_component(sagemaker, "dev-chat-llama", endpoint="dev-chat")
    in_service(sagemaker, "dev-chat-llama")
    return sagemaker


@pytest.mark.parametrize(
    "place",
    [
        ("--env", "dev"),
        ("--env", "dev", "--component", "chat/llama"),
        ("--env", "dev", "--component", "dev-chat-llama"),
        (),
    ],
)
def test_an_environment_or_an_account_with_one_component_is_a_place(fleet: Any, place: tuple[str, ...]) -> None:
    assert talk("hello", place=place).stdout == "part 0 part 1 part 2 \n"


def test_of_several_components_one_has_to_be_named(fleet: Any, tmp_path: Any) -> None:
    any_component(fleet, "dev-chat-qwen", endpoint="dev-chat")
    with pytest.raises(ConfigurationError) as caught:
        talk("hello", place=("--env", "dev"), catch_exceptions=False)
    assert str(caught.value) == (
        "chat: dev in us-east-1: 2 components are deployed; give --component, one of dev-chat-llama, dev-chat-qwen"
    )
    with pytest.raises(ConfigurationError, match="'chat/mistral' is not deployed; give --component, one of dev-chat-l"):
        talk("hello", place=("--env", "dev", "--component", "chat/mistral"), catch_exceptions=False)
    with pytest.raises(ConfigurationError, match="us-east-1: 2 components are deployed; give --endpoint and --compon"):
        talk("hello", place=(), catch_exceptions=False)
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "dev.yaml").write_text("endpoints: {chat: {components: {llama: {}}}}\n")
    assert talk("hello", place=("--env", "dev")).exit_code == 0  # the other one is no component of the file


def test_an_environment_that_is_not_deployed_is_a_line(fleet: Any) -> None:
    with pytest.raises(ConfigurationError, match="chat: prod in us-east-1: no component is deployed; deploy it, or"):
        talk("hello", place=("--env", "prod"), catch_exceptions=False)


@pytest.mark.parametrize(
    "place", [("--component", "x"), ("--env", "a", "--route", "a/b"), ("--endpoint", "x"), ("--route", "a")]
)
def test_places_that_contradict_each_other_are_refused(place: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="chat: "):
        talk("hello", place=place, catch_exceptions=False)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_there_is_a_prompt_and_ctrl_d_ends_the_chat(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts: list[str] = []

    def enter(prompt: str) -> str:
        prompts.append(prompt)
        if len(prompts) > 1:
            raise EOFError
        return " hello "

    monkeypatch.setattr(chat.sys, "stdin", _Terminal())
    monkeypatch.setattr(chat.sys, "stdout", _Terminal())
    monkeypatch.setattr("builtins.input", enter)
    assert (chat._read(), chat._read(), prompts) == ("hello", None, ["you> ", "you> "])


def test_a_models_words_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from cdk_sglang.cli import screen
    from cdk_sglang.client.answers import ChatAnswer

    terminal = _Terminal()
    monkeypatch.setattr(screen.sys, "stdout", terminal)
    shown = screen.AnswerScreen(ChatAnswer())
    shown.add({"choices": [{"delta": {"content": "a\x1b[2J\x9b1mb\tü\n"}}]})
    assert terminal.getvalue() == "a[2J1mb\tü\n"
    assert shown.answer.text == "a\x1b[2J\x9b1mb\tü\n"
