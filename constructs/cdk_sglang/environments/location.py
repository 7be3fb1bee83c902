"""Location of an environment's file, given by its name in the folder of environments or by its path."""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from cdk_sglang.errors import ConfigurationError, Problem

ENVIRONMENTS: Final = Path("environments")
"""Default folder of environments; a path or an option may name another one."""
_SUFFIX: Final = ".yaml"
_OTHER_SUFFIX: Final = ".yml"
_SHOWN: Final = 12
"""Maximum number of environments that a message lists; if there are more, it lists the most similar names."""
_NEAREST: Final = 3


@dataclass(frozen=True, kw_only=True)
class Location:
    """An environment as given by an option.

    Attributes:
        name: Its name: the file name without `.yaml`.
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
    """Return the environment that a name or a file path refers to.

    `prod` is a name. A reference with a slash is a path, with or without `.yaml`. `prod.yaml` alone is a file in the current folder if
    it exists, and the name `prod` otherwise. The folder of a path is the folder of environments: it is searched for `models`, `prices.csv`
    and the files that the environment extends.

    Args:
        reference: The name or the path.
        folder: Folder of environments that another option names; None if none does.
        option: Option with the name or path; the path of every problem.
        folder_option: Option with the folder, for messages.

    Raises:
        ConfigurationError: The path is a folder or a file with another suffix, or its folder differs from that of the other option.
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
    """Return the environments of a folder as the last part of a message.

    Args:
        folder: The folder, which need not exist.
        name: Name that was searched for; if there are many environments, the most similar names are listed.
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
