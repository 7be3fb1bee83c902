"""Where uv comes from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.setup import uv


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("INSTALLER", raising=False)
    lock = tmp_path / uv.LOCK
    lock.parent.mkdir(parents=True)
    lock.write_text("# made\nuv==1.2.3 \\\n    --hash=sha256:00\n")
    return tmp_path


def _fail_all(monkeypatch: pytest.MonkeyPatch, stderr: str) -> list[list[str]]:
    commands: list[list[str]] = []

    def run(command: list[str], **_options: object) -> None:
        commands.append(command)
        raise subprocess.CalledProcessError(1, command, stderr=stderr)

    monkeypatch.setattr(uv.subprocess, "run", run)
    return commands


def test_uv_is_the_one_that_is_locked() -> None:
    assert uv.version("a==2\nuv==1.2.3 \\\n    --hash=sha256:00\n") == "1.2.3"
    with pytest.raises(ValueError, match=r"tools/setup/requirements\.lock pins no uv; run `make lock`"):
        uv.version("uvloop==1\n")


def test_uv_is_installed_once(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable = checkout / ".make" / "uv-1.2.3" / "bin" / "uv"
    executable.parent.mkdir(parents=True)
    executable.touch()
    commands = _fail_all(monkeypatch, "")
    assert uv.find(root=checkout) == executable
    assert commands == []


def test_pip_does_where_uv_cannot_be_had_and_the_reason_is_said(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _fail_all(monkeypatch, "much\nERROR: no such index\n")
    assert uv.find(root=checkout) is None
    assert "so pip installs, which takes longer; the reason: ERROR: no such index" in capsys.readouterr().out
    assert not (checkout / ".make" / "uv-1.2.3").exists(), "the next call tries again"


def test_pip_does_when_asked_for(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = _fail_all(monkeypatch, "")
    monkeypatch.setenv("INSTALLER", "pip")
    assert uv.find(root=checkout) is None
    assert commands == []
    monkeypatch.setenv("INSTALLER", "")  # make exports it empty
    assert uv.uses_uv({"INSTALLER": ""})


def test_a_lock_of_the_checkout_is_waited_for(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from tools.setup.uv import exclusive\n"
    program += "with exclusive(Path(sys.argv[1]), 'x', busy='waiting'): print('in')"
    with uv.exclusive(tmp_path, "x", busy="waiting"):
        command = [sys.executable, "-u", "-c", program, str(tmp_path)]
        other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=uv.ROOT)
        assert other.stdout is not None
        assert other.stdout.readline() == "waiting\n"
    assert other.communicate(timeout=30)[0] == "in\n"


def test_environments_are_made_from_the_interpreter_behind_this_environment() -> None:
    assert Path(uv.PYTHON).resolve() == Path(sys.executable).resolve()
    assert not Path(uv.PYTHON).is_relative_to(sys.prefix)
