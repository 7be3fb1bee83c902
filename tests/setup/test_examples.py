"""Properties see the same examples whatever else a process imported: what fails in CI fails when its file is run alone."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.internal.cache import LRUCache
from hypothesis.internal.conjecture import providers

CONSTANTS = range(1_000_001, 1_000_401)
"""Integers of the imported module: none of them is among Hypothesis's own, and chance finds one in 2,500,000."""


def _examples() -> list[tuple[int, str]]:
    drawn: list[tuple[int, str]] = []

    @settings(max_examples=300, derandomize=True)
    @given(number=st.integers(0, 10**9), text=st.text())
    def a_property(number: int, text: str) -> None:
        drawn.append((number, text))

    a_property()
    return drawn


@pytest.fixture
def _import_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Import a module like one of the repository: it is neither installed nor a test."""
    name = f"numbers_of_{tmp_path.name}"
    file = tmp_path / f"{name}.py"
    file.write_text(f"NUMBERS = {list(CONSTANTS)}\n", encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)


def test_an_import_changes_no_example(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("hypothesis_profile") == "explore":
        pytest.skip("explore looks further with the constants of imported modules")
    before = _examples()
    request.getfixturevalue("_import_a_module")
    assert _examples() == before
    assert len(before) == 300


@pytest.mark.usefixtures("_import_a_module")
def test_hypothesis_by_itself_draws_constants_of_imported_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holds the premise of the test above: without it, it would pass with nothing to see."""
    monkeypatch.setitem(providers.AVAILABLE_PROVIDERS, "hypothesis", providers.HypothesisProvider)
    monkeypatch.setattr(providers, "CONSTANTS_CACHE", LRUCache(1024))  # other tests go on without these constants
    assert {number for number, _ in _examples()} & set(CONSTANTS)
