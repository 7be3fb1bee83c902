"""Where an environment's file is: its name in the folder of environments, or its path."""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from cdk_sglang.errors import ConfigurationError, Problem

ENVIRONMENTS: Final = Path("environments")
"""Folder of environments unless a path or an option names another one."""
_SUFFIX: Final = ".yaml"
_OTHER_SUFFIX: Final = ".yml"
_SHOWN: Final = 12
"""Environments that a message names; of more it names the nearest."""
_NEAREST: Final = 3


@dataclass(frozen=True, kw_only=True)
class Location:
    """An environment as an option names it.

    Attributes:
        name: Its name, which is its file's without `.yaml`.
        folder: Folder of environments; None if neither a path nor an option names one.
        is_path: Whether a path was given.
    """

    name: str
    folder: Path | None
    is_path: bool

    @property
    def file(self) -> Path:
        """The environment's file."""
        return (self.folder or ENVIRONMENTS) / f"{self.name}{_SUFFIX}"


def locate(
    reference: str, folder: Path | None = None, *, option: str, folder_option: str = "-c environments"
) -> Location:
    """Return the environment that a name or the path of a file stands for.

    `prod` is a name. What holds a slash is a path, with or without `.yaml`; `prod.yaml` alone is a file of the current folder if
    there is one, and the name `prod` otherwise. The folder of a path is the folder of environments: `models`, `prices.csv` and what the
    file extends are looked for in it.

    Args:
        reference: The name or the path.
        folder: Folder of environments that another option names; None if none does.
        option: Option with the name or path; begins the problems.
        folder_option: Option with the folder, for messages.

    Raises:
        ConfigurationError: The path is that of a folder or of a file with another suffix, or its folder is not that of the other option.
    """
    path = Path(reference)
    if not reference.strip():
        raise ConfigurationError([Problem(option, "is empty; give a name, such as dev, or the path of a file")])
    if path.suffix == _OTHER_SUFFIX:
        raise ConfigurationError(
            [
                Problem(
                    option, f"{reference!r}: files of environments end in {_SUFFIX}; rename it to {path.stem}{_SUFFIX}"
                )
            ]
        )
    name = path.name.removesuffix(_SUFFIX)
    has_folder = any(separator in reference for separator in (os.sep, os.altsep) if separator)
    if not has_folder and (folder is not None or path.suffix != _SUFFIX or not path.is_file()):
        return Location(name=name, folder=folder, is_path=False)
    found = Location(name=name, folder=path.parent, is_path=True)
    if reference.endswith("/") or not name or (path.is_dir() and not found.file.is_file()):
        raise ConfigurationError([Problem(option, f"{reference!r} is a folder; name a file in it; {there_text(path)}")])
    if folder is not None and folder.resolve() != path.parent.resolve():
        text = f"{reference!r} is not in {folder}, which {folder_option} names; leave {folder_option} out, or give the name {name} alone"
        raise ConfigurationError([Problem(option, text)])
    return Location(name=name, folder=folder or path.parent, is_path=True)


def there_text(folder: Path, name: str = "") -> str:
    """Return the environments of a folder as the end of a message.

    Args:
        folder: The folder, which need not exist.
        name: Name that was looked for, for the nearest of many.
    """
    if not folder.is_dir():
        return f"there is no folder {folder}; correct the path, or make one: cdk-sglang init --environments {folder}"
    there = sorted(file.stem for file in folder.glob(f"*{_SUFFIX}") if file.is_file())
    if not there:
        return f"{_shown_folder(folder)} has no environment yet; name a file elsewhere, or make one: cdk-sglang init"
    if len(there) > _SHOWN:
        near = get_close_matches(name, there, n=_NEAREST, cutoff=0.0)
        return f"nearest of {len(there)} environments in {_shown_folder(folder)}: {', '.join(near)}"
    return f"environments in {_shown_folder(folder)}: {', '.join(there)}"


def _shown_folder(folder: Path) -> str:
    return "this folder" if folder == Path() else str(folder)
