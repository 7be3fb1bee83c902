"""Runs the repository's own command-line tools: those in .venv/bin and node_modules/.bin before any other."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_NODE: Final = ROOT / ".venv/bin/node"
_FOLDERS: Final = (ROOT / ".venv/bin", ROOT / "node_modules/.bin")


NOT_FOUND: Final = 127
TIMED_OUT: Final = 124
"""Exit statuses as shells and timeout(1) have them."""


def run(command: Sequence[str], *, timeout_seconds: float, variables: Mapping[str, str]) -> tuple[int, str]:
    """Run a command in the repository's root and return its exit status and all it wrote.

    Args:
        command: Name and arguments.
        timeout_seconds: After so long it is stopped.
        variables: Its environment, besides what finds our tools, node and packages.
    """
    environment = {
        **variables,
        "PATH": os.pathsep.join([*map(str, _FOLDERS), variables.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "constructs"), str(ROOT)]),
        **({"JSII_NODE": str(_NODE)} if _NODE.exists() else {}),
    }
    # Looked up here: the PATH given to a child does not find the child itself.
    program = shutil.which(command[0], path=environment["PATH"])
    if program is None:
        return NOT_FOUND, f"{command[0]}: not found; run `make setup`"
    try:
        done = subprocess.run(
            [program, *command[1:]],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return TIMED_OUT, f"{command[0]}: stopped after {timeout_seconds:g} s"
    return done.returncode, done.stdout + done.stderr
