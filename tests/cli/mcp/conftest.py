"""A folder with an app, in which a server is in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cdk_sglang.cli.mcp.call import Outcome, call
from cdk_sglang.cli.mcp.workspace import Workspace
from tests.support.assistants import app_folder, variables

Call = Callable[..., Outcome]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that is served."""
    folder = app_folder(tmp_path)
    monkeypatch.chdir(folder)
    # Those of whoever runs the tests, and of moto, which sets some where it is used.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables(folder).items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def ask(folder: Path) -> Call:
    """Call a tool in this process, without a session."""
    workspace = Workspace(root=folder)

    def run(tool: str, **arguments: Any) -> Outcome:
        return call(tool, arguments, workspace)

    return run
