"""Which path of SGLang answers a component's task: `/invocations`, the only path that SageMaker calls, answers only chats in SGLang.

Paths and fields as in SGLang 0.5.23, srt/entrypoints/http_server.py and srt/entrypoints/openai/protocol.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cdk_sglang_container.http import HttpError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE: Final = "CDK_SGLANG_TASK"
CHAT: Final = "chat"


@dataclass(frozen=True, kw_only=True)
class _Task:
    path: str
    fields: tuple[str, ...]
    chats: bool = False


_TASKS: Final[Mapping[str, _Task]] = {
    CHAT: _Task(path="/invocations", fields=("messages",), chats=True),
    "completion": _Task(path="/v1/completions", fields=("prompt",), chats=True),
    "embedding": _Task(path="/v1/embeddings", fields=("input",)),
    "rerank": _Task(path="/v1/rerank", fields=("query", "documents")),
    "classify": _Task(path="/v1/classify", fields=("input",)),
}
TASKS: Final = tuple(_TASKS)
PATHS: Final = tuple(task.path for task in _TASKS.values())


def path_of(task: str, request: Mapping[str, Any]) -> str:
    """The path of SGLang that answers a request to `/invocations`.

    Args:
        task: What the server is for, one of `TASKS`.
        request: The request's body.

    Raises:
        HttpError: 400; the request is a chat, and the model does not chat.
    """
    one = _TASKS[task]
    if task == CHAT or "messages" not in request:
        return one.path
    if one.chats:
        return _TASKS[CHAT].path
    raise HttpError(
        400,
        f"this component's task is {task}, so it takes no messages; send {' and '.join(one.fields)} instead",
        param="messages",
    )
