"""Lists at every width have fewer columns, never cut cells; Ctrl-C ends a command in one line, from its first moment."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from cdk_sglang.cli.main import app
from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.running import run
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.models.known_models import aliases, all_models

LIST, PRICES = ("models", "list"), ("prices", "show", "--region", "us-west-2")
INTERRUPTED = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "cdk_sglang.cli.main":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from cdk_sglang.cli.entry import main
sys.argv = ["cdk-sglang", "plan", "--env", "prod"]
main()
"""


@pytest.mark.parametrize("width", [60, 80, 140])
@pytest.mark.parametrize("words", [LIST, PRICES])
def test_no_cell_is_cut(words: tuple[str, ...], width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("models", "prices"):
        monkeypatch.setattr(f"cdk_sglang.cli.{module}.stdout", lambda: stdout(width=width))
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0
    table = [line for line in result.stdout.splitlines() if line.startswith(("│", "┃"))]
    assert max(map(len, table)) <= width
    assert not any("…" in line for line in table)
    names = [one.id for one in all_models()] if words == LIST else [one.name for one in GpuInstance.all()]
    assert [line.split()[1] for line in table[1:]] == names


def test_wide_shows_every_column_at_any_width(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("models", "prices"):
        monkeypatch.setattr(f"cdk_sglang.cli.{module}.stdout", lambda: stdout(width=60))
    for words, last in ((LIST, "context"), (PRICES, "from")):
        result = CliRunner().invoke(app, [*words, "--wide"])
        assert last in result.stdout.splitlines()[1]


def test_ids_of_the_same_architecture_are_listed() -> None:
    lines = CliRunner().invoke(app, list(LIST)).stdout.splitlines()
    assert aliases()
    for name, ids in aliases().items():
        assert f"{name}: {', '.join(ids)}" in lines


def test_ctrl_c_while_modules_are_loaded_is_one_line() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "stopped")


def test_ctrl_c_in_and_around_a_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    for program in (stop, _command(stop)):
        with pytest.raises(SystemExit) as ended:
            run(program)  # type: ignore[arg-type]  # whatever is called as an application is
        assert ended.value.code == 130
        assert capsys.readouterr().err.strip() == "stopped"


def _command(stop: object) -> object:
    from cdk_sglang.cli.usage import OneLineErrors

    program = typer.Typer(cls=OneLineErrors)
    program.command("stop")(stop)  # type: ignore[type-var]  # a function
    program.callback()(lambda: None)
    return lambda: program(["stop"])
