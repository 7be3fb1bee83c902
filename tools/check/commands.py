"""Run the repository's own command-line tools: those in .venv/bin and node_modules/.bin before any other."""

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
"""Exit codes of shells and timeout(1)."""


def run(command: Sequence[str], *, timeout_seconds: float, variables: Mapping[str, str]) -> tuple[int, str]:
    """Run a command in the repository's root and return its exit status and output.

    Args:
        command: Name and arguments.
        timeout_seconds: Time after which the command is stopped.
        variables: Environment of the command; the paths of tools, node and packages are added.
    """
    environment = {
        **variables,
        "PATH": os.pathsep.join([*map(str, _FOLDERS), variables.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "constructs"), str(ROOT)]),
        **({"JSII_NODE": str(_NODE)} if _NODE.exists() else {}),
    }
    # The program is looked up here, since the PATH of a child is not used to find the child itself.
    program = shutil.which(command[0], path=environment["PATH"])
    if program is None:
        return NOT_FOUND, f"{command[0]}: not found; run `make setup`"
    try:
        process = subprocess.run(
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
    return process.returncode, process.stdout + process.stderr
