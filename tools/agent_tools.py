"""Install the agents' packages into `.venv-agent`: `python3 -m tools.agent_tools` (what `make agent-tools` runs).

Standard library only, since it runs before anything is installed. It does nothing if the environment is made of this checkout's locks, and
may be interrupted: the stamp is written last. The environment runs both agents on this machine, with the versions of their code zips.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.setup import uv as uv_tool
from tools.setup.indexes import uv_environment

ROOT: Final = Path(__file__).resolve().parent.parent
VENV: Final = ".venv-agent"
LOCKS: Final = ("agent/requirements-mlflow.lock", "agent/langgraph_example/requirements.lock")
"""The agent's packages and MLflow's first; the example's have the same versions where both name one (`tools/lock.py`)."""
FREE_DISK_GB: Final = 1
"""0.2 GB installed, and the wheels that are unpacked (measured: strands-agents 1.62.0, langgraph 1.2.24)."""
_GB: Final = 10**9


def stamp(root: Path) -> Path:
    """Return the path of the file that exists if the environment is made of this checkout's locks.

    Args:
        root: The repository.
    """
    digest = hashlib.sha256(b"".join((root / lock).read_bytes() for lock in LOCKS)).hexdigest()[:16]
    return root / VENV / f".installed-{digest}"


def commands(root: Path, uv: Path | None) -> list[list[str]]:
    """Return the commands that make the environment.

    Args:
        root: The repository.
        uv: uv's executable; None for pip.
    """
    venv = root / VENV
    options = ["--no-deps", "--require-hashes"]
    lists = [[*options, "--requirement", str(root / lock)] for lock in LOCKS]
    python = str(venv / "bin" / "python")
    if uv is not None:
        return [
            [str(uv), "venv", "--quiet", "--clear", "--python", uv_tool.PYTHON, str(venv)],
            *([str(uv), "pip", "install", "--quiet", "--python", python, *words] for words in lists),
        ]
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    return [[uv_tool.PYTHON, "-m", "venv", "--clear", str(venv)], *([*pip, *words] for words in lists)]


def main(root: Path = ROOT) -> int:
    """Make the environment if it is missing or was made of other locks; return the exit status."""
    with uv_tool.exclusive(root, "agent", busy="agent-tools: waiting for another installation"):
        if stamp(root).exists():
            return 0
        free = shutil.disk_usage(root).free / _GB
        if free < FREE_DISK_GB:
            print(f"agent-tools: {free:.1f} GB free, {FREE_DISK_GB} are needed; free some and run it again")
            return 1
        uv = uv_tool.find(root=root)
        environment = dict(os.environ) if uv is None else uv_environment(uv, os.environ)
        print("agent-tools: installing the agents' packages into .venv-agent", flush=True)
        for command in commands(root, uv):
            status = subprocess.run(command, check=False, env=environment).returncode
            if status != 0:
                print(f"agent-tools: {command[0]} failed (exit {status}), see above; run it again to go on")
                return 1
        stamp(root).touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
