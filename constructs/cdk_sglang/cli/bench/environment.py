"""What can be measured: read by `cdk_sglang.environments.bench.bench_environment`, or by a function of an app with settings of its own.

`CDK_SGLANG_BENCH` names that function as `module:function`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cdk_sglang.environments.location import ENVIRONMENTS
from cdk_sglang.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from cdk_sglang.benchmarking.target import BenchEnvironment

READER: Final = "CDK_SGLANG_BENCH"
HISTORY: Final = "CDK_SGLANG_BENCH_HISTORY"
DEFAULT_HISTORY: Final = ".bench/history"


def read_environment(name: str, folder: Path | None) -> BenchEnvironment:
    """Return what can be measured in an environment.

    Args:
        name: The environment.
        folder: Folder of the environments; `environments` by default.

    Raises:
        ConfigurationError: The variable names no function, or the environment is wrong.
    """
    return _reader()(name, folder=folder or ENVIRONMENTS)


def _reader() -> Callable[..., BenchEnvironment]:
    place = os.environ.get(READER)
    if not place:
        from cdk_sglang.environments.bench import bench_environment

        return bench_environment
    module_name, _, function = place.partition(":")
    directory = str(Path.cwd())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    try:
        reader: Callable[..., BenchEnvironment] = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            [
                Problem(
                    "--env",
                    f"{place} cannot be loaded ({error}); run in the folder of the app, or name a function in {READER}",
                )
            ]
        ) from None
    return reader


def history_location(option: str | None) -> str:
    """Return the place of the history: as given, from the environment variable, or a folder in the current one."""
    return option or os.environ.get(HISTORY) or DEFAULT_HISTORY
