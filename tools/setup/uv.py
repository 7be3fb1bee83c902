"""uv for the two set-ups of a checkout: installed once, by its hash, into an environment in `.make`.

If uv cannot be installed, pip installs the packages.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ".make"
LOCK: Final = "tools/setup/requirements.lock"
PYTHON: Final[str] = getattr(sys, "_base_executable", None) or sys.executable
"""The base interpreter of new environments: not that of an environment, which may be the one to recreate."""

_PIN: Final = re.compile(r"^uv==(\S+)", re.MULTILINE)


def version(lock: str) -> str:
    """Return the pinned version of uv.

    Args:
        lock: Text of `tools/setup/requirements.lock`.

    Raises:
        ValueError: The text pins no uv.
    """
    match = _PIN.search(lock)
    if match is None:
        raise ValueError(f"{LOCK} pins no uv; run `make lock`")
    return match[1]


def uses_uv(environment: Mapping[str, str]) -> bool:
    """Whether uv installs packages: yes, unless the variable `INSTALLER` is `pip`."""
    return environment.get("INSTALLER", "uv") != "pip"


def find(*, root: Path = ROOT) -> Path | None:
    """Find the executable of uv; install uv first if it is missing.

    Args:
        root: The repository.

    Returns:
        Path of the executable; None if uv cannot be installed or `INSTALLER=pip` is set.
    """
    if not uses_uv(os.environ):
        return None
    lock = root / LOCK
    folder = root / FOLDER / f"uv-{version(lock.read_text(encoding='utf-8'))}"
    executable = folder / "bin" / "uv"
    with exclusive(root, "uv"):
        if not executable.exists():
            unfinished = folder.with_name(f"{folder.name}.unfinished")
            problem = _problem_of_install(lock, unfinished)
            if problem:
                print(
                    f"uv cannot be installed here, so pip installs, which takes longer; the reason: {problem}",
                    flush=True,
                )
                return None
            unfinished.rename(folder)
    return executable


@contextmanager
def exclusive(root: Path, name: str, *, busy: str = "") -> Iterator[None]:
    """Hold a lock of this checkout; wait for the process that has it.

    Args:
        root: The repository.
        name: Name of the lock, for example `engine`.
        busy: Message to print before waiting; none by default.
    """
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    with (folder / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if busy:
                print(busy, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _problem_of_install(lock: Path, folder: Path) -> str:
    """Create an environment with pip and uv; return the last line of the output on failure, else an empty string."""
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    commands = [
        [PYTHON, "-m", "venv", "--clear", str(folder)],
        [*pip, "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", str(lock)],
        [str(folder / "bin" / "uv"), "--version"],
    ]
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except subprocess.CalledProcessError as error:
            return (error.stderr or error.stdout).strip().rpartition("\n")[2] or str(error)
        except OSError as error:
            return str(error)
    return ""
