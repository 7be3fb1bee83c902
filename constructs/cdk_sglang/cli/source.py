"""The reader of an environment: this library, or a function of the user's own app, which a variable names."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cdk_sglang.errors import ConfigurationError, Problem

Said = TypeVar("Said")


def from_app(environment: str, folder: Path | None, *, variable: str, default: Callable[..., Said]) -> Said:
    """Return what the app's reader returns for an environment.

    Args:
        environment: Name of the environment.
        folder: Folder of the environments; the reader's own by default.
        variable: Environment variable with `module:function` of an app's own reader.
        default: The reader if the variable is not set.

    Raises:
        ConfigurationError: There is no reader, or the environment's settings are wrong.
    """
    return told_by(reader_of(variable, default), environment, folder)


def told_by(reader: Callable[..., Said], environment: str, folder: Path | None) -> Said:
    """Return what a reader returns for an environment.

    Args:
        reader: Takes the environment's name, and the folder as `folder`.
        environment: Name of the environment.
        folder: Folder of the environments; the reader's own by default.

    Raises:
        ConfigurationError: The reader takes no folder, or the environment's settings are wrong.
    """
    if folder is None:
        return reader(environment)
    if "folder" not in inspect.signature(reader).parameters:
        text = "this app's reader of environments takes no folder; leave the option out, or give the reader an argument `folder`"
        raise ConfigurationError([Problem("--environments", text)])
    return reader(environment, folder=folder)


def reader_of(variable: str, default: Callable[..., Said]) -> Callable[..., Said]:
    """Return the reader that a variable names, looked for in the current directory too, else the default.

    Args:
        variable: Environment variable with `module:function` of an app's own reader.
        default: The reader if the variable is not set.

    Raises:
        ConfigurationError: There is no such function.
    """
    reference = os.environ.get(variable)
    if not reference:
        return default
    module_name, _, function = reference.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        reader: Callable[..., Said] = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError) as error:
        text = f"no reader of environments at {reference} ({error}); run it in the app's root, or name module:function in {variable}"
        raise ConfigurationError([Problem("--env", text)]) from error
    return reader
