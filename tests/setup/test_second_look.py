"""`make test SECOND_LOOK=1`: few failures are run again, alone, and nothing else is forgiven."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.second_look import FILES_MAX, deserves_second_look

_PASSES = "def test_passes(): pass\n"
_FAILS = "def test_fails(): assert False\n"
_FAILS_ONCE = """
from pathlib import Path
def test_fails_once():
    first = not Path("seen").exists()
    Path("seen").touch()
    assert not first
"""


def _run(folder: Path, root: Path, **files: str) -> subprocess.CompletedProcess[str]:
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "tools.second_look", "--numprocesses", "2", "--dist", "loadfile"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")} | {
        "PYTHONPATH": str(root)
    }
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_test_that_passes_alone_passes_and_is_named(tmp_path: Path, root: Path) -> None:
    record = tmp_path / ".pytest_cache" / "v" / "cache" / "lastfailed"
    record.parent.mkdir(parents=True)
    record.write_text('{"test_of_a_run_before.py::test_gone": true}', encoding="utf-8")
    result = _run(tmp_path, root, once=_FAILS_ONCE, other=_PASSES)
    assert result.returncode == 0, result.stdout
    assert "to be fixed:\n  test_once.py::test_fails_once" in result.stdout


def test_a_test_that_fails_twice_fails_the_run(tmp_path: Path, root: Path) -> None:
    result = _run(tmp_path, root, always=_FAILS, once=_FAILS_ONCE, other=_PASSES)
    assert result.returncode == 1
    assert "to be fixed" not in result.stdout


def test_a_file_that_cannot_be_collected_is_final(tmp_path: Path, root: Path) -> None:
    result = _run(tmp_path, root, broken="import nothing_of_that_name\n", other=_PASSES)
    assert result.returncode != 0
    assert "second look" not in result.stdout


@pytest.mark.parametrize("status", [status for status in pytest.ExitCode if status != pytest.ExitCode.TESTS_FAILED])
def test_a_run_that_ended_early_is_final(status: pytest.ExitCode) -> None:
    assert not deserves_second_look(status, ["tests/test_one.py::test_one"])


def test_a_run_without_failures_is_not_repeated() -> None:
    assert not deserves_second_look(pytest.ExitCode.OK, [])
    assert not deserves_second_look(pytest.ExitCode.TESTS_FAILED, [])


def test_failures_of_many_files_are_final() -> None:
    failed = [f"tests/test_{number}.py::test_one" for number in range(FILES_MAX + 1)]
    assert deserves_second_look(1, failed[:-1])
    assert not deserves_second_look(1, failed)
