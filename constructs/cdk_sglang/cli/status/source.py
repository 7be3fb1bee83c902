"""Where the command learns what an environment should be: a function of the app, as for `cdk-sglang plan --env`."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.observability.observed_fleet import ObservedFleet

VARIABLE: Final = "CDK_SGLANG_OBSERVED"
"""Environment variable with `module:function` of an app's own reader."""
_DEFAULT: Final = "stacks.planning:observed_fleet"

FleetReader = Callable[..., ObservedFleet]
"""Takes an environment's name, and with `--environments` the folder of environments as `folder`."""


def observed_fleet(environment: str, folder: Path | None) -> ObservedFleet:
    """Return what is observed of an environment.

    Args:
        environment: Name of the environment.
        folder: Folder of the environments; the app's own by default.

    Raises:
        ConfigurationError: There is no reader, or the environment's settings are wrong.
    """
    reader = _reader()
    if folder is None:
        return reader(environment)
    if "folder" not in inspect.signature(reader).parameters:
        text = "this app's reader of environments takes no folder; leave the option out, or give the reader an argument `folder`"
        raise ConfigurationError([Problem("--environments", text)])
    return reader(environment, folder=folder)


def _reader() -> FleetReader:
    reference = os.environ.get(VARIABLE, _DEFAULT)
    module_name, _, function = reference.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        reader: FleetReader = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError) as error:
        text = f"no reader of environments at {reference} ({error}); run it in the app's root, or name module:function in {VARIABLE}"
        raise ConfigurationError([Problem("--env", text)]) from error
    return reader
