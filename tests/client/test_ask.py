"""`cdk-sglang ask`, as a user runs it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cdk_sglang.cli import ask, main
from cdk_sglang.cli.destination import Place
from cdk_sglang.client import InferenceClient
from cdk_sglang.errors import ConfigurationError
from localcloud.aws import faults


@pytest.fixture
def aws(cloud: object, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": cloud.url,
        **cloud.credentials.environment,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


def test_the_answer_is_printed(serving: object, aws: None) -> None:
    done = CliRunner().invoke(main.app, ["ask", "hello", "--endpoint", "fleet", "--component", "llama"])
    assert (done.exit_code, done.stdout) == (0, "part 0 part 1 part 2 \n")


def ask_for(*pieces: dict[str, object] | str) -> Result:
    """Ask a copy that sends these, as events where they are chunks of an answer."""
    lines = [piece if isinstance(piece, str) else f"data: {json.dumps({'choices': [piece]})}\n\n" for piece in pieces]
    real = InferenceClient.stream_chat

    def stream_chat(client: InferenceClient, messages: object, **options: object) -> object:
        return real(client, messages, **options, pieces=lines)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InferenceClient, "stream_chat", stream_chat)
        return CliRunner().invoke(main.app, ["ask", "hello", "--endpoint", "fleet", "--component", "llama"])


def test_reasoning_is_marked_and_goes_to_stderr(serving: object, aws: None) -> None:
    done = ask_for(
        {"delta": {"reasoning_content": "hm, "}},
        {"delta": {"reasoning_content": "well"}},
        {"delta": {"content": "yes"}},
        {"delta": {"content": "!"}, "finish_reason": "stop"},
        "data: [DONE]\n\n",
    )
    assert (done.exit_code, done.stdout, done.stderr) == (0, "yes!\n", "reasoning: hm, well\n")


def test_reasoning_that_used_up_the_tokens_is_no_answer(serving: object, aws: None) -> None:
    done = ask_for(
        {"delta": {"reasoning_content": "hm, "}},
        {"delta": {"content": None}, "finish_reason": "length"},
        "data: [DONE]\n\n",
    )
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "reasoning: hm, ",
        "ask: no answer within 256 tokens: reasoning used them up; raise --max-tokens, such as --max-tokens 2048",
    ]


def test_an_error_inside_the_answer_is_one_line_after_what_came(serving: object, aws: None) -> None:
    done = ask_for({"delta": {"content": "so"}}, 'data: {"error": {"message": "out of memory", "code": 500}}\n\n')
    assert (done.exit_code, done.stdout) == (1, "so\n")
    assert done.stderr.splitlines() == [
        (
            "ask: llama on fleet: the model failed after 1 part of its answer: out of memory (status 500); "
            "the same request may succeed later"
        )
    ]


@pytest.mark.parametrize("pieces", [(), ('{"error": {"message": "busy", "code": 503}}',), ("data: [DONE]\n\n",)])
def test_what_is_no_answer_is_exit_code_1(serving: object, aws: None, pieces: tuple[str, ...]) -> None:
    done = ask_for(*pieces)
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)


def test_what_was_waited_for_in_vain_is_one_line_and_exit_code_1(serving: object, aws: None) -> None:
    faults.inject("throttling", target="InvokeEndpoint*")
    done = CliRunner().invoke(main.app, ["ask", "hello", "--endpoint", "fleet", "--component", "llama", "--wait", "0"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "ask: llama on fleet: no answer after 0 s and 1 attempt; no copy has seen the request. "
    )
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("where", ["prod", "prod/", "/reasoning"])
def test_a_route_is_an_environment_and_a_name(where: str) -> None:
    with pytest.raises(ConfigurationError, match="--route <environment>/<route>"):
        CliRunner().invoke(main.app, ["ask", "hello", "--route", where], catch_exceptions=False)


def test_a_route_that_is_not_there_is_exit_code_1(cloud: object, aws: None) -> None:
    done = CliRunner().invoke(main.app, ["ask", "hello", "--route", "prod/reasoning"])
    assert done.exit_code == 1
    assert "ask: /cdk-sglang/prod/routes/reasoning: no such parameter" in done.stderr


@pytest.mark.parametrize(
    "options", [[], ["--endpoint", "fleet"], ["--component", "x"], ["--route", "a/b", "--endpoint", "c"]]
)
def test_a_destination_is_needed(options: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="ask: "):
        CliRunner().invoke(main.app, ["ask", "hello", *options], catch_exceptions=False)


def test_without_a_region_the_command_says_where_to_give_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    done = CliRunner().invoke(main.app, ["ask", "hello", "--endpoint", "fleet", "--component", "llama"])
    assert (done.exit_code, done.stderr) == (1, "ask: no AWS Region; give --region, or set AWS_REGION\n")


def test_the_region_of_the_cdk_cli_is_read_too_and_an_environments_own_comes_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "prod.yaml").write_text("region: us-east-2\n")

    def region(*, env: str | None = None, route: str | None = None) -> str | None:
        place = Place(command="ask", env=env, endpoint=None, component=None, route=route, region=None)
        return place.used_region

    assert (region(), region(env="prod"), region(route="prod/reasoning")) == ("eu-west-1", "us-east-2", "us-east-2")


@pytest.mark.parametrize("argument", [["-"], []])
def test_the_question_may_come_through_a_pipe(serving: object, aws: None, argument: list[str]) -> None:
    sent: list[object] = []
    real = InferenceClient.stream_chat

    def stream_chat(client: InferenceClient, messages: object, **options: object) -> object:
        sent.append(messages)
        return real(client, messages, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InferenceClient, "stream_chat", stream_chat)
        place = ["--endpoint", "fleet", "--component", "llama"]
        done = CliRunner().invoke(main.app, ["ask", *argument, *place], input="line one\nline two \xff\n")
    assert (done.exit_code, done.stdout) == (0, "part 0 part 1 part 2 \n")
    assert sent == [[{"role": "user", "content": "line one\nline two \xff\n"}]]


@pytest.mark.parametrize("words", [["-"], [""], ["  "]])
def test_an_empty_question_is_refused_before_anything_is_sent(words: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="QUESTION: is empty; say what you want to know"):
        CliRunner().invoke(
            main.app, ["ask", *words, "--endpoint", "a", "--component", "b"], input=" \n", catch_exceptions=False
        )


def test_on_a_terminal_a_question_has_to_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(ask.sys, "stdin", terminal)
    with pytest.raises(ConfigurationError, match="QUESTION: is missing; write it in quotes, or pipe it in"):
        ask._question(None)
