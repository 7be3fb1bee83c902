"""One synthesised environment for all tests of the checkers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.check.assemblies import Assembly
from tools.check.mutants import ENVIRONMENT
from tools.check.synthesis import synthesise


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    (synthesis,) = synthesise([ENVIRONMENT], tmp_path_factory.mktemp("prod"))
    assert synthesis.problems() == []
    return Assembly(environment=ENVIRONMENT, folder=Path(synthesis.folder))
