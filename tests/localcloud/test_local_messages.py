"""What `make local` shows of a failed deployment: the reason, not what the CDK CLI prints after it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cdk_sglang.client.answers import ChatAnswer
from localcloud import local, question
from localcloud.aws import faults
from localcloud.background import LocalError
from localcloud.local import reason_of
from localcloud.model import RANDOM, SMALL, Kind, LocalModel
from localcloud.question import Asked
from localcloud.served import Served
from tests.localcloud.helpers import SESSION

FAILED = """\
\x1b[31m❌  fleet failed to deploy\x1b[39m
\x1b[31m‣ DeploymentError: Resource updates failed:\x1b[39m
Serving-chat/chat/Truth0  (Custom::CdkSglangTruth chatTruth07F16DCE5)
  Message returned: Error: endpoint local-chat: asked for
  configuration two, serves with one

Logs:
  /aws/lambda/fleet-Look

Source Location: ...jsii runtime, node internals...
       "68": 55,
"""


def test_the_reason_of_a_failed_deployment_is_on_the_screen() -> None:
    assert reason_of(FAILED).splitlines() == [
        "‣ DeploymentError: Resource updates failed:",
        "Serving-chat/chat/Truth0  (Custom::CdkSglangTruth chatTruth07F16DCE5)",
        "  Message returned: Error: endpoint local-chat: asked for",
        "  configuration two, serves with one",
    ]


def test_without_an_error_line_the_last_lines_are_shown() -> None:
    assert reason_of("\n".join(map(str, range(20)))).splitlines() == [str(number) for number in range(8, 20)]


class _Llama:
    """The component of these tests, which has no environment's name in front."""

    endpoint_name = "fleet"
    component_name = "llama"


LLAMA: Any = _Llama()


@pytest.fixture
def fleet(serving: object) -> None:
    """One component that answers."""


def test_the_first_question_is_answered(fleet: None, cloud: Any) -> None:
    outcome = question.ask(SESSION, cloud.url, LLAMA, SMALL)
    assert outcome.answer.text == "part 0 part 1 part 2 "
    assert re.fullmatch(r"TTFT \d+\.\d\d s, \d+\.\d tokens/s, 3 tokens", outcome.speed)


def test_an_answer_that_is_reasoning_alone_is_a_failure_with_the_next_step(
    fleet: None, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    delta = {"content": None, "reasoning_content": "hm"}
    chunk = {"choices": [{"delta": delta, "finish_reason": "length"}]}
    monkeypatch.setattr(question.InferenceClient, "stream_chat", lambda *_, **__: (one for one in [chunk]))
    with pytest.raises(LocalError) as caught:
        question.ask(SESSION, cloud.url, LLAMA, SMALL)
    assert str(caught.value) == (
        "llama is deployed and replied: no answer within 64 tokens: reasoning used them up; "
        "ask for more with `cdk-sglang ask --endpoint fleet --component llama --max-tokens 512 'hello'`"
    )


def test_a_first_question_that_sagemaker_refuses_is_a_line(fleet: None, cloud: Any) -> None:
    faults.inject("access-denied", target="InvokeEndpoint*")
    with pytest.raises(LocalError, match="no answer from llama: "):
        question.ask(SESSION, cloud.url, LLAMA, SMALL)


def test_a_component_that_is_not_deployed_is_a_line(fleet: None, cloud: Any) -> None:
    target = Served(endpoint="chat", component="renamed", prefixes=())
    with pytest.raises(LocalError, match="no answer from local-chat-renamed: ") as caught:
        question.ask(SESSION, cloud.url, target, SMALL)
    assert len(str(caught.value).splitlines()) == 1


class _Cloud:
    """The CDK CLI's commands, in the order in which they begin; one of them fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, fails: str) -> None:
        self.commands: list[str] = []
        self._fails = fails
        for name, result in {
            "engine_python": Path("/engine/python"),
            "ensure": "http://localhost:1",
            "credentials": None,
            "aws_environment": {},
            "_stacks": set(),
        }.items():
            monkeypatch.setattr(local, name, lambda *_arguments, result=result: result)
        monkeypatch.setattr(local.model, "prepare", lambda *_, **__: LocalModel(kind=SMALL, folder=Path("/model")))
        monkeypatch.setattr(local, "_session", lambda _credentials: SESSION)
        monkeypatch.setattr(local, "_cdk", self._cdk)

    def _cdk(self, *arguments: str, **_options: object) -> None:
        self.commands.append(arguments[0])
        if arguments[0] == self._fails:
            raise local.LocalError(f"cdk {arguments[0]} failed")


@pytest.mark.parametrize("fails", ["synth", "bootstrap"])
def test_nothing_is_deployed_when_templates_or_bootstrap_stack_fail(
    monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    cloud = _Cloud(monkeypatch, fails=fails)
    with pytest.raises(local.LocalError, match=f"cdk {fails} failed"):
        local.up(4566)
    assert sorted(cloud.commands) == ["bootstrap", "synth"]


def test_what_the_file_names_is_deployed_uploaded_and_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cloud = _Cloud(monkeypatch, fails="")
    questions: list[tuple[str, str]] = []
    uploaded: list[str] = []
    manifest = {
        "artifacts": {
            name: {"type": "aws:cloudformation:stack"} for name in ("Foundation", "Serving-talk", "Observability")
        }
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    target = Served(endpoint="talk", component="llama", prefixes=("weights/a/", "weights/b/"))
    deployed: list[tuple[str, ...]] = []
    monkeypatch.setattr(local, "_ASSEMBLY", tmp_path)
    monkeypatch.setattr(local, "refresh", lambda *_, **__: None)
    monkeypatch.setattr(local, "served", lambda: target)
    monkeypatch.setattr(local, "outputs", lambda *_: {"WeightsBucket": "bucket"})
    monkeypatch.setattr(local, "_deploy", lambda *names, **_: deployed.append(names))
    monkeypatch.setattr(local, "print_result", lambda *_, **__: None)
    monkeypatch.setattr(local, "grant", lambda *_: None)

    def upload(model: LocalModel, _s3: object, _bucket: str, prefix: str, **_: object) -> Kind:
        uploaded.append(prefix)
        return model.kind

    def ask(_session: object, _url: str, served: Served, _kind: Kind) -> Asked:
        questions.append((served.endpoint_name, served.component_name))
        return Asked(answer=ChatAnswer(), speed="")

    monkeypatch.setattr(local.model, "upload", upload)
    monkeypatch.setattr(local, "ask", ask)
    local.up(4566)

    assert cloud.commands == ["bootstrap"]
    assert deployed == [("Foundation",), ("Serving-talk",), ("Observability",)]
    assert uploaded == ["weights/a/", "weights/b/"]
    assert questions == [("local-talk", "local-talk-llama")]


def test_the_engine_line_says_what_the_engine_counted_for_this_request() -> None:
    counts = question.EngineCounts()
    counts.add({"id": "5d0c", "choices": [{"delta": {"content": "Paris"}, "finish_reason": None}]})
    counts.add({"id": "5d0c", "choices": [{"delta": {}, "finish_reason": "stop"}]})
    usage = {"prompt_tokens": 37, "completion_tokens": 8, "prompt_tokens_details": {"cached_tokens": 0}}
    counts.add({"id": "5d0c", "choices": [], "usage": usage})
    assert str(counts) == "request 5d0c: 37 tokens read (0 from its prefix cache), 8 written, ended by stop"


def shown(kind: Kind, **message: str) -> str:
    credentials: Any = type("Known", (), {"console_address": lambda *_: "http://x", "exports": lambda *_: []})()
    answer = ChatAnswer()
    answer.add({"choices": [{"message": message}]})
    outcome = Asked(answer=answer, speed="TTFT 0.30 s, 7.0 tokens/s, 8 tokens")
    with question.console.capture() as capture:
        question.print_result(outcome, credentials, LLAMA, kind, url="http://x", seconds=1)
    return capture.get()


def test_reasoning_before_the_answer_is_shown() -> None:
    assert "reasoning 'hm, well'\nanswer    yes\n" in shown(SMALL, content="yes", reasoning_content="hm, well")


def test_the_answer_stands_beside_its_question_its_speed_and_where_the_model_comes_from() -> None:
    text = shown(SMALL, content=" The capital of France is Paris.\n")
    assert "model     SmolLM2-135M-Instruct, by HuggingFaceTB, Apache-2.0; " in text
    assert "question  What is the capital of France?\nanswer    The capital of France is Paris.\n" in text
    assert "speed     TTFT 0.30 s, 7.0 tokens/s, 8 tokens, on this machine's CPU\n" in text


def test_of_the_random_model_it_is_said_that_its_words_mean_nothing() -> None:
    text = shown(RANDOM, content="G{6^H\n")
    assert "model     a random model of 0.9 MB, " in text
    assert "its answers mean nothing" in text
    assert "answer    'G{6^H\\n'\n" in text
