"""Install AIPerf into `.venv-bench`: `python3 -m tools.bench_tools` (what `make bench-tools` runs).

Standard library only, since it runs before anything is installed. It does nothing if the environment is made of this checkout's lock, and
may be interrupted: the stamp is written last.
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
VENV: Final = ".venv-bench"
LOCK: Final = "requirements-bench.lock"
FREE_DISK_GB: Final = 3
"""1.2 GB installed, and the wheels that are unpacked (measured: aiperf 0.13.0)."""
_GB: Final = 10**9


def stamp(root: Path) -> Path:
    """Return the path of the file that exists if the environment is made of this checkout's lock.

    Args:
        root: The repository.
    """
    digest = hashlib.sha256((root / LOCK).read_bytes()).hexdigest()[:16]
    return root / VENV / f".installed-{digest}"


def commands(root: Path, uv: Path | None) -> list[list[str]]:
    """Return the commands that make the environment.

    Args:
        root: The repository.
        uv: uv's executable; None for pip.
    """
    venv, lock = root / VENV, ["--no-deps", "--require-hashes", "--requirement", str(root / LOCK)]
    python = str(venv / "bin" / "python")
    if uv is not None:
        return [
            [str(uv), "venv", "--quiet", "--clear", "--python", uv_tool.PYTHON, str(venv)],
            [str(uv), "pip", "install", "--quiet", "--python", python, *lock],
        ]
    return [
        [uv_tool.PYTHON, "-m", "venv", "--clear", str(venv)],
        [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet", *lock],
    ]


def main(root: Path = ROOT) -> int:
    """Make the environment if it is missing or was made of another lock; return the exit status."""
    with uv_tool.exclusive(root, "bench", busy="bench-tools: waiting for another installation"):
        if stamp(root).exists():
            return 0
        free = shutil.disk_usage(root).free / _GB
        if free < FREE_DISK_GB:
            print(f"bench-tools: {free:.1f} GB free, {FREE_DISK_GB} are needed; free some and run it again")
            return 1
        uv = uv_tool.find(root=root)
        environment = dict(os.environ) if uv is None else uv_environment(uv, os.environ)
        print("bench-tools: installing AIPerf into .venv-bench", flush=True)
        for command in commands(root, uv):
            status = subprocess.run(command, check=False, env=environment).returncode
            if status != 0:
                print(f"bench-tools: {command[0]} failed (exit {status}), see above; run it again to go on")
                return 1
        stamp(root).touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
