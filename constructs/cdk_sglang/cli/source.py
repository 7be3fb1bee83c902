"""What an app of the user's says about an environment: a function of the app, which a command finds by name."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from pathlib import Path
from typing import Any

from cdk_sglang.errors import ConfigurationError, Problem


def from_app(environment: str, folder: Path | None, *, variable: str, default: str) -> Any:  # noqa: ANN401  the caller knows its reader's type
    """Return what the app's reader says about an environment.

    Args:
        environment: Name of the environment.
        folder: Folder of the environments; the app's own by default.
        variable: Environment variable with `module:function` of an app's own reader.
        default: `module:function` of the reader where the variable is not set.

    Raises:
        ConfigurationError: There is no reader, or the environment's settings are wrong.
    """
    reader = _reader(variable, default)
    if folder is None:
        return reader(environment)
    if "folder" not in inspect.signature(reader).parameters:
        text = "this app's reader of environments takes no folder; leave the option out, or give the reader an argument `folder`"
        raise ConfigurationError([Problem("--environments", text)])
    return reader(environment, folder=folder)


def _reader(variable: str, default: str) -> Any:  # noqa: ANN401  as above
    reference = os.environ.get(variable, default)
    module_name, _, function = reference.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError) as error:
        text = f"no reader of environments at {reference} ({error}); run it in the app's root, or name module:function in {variable}"
        raise ConfigurationError([Problem("--env", text)]) from error
