"""Which files of the tests share a worker."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest

from tests.e2e.engine.conftest import in_order
from tests.support.scheduling import AGENT, ENGINE, LONG, PROGRAMS, YOUNG, EnginesInARow, starts_engines


@pytest.mark.parametrize(
    "file",
    ["tests/e2e/engine/test_local_fleet.py", "tests/container/test_server.py", "tests/container/test_busy_engine.py"],
)
def test_files_that_start_engines_run_one_after_another(file: str) -> None:
    assert EnginesInARow._split_scope(object.__new__(EnginesInARow), f"{file}::TestAny::test_any[a::b]") == ENGINE


@pytest.mark.parametrize("file", ["tests/e2e/deployments/test_pools.py", "tests/container/test_gate.py"])
def test_other_files_are_handed_out_as_they_are(file: str) -> None:
    assert EnginesInARow._split_scope(object.__new__(EnginesInARow), f"{file}::test_any") == file


def test_the_files_that_share_the_agent_are_run_by_one_worker() -> None:
    scopes = {
        EnginesInARow._split_scope(object.__new__(EnginesInARow), f"tests/agent/{file}::test_any")
        for file in ("test_turns.py", "test_faults.py")
    }
    assert scopes == {AGENT}


def test_the_files_that_share_an_import_of_sglang_are_run_by_one_worker() -> None:
    scopes = {
        EnginesInARow._split_scope(object.__new__(EnginesInARow), f"tests/container/{file}::test_any")
        for file in ("test_spans.py", "test_closed_routes.py", "test_stubs.py", "test_adapter_memory.py")
    }
    assert scopes == {PROGRAMS}


def test_long_files_are_there_and_start_no_engine_of_the_row(root: Path) -> None:
    assert [file for file in YOUNG + LONG if not (root / file).is_file() or starts_engines(file)] == []


def test_engines_are_handed_out_first_then_long_files_then_those_with_many_tests() -> None:
    class Node:
        def __init__(self) -> None:
            self.handed_out: list[int] = []

        def send_runtest_some(self, indexes: list[int]) -> None:
            self.handed_out += indexes

    class Queue(EnginesInARow):
        def __init__(self) -> None:
            scopes = {"tests/many.py": 9, "tests/few.py": 2, LONG[1]: 1, LONG[0]: 1, ENGINE: 3}
            self.collection = [f"{scope}::test_{n}" for scope, count in scopes.items() for n in range(count)]
            self.workqueue = OrderedDict(
                (scope, {f"{scope}::test_{n}": False for n in range(count)}) for scope, count in scopes.items()
            )
            self.assigned_work, self.registered_collections = {}, {}

    queue, nodes = Queue(), [Node(), Node()]
    for node in nodes:
        queue.registered_collections[node] = queue.collection
    for node in (*nodes, nodes[1], nodes[1]):
        queue._assign_work_unit(node)
    taken = [[queue.collection[index].partition("::")[0] for index in node.handed_out] for node in nodes]
    assert [list(dict.fromkeys(one)) for one in taken] == [[ENGINE], [LONG[0], LONG[1], "tests/many.py"]]


def test_every_file_that_starts_an_engine_is_known(root: Path) -> None:
    users = [p for p in (root / "tests").rglob("test_*.py") if "EngineServer(" in p.read_text(encoding="utf-8")]
    known = [path for path in users if starts_engines(path.relative_to(root).as_posix())]
    assert set(users) - set(known) <= {Path(__file__)}
    assert len(known) >= 4


class Item:
    """As much of a test as its place is decided by."""

    def __init__(self, file: str, line: int) -> None:
        self.path, self._line = Path(file), line

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self._line, ""


def test_tests_that_share_a_fleet_stand_behind_one_another_however_the_files_were_shuffled() -> None:
    """Files of different lengths in another order: what lay between them tore a file in two, and its second half got a new fleet."""
    fleet = [Item("fleet.py", line) for line in (30, 10, 20)]
    short, other = Item("adapters.py", 1), [Item("other.py", line) for line in (1, 2)]
    items = [other[0], *fleet, other[1], short]
    in_order(items, [item for item in items if item.path.name != "other.py"])
    found = [(item.path.name, item.reportinfo()[1]) for item in items]
    assert found == [
        ("other.py", 1), ("adapters.py", 1), ("fleet.py", 10), ("fleet.py", 20), ("fleet.py", 30), ("other.py", 2),
    ]  # fmt: skip
