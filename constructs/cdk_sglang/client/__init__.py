"""A client that waits: scale-from-zero, throttling and lost connections become a bounded wait with progress.

The client works on top of boto3 (`InferenceClient`) and of the openai client (`openai_client`, `async_openai_client`). It needs
`pip install 'cdk-sglang[client]'`, and no CDK. docs/client.md lists which failures are retried, and why.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdk_sglang.client.boto import InferenceClient
    from cdk_sglang.client.errors import (
        AnswerError,
        InferenceClientError,
        RouteError,
        WaitCancelledError,
        WaitExceededError,
    )
    from cdk_sglang.client.failures import Reason
    from cdk_sglang.client.openai_path import async_openai_client, openai_client
    from cdk_sglang.client.progress import Copies, OnProgress, Progress, ProgressLine, State
    from cdk_sglang.client.route import Destination, Route
    from cdk_sglang.client.transports import OpenAIAnswerError, OpenAIWaitCancelledError, OpenAIWaitExceededError
    from cdk_sglang.client.wait import Wait

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
    "openai_client",
]

_HOMES = {
    "boto": ("InferenceClient",),
    "errors": ("AnswerError", "InferenceClientError", "RouteError", "WaitCancelledError", "WaitExceededError"),
    "failures": ("Reason",),
    "openai_path": ("async_openai_client", "openai_client"),
    "progress": ("Copies", "OnProgress", "Progress", "ProgressLine", "State"),
    "route": ("Destination", "Route"),
    "transports": ("OpenAIAnswerError", "OpenAIWaitCancelledError", "OpenAIWaitExceededError"),
    "wait": ("Wait",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_OPTIONAL = frozenset({"boto3", "botocore", "openai", "httpx2", "anyio", "sagemaker"})


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that users of boto3 alone need not install or load openai."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _OPTIONAL:
            raise
        raise ModuleNotFoundError(
            f"{name} needs {error.name}: pip install 'cdk-sglang[client]'", name=error.name
        ) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
