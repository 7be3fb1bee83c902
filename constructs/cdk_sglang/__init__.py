"""AWS CDK constructs for serving open-weight models with SGLang on Amazon SageMaker."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdk_sglang.api import *  # noqa: F403


def __getattr__(name: str) -> object:
    """Load the constructs when the first of them is asked for.

    They start CDK's node process, which takes seconds; the command line plans, searches and asks without it, and a ctrl-C there would
    make it write a traceback over the command's own last line.
    """
    if name == "__all__" or not name.startswith("_"):
        api = importlib.import_module("cdk_sglang.api")
        if name == "__all__" or name in api.__all__:
            found: object = getattr(api, name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(importlib.import_module("cdk_sglang.api").__all__)
