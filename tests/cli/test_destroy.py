"""`cdk-sglang destroy`: asks or is told, says what stays, and deletes no environment that it cannot read."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from cdk_sglang.cli import entry, synth


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    found: list[list[str]] = []
    monkeypatch.setattr(synth, "cdk_program", lambda _: "cdk")
    monkeypatch.setattr(synth, "run_synth", lambda command, **_: found.append(list(command)) or 0)
    monkeypatch.setattr(synth, "run_cdk", lambda command: found.append(list(command)) or 0)
    return found


def run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "argv", ["cdk-sglang", "destroy", *words])
    with pytest.raises(SystemExit) as left:
        entry.main()
    return left.value.code


def test_it_deletes_what_it_synthesised_and_says_what_stays(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--env", "dev", "--yes"], monkeypatch) == 0
    assert commands[1] == ["cdk", "destroy", "--all", "--no-notices", "--app", "cdk.out/dev", "--force"]
    assert "Resources with data stay" in capsys.readouterr().out


def test_a_stack_that_stays_is_exit_code_1(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(synth, "run_cdk", lambda _: 1)
    assert run(["--env", "dev", "--yes"], monkeypatch) == 1
    assert "the same command continues from there" in capsys.readouterr().err
    assert len(commands) == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--env", "dev"], "destroy: there is no terminal to ask at; add --yes to delete the stacks"),
        (
            ["--env", "local", "--yes"],
            "--env: 'local' is the environment of the embedded AWS; run make local-down, or name another environment",
        ),
    ],
)
def test_without_somebody_to_ask_and_for_the_embedded_aws_nothing_is_deleted(
    words: list[str],
    line: str,
    commands: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert run(words, monkeypatch) == 2
    assert capsys.readouterr().err == f"{line}\n"
    assert commands == []


def test_an_environment_that_is_wrong_is_not_deleted(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(synth, "run_synth", lambda *_, **__: 2)
    assert run(["--env", "dev", "--yes"], monkeypatch) == 2
    assert "nothing was deleted" in capsys.readouterr().err
    assert commands == []
