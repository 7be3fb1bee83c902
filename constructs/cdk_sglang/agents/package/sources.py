"""The folder of an agent: which files are shipped, and a hash of everything that determines the zip."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdk_sglang.errors import ConfigurationError, Problem

ENTRY: Final = "main.py"
LOCK: Final = "requirements.lock"
MLFLOW_LOCK: Final = "requirements-mlflow.lock"
PYTHON: Final = "3.13"
PLATFORM: Final = "aarch64-manylinux_2_28"
"""AgentCore runs arm64; its images have glibc 2.28 or newer (uv's names of platforms, uv 0.13)."""
_FORMAT: Final = "1"
"""Changes whenever the same sources produce a different zip."""

_LEFT_OUT: Final = (
    "__pycache__",
    "*.pyc",
    ".*",
    "tests",
    "evals",
    "*_example",
    "requirements*.txt",
    "requirements*.lock",
    "*.zip",
)
"""Files and folders that are not shipped: generated, hidden, or for development."""


@dataclass(frozen=True, kw_only=True)
class AgentSources:
    """The folder of an agent, and what else determines the zip.

    Attributes:
        folder: The folder, with `main.py` and `requirements.lock`.
        mlflow: Whether the packages of `requirements-mlflow.lock` are shipped instead of those of `requirements.lock`.
    """

    folder: Path
    mlflow: bool = False

    @property
    def lock(self) -> Path:
        """Locked requirements with hashes."""
        return self.folder / (MLFLOW_LOCK if self.mlflow else LOCK)

    @staticmethod
    def read(folder: Path, *, mlflow: bool = False) -> AgentSources:
        """Return the sources of a folder.

        Args:
            folder: The folder.
            mlflow: Whether the packages of `requirements-mlflow.lock` are shipped instead of those of `requirements.lock`.

        Raises:
            ConfigurationError: Something is missing; one line per problem.
        """
        sources = AgentSources(folder=folder, mlflow=mlflow)
        if not folder.is_dir():
            raise ConfigurationError([Problem("", f"{folder} is not a folder; name one with {ENTRY} and {LOCK}")])
        problems = [
            Problem("", f"{folder / name} is missing; {what}")
            for name, what in (
                (ENTRY, "AgentCore starts it"),
                (sources.lock.name, "write it with: uv pip compile --generate-hashes --universal"),
            )
            if not (folder / name).is_file()
        ]
        if not problems and "--hash=sha256:" not in sources.lock.read_text(encoding="utf-8"):
            text = f"{sources.lock} has no hashes, so it is not fixed what is shipped; write it with: uv pip compile --generate-hashes"
            problems = [Problem("", text)]
        if problems:
            raise ConfigurationError(problems)
        return sources

    def files(self) -> Iterator[Path]:
        """Yield the shipped files as paths in the folder, sorted."""
        for path in sorted(self.folder.rglob("*")):
            relative = path.relative_to(self.folder)
            if path.is_file() and not any(_is_left_out(part) for part in relative.parts):
                yield relative

    def has_packages(self) -> bool:
        """Whether the lock names packages: an agent may need the standard library alone."""
        lines = self.lock.read_text(encoding="utf-8").splitlines()
        return any(line.strip() and not line.lstrip().startswith("#") for line in lines)

    def source_hash(self) -> str:
        """Return a hash of the sources, the locks, Python and the platform: the same zip has the same one on every machine."""
        digest = hashlib.sha256(f"{_FORMAT} {PYTHON} {PLATFORM}\n".encode())
        for name in (*self.files(), self.lock.relative_to(self.folder)):
            content = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
            digest.update(f"{content} {_is_program(self.folder / name):d} {name.as_posix()}\n".encode())
        return digest.hexdigest()


def _is_left_out(part: str) -> bool:
    return any(fnmatch.fnmatchcase(part, pattern) for pattern in _LEFT_OUT)


def _is_program(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)
