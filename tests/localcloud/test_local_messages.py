"""What `make local` shows of a failed deployment: the reason, not what the CDK CLI prints after it."""

from pathlib import Path
from typing import Any

import pytest

from localcloud import local
from localcloud.aws import faults
from localcloud.background import LocalError
from localcloud.local import reason_of
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


@pytest.fixture
def fleet(serving: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_ENDPOINT", "fleet")
    monkeypatch.setattr(local, "_COMPONENT", "llama")


def test_the_first_question_is_answered(fleet: None, cloud: Any) -> None:
    assert local._ask(SESSION, cloud.url)["choices"][0]["message"]["content"] == f"heard: {local._QUESTION}"


def test_an_answer_that_is_reasoning_alone_is_a_failure_with_the_next_step(
    fleet: None, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = {"content": None, "reasoning_content": "hm"}
    answer = {"choices": [{"message": message, "finish_reason": "length"}]}
    monkeypatch.setattr(local.InferenceClient, "chat", lambda *_, **__: answer)
    with pytest.raises(LocalError) as caught:
        local._ask(SESSION, cloud.url)
    assert str(caught.value) == (
        "llama is deployed and replied: no answer within 24 tokens: reasoning used them up; "
        "ask for more with `cdk-sglang ask --endpoint fleet --component llama --max-tokens 512 'hello'`"
    )


def test_a_first_question_that_sagemaker_refuses_is_a_line(fleet: None, cloud: Any) -> None:
    faults.inject("access-denied", target="InvokeEndpoint")
    with pytest.raises(LocalError, match="no answer from llama: "):
        local._ask(SESSION, cloud.url)


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
            "_model": Path("/model"),
        }.items():
            monkeypatch.setattr(local, name, lambda *_arguments, result=result: result)
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
