"""An environment file and the files that it extends: `extends: base.yaml` at its top.

The rule: mappings are merged key by key, any other value replaces the one below, and null removes a key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cdk_sglang.errors import ConfigurationError, Problem

EXTENDS: Final = "extends"
"""Key that names the file to extend, relative to the folder of environments."""
_LEVELS_MAX: Final = 8

Reader = Callable[[Path], object]
"""Reads the content of a file; raises ConfigurationError."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Content of one file, without `extends`.

    Args:
        path: The file.
        content: Its keys.
    """

    path: Path
    content: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Layers:
    """An environment's files.

    Args:
        files: The environment's own file, then what it extends, then what that extends.
    """

    files: tuple[Layer, ...]

    @property
    def merged(self) -> dict[str, Any]:
        """Settings of the environment after merging."""
        content: dict[str, Any] = {}
        for layer in reversed(self.files):
            content = _merged(content, layer.content)
        return content

    def source_of(self, place: str) -> str:
        """Return the file that a problem refers to: of the files that contain the most of its path, the topmost.

        Args:
            place: Path of the problem: names joined by dots.
        """
        names = place.replace("[", ".[").split(".")
        return str(max(self.files, key=lambda layer: _depth(layer.content, names)).path)


def read_layers(path: Path, *, folder: Path, read: Reader) -> Layers:
    """Read an environment's file and what it extends.

    Args:
        path: The environment's own file.
        folder: Folder of environments; files outside it are refused.
        read: Reads one file.

    Raises:
        ConfigurationError: A file cannot be read, or is not one that can be extended.
    """
    layers: list[Layer] = []
    here: Path | None = path
    while here is not None:
        content = read(here)
        if not isinstance(content, dict):
            by = f"{layers[-1].path} extends it, and it" if layers else "it"
            raise ConfigurationError([Problem(here, f"{by} is not a mapping of settings")])
        layers.append(Layer(path=here, content={key: value for key, value in content.items() if key != EXTENDS}))
        here = _below(content[EXTENDS], here, folder, layers) if EXTENDS in content else None
    return Layers(files=tuple(layers))


def _below(name: object, path: Path, folder: Path, layers: list[Layer]) -> Path:
    """Return the file that another extends."""

    def refuse(text: str) -> ConfigurationError:
        return ConfigurationError([Problem(EXTENDS, text, file=str(path))])

    if not isinstance(name, str) or not name:
        raise refuse(f"{name!r} is not a file name; use for example base.yaml")
    below = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise refuse(f"{name!r} is outside of {folder}; move the file into it")
    if not below.is_file():
        there = sorted(str(file.relative_to(folder)) for file in folder.rglob("*.yaml") if file != path)
        raise refuse(f"no such file: {below}; there are {', '.join(there) or 'none'}")
    if below in [layer.path for layer in layers]:
        raise refuse(f"{name!r} extends a file that extends this one; break the cycle")
    if len(layers) == _LEVELS_MAX:
        raise refuse(f"more than {_LEVELS_MAX} files extend each other in a row; use fewer")
    return below


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    content = dict(base)
    for key, value in own.items():
        if value is None and key in content:
            del content[key]
        elif isinstance(value, Mapping) and isinstance(content.get(key), Mapping):
            content[key] = _merged(content[key], value)
        else:
            content[key] = value
    return content


def _depth(content: object, names: list[str]) -> int:
    depth = 0
    while depth < len(names) and isinstance(content, Mapping) and names[depth] in content:
        content = content[names[depth]]
        depth += 1
    return depth
