"""A client that waits: scale-from-zero, throttling and lost connections become a bounded wait with progress.

The client works on top of boto3 (`InferenceClient`) and of the openai client (`openai_client`, `async_openai_client`), and needs no CDK:
`pip install 'cdk-sglang[client]'`, or the distribution `cdk-sglang-client`, in which this package is called `cdk_sglang_client`; so its
modules name each other relatively (docs/adr/0040-light-client.md). docs/client.md lists which failures are retried, and why.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .boto import InferenceClient
    from .errors import (
        AnswerError,
        InferenceClientError,
        RouteError,
        WaitCancelledError,
        WaitExceededError,
    )
    from .failures import Reason
    from .images import image_part
    from .openai_path import async_openai_client, openai_client
    from .progress import Copies, OnProgress, Progress, State
    from .progress_line import ProgressLine
    from .route import Destination, Route
    from .transports import OpenAIAnswerError, OpenAIWaitCancelledError, OpenAIWaitExceededError
    from .wait import Wait

__all__ = [
    "AnswerError",
    "Copies",
    "Destination",
    "InferenceClient",
    "InferenceClientError",
    "OnProgress",
    "OpenAIAnswerError",
    "OpenAIWaitCancelledError",
    "OpenAIWaitExceededError",
    "Progress",
    "ProgressLine",
    "Reason",
    "Route",
    "RouteError",
    "State",
    "Wait",
    "WaitCancelledError",
    "WaitExceededError",
    "async_openai_client",
    "image_part",
    "openai_client",
]

_HOMES = {
    "boto": ("InferenceClient",),
    "errors": ("AnswerError", "InferenceClientError", "RouteError", "WaitCancelledError", "WaitExceededError"),
    "failures": ("Reason",),
    "images": ("image_part",),
    "openai_path": ("async_openai_client", "openai_client"),
    "progress": ("Copies", "OnProgress", "Progress", "State"),
    "progress_line": ("ProgressLine",),
    "route": ("Destination", "Route"),
    "transports": ("OpenAIAnswerError", "OpenAIWaitCancelledError", "OpenAIWaitExceededError"),
    "wait": ("Wait",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_EXTRAS = {"boto3": "", "botocore": "", "openai": "openai", "httpx2": "openai", "anyio": "openai", "rich": "terminal"}
"""Extra of `cdk-sglang-client` that installs a package; the distribution itself installs boto3."""


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that users of boto3 alone need not install or load openai."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        raise ModuleNotFoundError(
            f"{name} needs {error.name}: pip install {_requirement(_EXTRAS[package])}", name=error.name
        ) from error
    globals()[name] = value
    return value


def _requirement(extra: str) -> str:
    """Return the requirement that installs a missing package, for the distribution to which this file belongs."""
    if __name__ == "cdk_sglang.client":
        return "'cdk-sglang[client]'"
    return f"'cdk-sglang-client[{extra}]'" if extra else "cdk-sglang-client"


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
