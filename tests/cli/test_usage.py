"""A mistake in a command line is one line on stderr and exit code 2, whatever the width of the terminal."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from cdk_sglang.cli import entry, synth
from cdk_sglang.cli.running import run as run_app

MISTAKES = [
    (
        ["costs", "--env", "dev", "--days", "many"],
        "cdk-sglang costs: '--days': a whole number is needed, got 'many'; see cdk-sglang costs --help",
    ),
    (
        ["deploy", "--env", "dev", "--wait-minutes=long"],
        "cdk-sglang deploy: '--wait-minutes': a number is needed, got 'long'; see cdk-sglang deploy --help",
    ),
    (
        ["costs", "--env", "dev", "--days", "0"],
        "cdk-sglang costs: '--days': must be greater than or equal to 1, got '0'; see cdk-sglang costs --help",
    ),
    (
        ["deploy", "--env", "dev", "--step", "roof"],
        "cdk-sglang deploy: '--step': 'roof' is not one of 'foundation', 'weights', 'fleet'; see cdk-sglang deploy --help",
    ),
    (
        ["mcp", "--http", "abc"],
        "cdk-sglang mcp: '--http': a whole number is needed, got 'abc'; see cdk-sglang mcp --help",
    ),
    (["import"], "cdk-sglang import: missing option '--endpoint'; see cdk-sglang import --help"),
    (
        ["init", "--users", "many"],
        "cdk-sglang init: '--users': a whole number is needed, got 'many'; see cdk-sglang init --help",
    ),
    (["costs"], "cdk-sglang costs: missing option '--env'; see cdk-sglang costs --help"),
    (
        ["models", "lost"],
        "cdk-sglang models: no such command 'lost'; did you mean 'list'; see cdk-sglang models --help",
    ),
]


def run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "argv", ["cdk-sglang", *words])
    with pytest.raises(SystemExit) as left:
        entry.main()
    return left.value.code


@pytest.mark.parametrize("columns", ["60", "140"])
@pytest.mark.parametrize(("words", "line"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_is_one_line(
    words: list[str], line: str, columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert run(words, monkeypatch) == 2
    streams = capsys.readouterr()
    assert (streams.out, streams.err) == ("", f"{line}\n")


def test_a_group_without_a_command_shows_its_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models"], monkeypatch) == 2
    assert "Usage: cdk-sglang models" in "".join(capsys.readouterr())


def test_help_is_exit_code_0(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "--help"], monkeypatch) == 0
    assert "Usage: cdk-sglang costs" in capsys.readouterr().out


# --- the CDK CLI ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "code", "last"),
    [
        ("echo 'dev.yaml: region: no' >&2; echo '\033[31mSubprocess exited with error 2\033[39m' >&2; exit 1", 2, "dev.yaml: region: no\n"),
        ("echo 'Subprocess exited with error 7' >&2; exit 1", 1, "Subprocess exited with error 7\n"),
        ("echo 'Subprocess exited with error 2 is what it said' >&2; exit 1", 1, "Subprocess exited with error 2 is what it said\n"),
        ("echo warned >&2", 0, "warned\n"),
    ],
    ids=["an app that says why", "an app that says nothing", "another line", "no error"],
)  # fmt: skip
def test_the_apps_error_is_the_last_word_and_its_exit_code_is_kept(
    program: str, code: int, last: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert synth.run_synth(["/bin/sh", "-c", program]) == code
    assert capfd.readouterr().err == last


def test_a_missing_package_of_an_extra_is_one_line_with_the_extra(capsys: pytest.CaptureFixture[str]) -> None:
    def app() -> None:
        raise ModuleNotFoundError("No module named 'botocore'", name="botocore.exceptions")

    with pytest.raises(SystemExit) as left:
        run_app(app)
    assert left.value.code == 2
    assert capsys.readouterr().err == "this command needs botocore; pip install 'cdk-sglang[client]'\n"


def test_a_missing_module_that_is_no_extra_is_no_mistake_of_the_user() -> None:
    def app() -> None:
        raise ModuleNotFoundError("No module named 'gone'", name="gone")

    with pytest.raises(ModuleNotFoundError, match="gone"):
        run_app(app)
