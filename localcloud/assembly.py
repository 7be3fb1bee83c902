"""The templates of `make local`: made by the CDK CLI, and kept until one of their inputs changes.

Synth is pure (CONTRIBUTING.md: no network, clock, git, AWS or Docker; two synths are byte-identical), so the same sources give the same
templates, and the checks that passed once would pass again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from localcloud.background import LocalError
from localcloud.served import read_environment

_SOURCES: Final = (
    "app.py", "cdk.json", "cdk.context.json", "requirements.lock", "package-lock.json",
    "environments", "constructs", "stacks", "container",
)  # fmt: skip
"""Everything that the app reads, apart from what the environment names. Lock files stand for the packages."""
_VARIABLES: Final = ("CDK_", "JSII_", "PYTHON")
"""Prefixes of the environment variables that CDK, jsii and Python read."""
_RECORD: Final = "made-of"


def up_to_date(assembly: Path, sources: str) -> bool:
    """Whether the templates in the folder were made from these sources."""
    record = assembly / _RECORD
    return record.is_file() and record.read_text(encoding="utf-8") == sources


def refresh(assembly: Path, *, root: Path, synth: Callable[[], None], more: tuple[Path, ...] = ()) -> None:
    """Make the templates, unless those in the folder were made from the same sources.

    Args:
        assembly: Folder of the templates; nothing else writes to it.
        root: The repository.
        synth: Writes the templates to the folder.
        more: Further files and folders that the app reads.
    """
    sources = digest(root, *more)
    if up_to_date(assembly, sources):
        return
    shutil.rmtree(assembly, ignore_errors=True)
    synth()
    (assembly / _RECORD).write_text(sources, encoding="utf-8")


def digest(root: Path, *more: Path) -> str:
    """Hash of everything that determines the templates: files, and variables of this process."""
    found = hashlib.sha256(sys.version.encode())
    variables = sorted(pair for pair in os.environ.items() if pair[0].startswith(_VARIABLES))
    found.update(repr(variables).encode())
    for path in _files(root, *more):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        found.update(f"{path}\0{path.stat().st_mode:o}\0{content}\n".encode())
    return found.hexdigest()


def _files(root: Path, *more: Path) -> Iterator[Path]:
    for source in (*(root / name for name in _SOURCES), *_named(root), *more):
        found = [source] if source.is_file() else sorted(source.rglob("*"))
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _named(root: Path) -> Iterator[Path]:
    """Files and folders that the environment names, such as an adapter's."""
    settings: object = None
    with suppress(LocalError):  # the app reports it
        settings = read_environment(root / "environments" / "local.yaml")
    for text in _texts(settings):
        if os.path.exists(root / text) and not root.is_relative_to((root / text).resolve()):  # noqa: PTH110  it minds no text
            yield root / text


def _texts(value: object) -> Iterator[str]:
    """All texts of an environment: each may be a path."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
