"""`make local AGENT=1`: what the written environment serves the agent with, and what the screen says of who answered."""

from __future__ import annotations

import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud import agent
from localcloud.aws.credentials import Credentials
from localcloud.background import LocalError
from localcloud.model import RANDOM, SMALL, Kind

ENVIRONMENT: dict[str, Any] = {
    "account": "123456789012",
    "region": "us-east-1",
    "endpoints": {
        "chat": {
            "capacity": {"type": "ml.g6e.12xlarge", "max_instances": 1},
            "components": {
                "tiny": {"model": {"prefix": "weights/small/", "weights_gib": 1}, "server": {"context_length": 4096}}
            },
        }
    },
}
COMPONENT = "local-chat-tiny"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the agent's packages and an agent of one file."""
    python = tmp_path / ".venv-agent" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "main.py").write_text("")
    (tmp_path / "environments").mkdir()
    return tmp_path


def prepared(checkout: Path, **more: Any) -> dict[str, Any]:
    (checkout / "environments" / "local.yaml").write_text(yaml.safe_dump(ENVIRONMENT | more))
    folder = agent.prepare(root=checkout, folder=checkout / "written")
    written: dict[str, Any] = yaml.safe_load((folder / "local.yaml").read_text())
    return written


def test_the_agent_asks_the_component_and_the_model_that_make_local_serves(checkout: Path) -> None:
    written = prepared(checkout)
    component = written["endpoints"]["chat"]["components"]["tiny"]
    assert written["agent"]["component"] == "chat/tiny"
    assert component["model"] == {"prefix": "weights/small/", "weights_gib": 1}
    assert component["server"] == {"context_length": 8192, "tool_call_parser": "llama3"}


def test_answers_are_short_unless_the_environment_says_otherwise(checkout: Path) -> None:
    assert prepared(checkout)["agent"]["answer_tokens"] == 96
    own = prepared(checkout, agent={"answer_tokens": 512, "max_tool_calls": 2})["agent"]
    assert (own["answer_tokens"], own["max_tool_calls"]) == (512, 2)


class Screen:
    """What `show` prints; commands of the CLI that answer as told."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.invoke = (0, "I can help.\n")
        self.stand_ins: list[str] = []
        self.stored = [set[str](), {"s3://reports/one.md"}]

    def run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.commands.append(command[1:])
        code, text = self.invoke if "invoke" in command else (0, "")
        return subprocess.CompletedProcess(command, code, text)

    def show(self, kind: Kind = SMALL) -> str:
        with agent.console.capture() as capture:
            agent.show(
                {},
                Credentials(access_key_id="LOCAL", secret_access_key="secret"),
                url="http://localhost:1",
                component=COMPONENT,
                kind=kind,
                reports=lambda: self.stored.pop(0),
            )
        return " ".join(capture.get().split())


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Screen:
    screen = Screen()

    def standing_in(_url: str, _secret: str, component: str, _model: object) -> nullcontext[None]:
        screen.stand_ins.append(f"{component} after {len(screen.commands)} commands")
        return nullcontext()

    monkeypatch.setattr(agent.subprocess, "run", screen.run)
    monkeypatch.setattr(agent, "standing_in", standing_in)
    monkeypatch.setattr(agent, "_DEPLOYED", tmp_path / "deployed")
    return screen


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (SMALL, "the real engine with SmolLM2-135M-Instruct, too small for an agent, so do not trust its answers"),
        (RANDOM, "the real engine with a random model of 0.9 MB, which knows no language and calls no tools"),
    ],
    ids=["small", "random"],
)
def test_the_screen_says_which_model_wrote_the_first_answer(screen: Screen, kind: Kind, words: str) -> None:
    assert f"{COMPONENT} answers: {words}" in screen.show(kind)


def test_a_script_answers_the_second_question_alone_and_the_screen_says_so(screen: Screen) -> None:
    shown = screen.show()
    assert [command[1] for command in screen.commands] == ["seed", "invoke", "invoke"]
    assert screen.stand_ins == [f"{COMPONENT} after 2 commands"]
    first, second = shown.split("asking the agent again; ")
    assert "script" not in first
    assert second.startswith("a script answers in the model's place")


def test_the_screen_names_the_report_that_the_second_question_left(screen: Screen) -> None:
    screen.stored = [{"s3://reports/old.md"}, {"s3://reports/old.md", "s3://reports/new.md"}]
    shown = screen.show()
    assert "the report in the embedded S3: s3://reports/new.md" in shown
    assert "old.md" not in shown


def test_an_agent_of_ones_own_that_saves_nothing_is_not_said_to_have_saved_something(screen: Screen) -> None:
    screen.stored = [set(), set()]
    assert screen.show().endswith("no report was saved")


@pytest.mark.parametrize("code", ["answer_cut", "model_answer", "tool_limit", "token_budget"])
def test_a_turn_that_the_model_spoils_is_shown_as_far_as_it_came(screen: Screen, code: str) -> None:
    screen.invoke = (1, f"I can help you with\nagent: What the model did, and what to do. ({code})\n")
    assert f"I can help you with agent: What the model did, and what to do. ({code})" in screen.show()


def test_any_other_failure_ends_the_run_with_the_agents_reason(screen: Screen) -> None:
    screen.invoke = (1, "agent: The model failed. (model_failed)\n")
    with pytest.raises(LocalError, match=r"agent invoke .* failed:\nagent: The model failed\."):
        screen.show()


@pytest.mark.parametrize(("value", "expected"), [("", False), ("0", False), ("1", True)])
def test_the_agent_is_there_if_asked_for(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("AGENT", value)
    assert agent.enabled() is expected


def test_another_value_of_agent_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT", "yes")
    with pytest.raises(LocalError, match="AGENT: 'yes' is not allowed; use AGENT=1"):
        agent.enabled()
