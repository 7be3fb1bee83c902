"""The chat box: one answer of a component, streamed as it arrives from InvokeEndpointWithResponseStream."""

from __future__ import annotations

import http
import json
import threading
from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, EventStreamError
from urllib3.exceptions import HTTPError
from werkzeug.wrappers import Response

from cdk_sglang.console.stream import event
from localcloud.aws.console import invoking

CHATS_MAX: Final = 4
"""Maximum number of answers in progress: each takes a thread of the server."""
TOKENS_MAX: Final = 2048
_MESSAGES_MAX: Final = 100
_ROLES: Final = ("system", "user", "assistant")
_free = threading.BoundedSemaphore(CHATS_MAX)


class BusyError(Exception):
    """The maximum number of answers is in progress; the message is shown on the page."""


def chat(arguments: dict[str, Any]) -> Response:
    """Stream the answer to a conversation: the engine's own events, or one event `problem`.

    Args:
        arguments: ``endpoint``, ``component``, ``messages`` as the chat API takes them, and ``max_tokens``.

    Raises:
        ValueError: An argument is malformed.
        BusyError: The maximum number of answers is in progress.
    """
    body = {
        "messages": _messages(arguments.get("messages")),
        "max_tokens": _tokens(arguments.get("max_tokens", 256)),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    parameters = invoking.request(str(arguments["endpoint"]), str(arguments["component"]), body)
    if not _free.acquire(blocking=False):
        raise BusyError(f"{CHATS_MAX} answers are under way; wait for one to end, or stop it")
    try:
        parts = invoking.runtime().invoke_endpoint_with_response_stream(**parameters)["Body"]
    except (ClientError, BotoCoreError) as error:
        _free.release()
        return Response(
            json.dumps({"message": str(error)}), status=http.HTTPStatus.BAD_GATEWAY, content_type="application/json"
        )
    response = Response(_events(parts), content_type="text/event-stream")
    response.call_on_close(parts.close)
    response.call_on_close(_free.release)
    return response


def _events(parts: Any) -> Iterator[bytes]:
    try:
        for part in parts:
            yield part["PayloadPart"]["Bytes"]
    except (EventStreamError, BotoCoreError, HTTPError, OSError) as error:
        yield b"\n\n" + event("problem", json.dumps({"message": str(error)}))


def _messages(messages: object) -> list[dict[str, str]]:
    if not isinstance(messages, list) or not 0 < len(messages) <= _MESSAGES_MAX:
        raise ValueError(f"messages: a list of 1 to {_MESSAGES_MAX}")
    for index, one in enumerate(messages):
        if not isinstance(one, dict) or one.get("role") not in _ROLES or not isinstance(one.get("content"), str):
            raise ValueError(f"messages.{index}: a role ({', '.join(_ROLES)}) and a content, which is text")
    return [{"role": one["role"], "content": one["content"]} for one in messages]


def _tokens(limit: object) -> int:
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= TOKENS_MAX:
        raise ValueError(f"max_tokens: {limit!r} is not allowed; use a whole number from 1 to {TOKENS_MAX}")
    return limit
