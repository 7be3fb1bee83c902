"""The folder that the server was started in: environments and the user's models and prices are read only below it."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cdk_sglang.environments.location import ENVIRONMENTS
from cdk_sglang.errors import ConfigurationError, Problem

FILE_MAX_BYTES: Final = 1_000_000
"""Largest file that is read; an environment of a hundred components takes some 50,000 bytes."""
_MODELS: Final = "models"
_PRICES: Final = "prices.csv"
_SHOWN: Final = 20
"""Environments that a problem names."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentFile:
    """An environment whose files may be read.

    Attributes:
        name: Its name.
        folder: Its folder, relative to the root.
    """

    name: str
    folder: Path

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / f"{self.name}.yaml"


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """The folder that is served.

    Attributes:
        root: The folder, without symbolic links; it is the current folder of the process.
    """

    root: Path

    @classmethod
    def current(cls) -> Workspace:
        """Return the current folder."""
        return cls(root=Path.cwd().resolve())

    def environments(self) -> Path:
        """Return the folder of environments, after checking the models and prices next to them.

        Raises:
            ConfigurationError: A file next to the environments is outside of the root, too large, or not a file.
        """
        self._check_own(ENVIRONMENTS)
        return ENVIRONMENTS

    def environment(self, reference: str) -> EnvironmentFile:
        """Return an environment, after checking every file that is read with it.

        Args:
            reference: Its name, such as dev, or the path of its file from the root, such as environments/dev.yaml.

        Raises:
            ConfigurationError: The file or one that it extends is outside of the root, too large, or not a file.
        """
        if "\0" in reference:
            raise _refused("holds a zero byte; give a name, such as dev")
        path = Path(reference)
        if path.is_absolute() or ".." in path.parts:
            raise _refused(
                f"{reference!r} leads out of the folder that this server was started in; give a path below it"
            )
        if len(path.parts) == 1 and path.suffix != ".yaml":
            path = ENVIRONMENTS / f"{reference}.yaml"
        if path.suffix != ".yaml":
            raise _refused(
                f"{reference!r} is no environment file; give a name, such as dev, or the path of a .yaml file"
            )
        self._check_chain(path)
        self._check_own(path.parent)
        return EnvironmentFile(name=path.stem, folder=path.parent)

    def _check_chain(self, path: Path) -> None:
        """Check an environment's file and those that it extends."""
        from cdk_sglang.environments.layers import read_layers

        self._check(path)
        read_layers(path, folder=path.parent, read=self._content)

    def _content(self, path: Path) -> dict[str, Any]:
        """Return the content of a file, as far as the files that it extends can be found."""
        import yaml

        self._check(path)
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            content = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506  a safe loader, if possible in C
        except (OSError, ValueError, yaml.YAMLError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    def _check_own(self, folder: Path) -> None:
        """Check the user's models and prices next to environments."""
        models, prices = folder / _MODELS, folder / _PRICES
        if _is_there(prices):
            self._check(prices)
        if _is_there(models):
            self._check_inside(models)
            for file in sorted(models.glob("*.json")):
                self._check(file)

    def _check(self, path: Path) -> None:
        """Refuse whatever is not a small file below the root."""
        real = self._check_inside(path)
        try:
            found = real.stat()
        except FileNotFoundError:
            raise _refused(f"no such file: {path}; {self._there(path.parent)}") from None
        except OSError as error:
            raise _refused(f"{path} cannot be read: {error.strerror or error}; give another file") from None
        if not stat.S_ISREG(found.st_mode):
            raise _refused(f"{path} is {_kind(found.st_mode)}, not a file; give the path of a file")
        if found.st_size > FILE_MAX_BYTES:
            text = f"{path} has {found.st_size:,} bytes; {FILE_MAX_BYTES:,} is the most that is read, so is it the right file?"
            raise _refused(text)

    def _check_inside(self, path: Path) -> Path:
        """Return where a path leads, symbolic links included; refuse what is outside of the root."""
        try:
            real = (self.root / path).resolve()
        except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
            raise _refused(f"{path} cannot be followed: {error}; give a path without links") from None
        if not real.is_relative_to(self.root):
            raise _refused(f"{path} is a link out of the folder that this server was started in; copy the file into it")
        return real

    def _there(self, folder: Path) -> str:
        try:
            names = sorted(file.stem for file in (self.root / folder).glob("*.yaml"))
        except OSError:
            names = []
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return f"environments there: {', '.join(names[:_SHOWN]) or 'none'}{more}"


_ARGUMENT: Final = "environment"
"""Argument of the tools that name an environment."""


def _refused(text: str) -> ConfigurationError:
    return ConfigurationError([Problem(_ARGUMENT, text)])


def _is_there(path: Path) -> bool:
    """Return whether a name exists, a link that leads nowhere included."""
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")
