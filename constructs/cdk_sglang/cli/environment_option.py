"""The options `--env` and `--environments` of every command: `--env` takes a name, or the path of an environment's file."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

import typer

from cdk_sglang.environments.location import ENVIRONMENTS, Location, locate, there_text
from cdk_sglang.errors import ConfigurationError, Problem

_ENV: Final = "--env"
_FOLDER_OPTION: Final = "--environments"
_folder: ContextVar[Path | None] = ContextVar("folder of environments", default=None)


def env_option(text: str, *, is_new: bool = False) -> Any:
    """Return the option `--env`; a path also says what the folder of environments is.

    Args:
        text: Help of the option.
        is_new: Whether the command writes the file, so that it need not exist.
    """
    return typer.Option(
        _ENV, metavar="NAME|PATH", help=text, is_eager=True, callback=_new_name if is_new else _existing_name
    )


def environments_option(text: str = "Folder of environments, with your models and prices.") -> Any:
    """Return the option `--environments`, of commands that have `--env`: the folder of a path in `--env` by default.

    Args:
        text: Help of the option.
    """
    return typer.Option(_FOLDER_OPTION, help=text, callback=_chosen_folder)


def environments_folder() -> Path:
    """Return the folder of environments that the options of the running command name; `environments` by default."""
    return _folder.get() or ENVIRONMENTS


def shown_env(name: str, folder: Path | None) -> str:
    """Return the value of `--env` for an environment, for commands that a message suggests.

    Args:
        name: Name of the environment.
        folder: Folder of environments; the default folder if None.
    """
    return name if folder in {None, ENVIRONMENTS} else str((folder or ENVIRONMENTS) / f"{name}.yaml")


def _new_name(context: typer.Context, value: Any) -> Any:
    return _names(context, value, must_exist=False)


def _existing_name(context: typer.Context, value: Any) -> Any:
    return _names(context, value, must_exist=True)


def _names(context: typer.Context, value: Any, *, must_exist: bool) -> Any:
    texts = [value] if isinstance(value, str) else list(value or ())
    found = [locate(text, option=_ENV, folder_option=_FOLDER_OPTION) for text in texts]
    if must_exist:
        _check_files(found)
    folders = list(dict.fromkeys(one.folder for one in found))
    if len({(folder or ENVIRONMENTS).resolve() for folder in folders}) > 1:
        shown = " and ".join(str(folder or ENVIRONMENTS) for folder in folders)
        raise ConfigurationError([Problem(_ENV, f"environments of {shown}; those of one command are in one folder")])
    _remember(context, next((folder for folder in folders if folder is not None), None))
    if not found:
        return value
    return found[0].name if isinstance(value, str) else [one.name for one in found]


def _check_files(found: list[Location]) -> None:
    problems = [
        Problem(_ENV, f"no such file: {one.file}; {there_text(one.file.parent, one.name)}")
        for one in found
        if one.is_path and not one.file.is_file()
    ]
    if problems:
        raise ConfigurationError(problems)


def _chosen_folder(context: typer.Context, value: Path | None) -> Path | None:
    """Return the folder that one of the two options names; refuse two different ones."""
    of_path = _folder.get()
    is_given = getattr(context.get_parameter_source("environments"), "name", "") == "COMMANDLINE"
    if of_path is None or value is None or not is_given:
        folder = of_path or value
    elif of_path.resolve() == value.resolve():
        folder = value
    else:
        text = f"{value} is not {of_path}, where the file of {_ENV} is; leave {_FOLDER_OPTION} out, or give {_ENV} a name alone"
        raise ConfigurationError([Problem(_FOLDER_OPTION, text)])
    _remember(context, folder)
    return folder


def _remember(context: typer.Context, folder: Path | None) -> None:
    token = _folder.set(folder)
    context.call_on_close(lambda: _folder.reset(token))
