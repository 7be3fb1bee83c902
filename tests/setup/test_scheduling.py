"""Which files of the tests share a worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.scheduling import ENGINE, EnginesInARow, starts_engines


@pytest.mark.parametrize(
    "file",
    ["tests/e2e/engine/test_local_fleet.py", "tests/container/test_server.py", "tests/container/test_busy_engine.py"],
)
def test_files_that_start_engines_run_one_after_another(file: str) -> None:
    assert EnginesInARow._split_scope(object.__new__(EnginesInARow), f"{file}::TestAny::test_any[a::b]") == ENGINE


@pytest.mark.parametrize("file", ["tests/e2e/deployments/test_pools.py", "tests/container/test_gate.py"])
def test_other_files_are_handed_out_as_they_are(file: str) -> None:
    assert EnginesInARow._split_scope(object.__new__(EnginesInARow), f"{file}::test_any") == file


def test_every_file_that_starts_an_engine_is_known(root: Path) -> None:
    users = [p for p in (root / "tests").rglob("test_*.py") if "EngineServer(" in p.read_text(encoding="utf-8")]
    known = [path for path in users if starts_engines(path.relative_to(root).as_posix())]
    assert set(users) - set(known) <= {Path(__file__)}
    assert len(known) >= 4
