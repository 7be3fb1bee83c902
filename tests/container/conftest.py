"""What the container's tests share: its package on the path, and the real engine when it is installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from localcloud.engine.recipe import EngineMissingError, engine_python

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT / "container", Path(__file__).parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in [item for item in items if item.get_closest_marker("last")]:
        items.remove(item)
        after = max((place for place, other in enumerate(items) if other.path == item.path), default=-1)
        items.insert(after + 1, item)
    reason = _why_no_engine()
    if reason is None:
        return
    for item in items:
        if item.get_closest_marker("engine") and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


def _why_no_engine() -> str | None:
    if os.environ.get("ENGINE") == "0":
        return "ENGINE=0: tests that need the SGLang engine are left out"
    try:
        engine_python()
    except EngineMissingError as error:
        return str(error)
    return None


@pytest.fixture(scope="session")
def models(tiny_models: Path) -> dict[str, Path]:
    """The tiny model and its adapters."""
    return {path.name: path for path in tiny_models.iterdir()}
