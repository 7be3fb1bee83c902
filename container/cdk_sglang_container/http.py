"""The part of ASGI that the contract needs: headers, whole bodies, short answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


_THROWN_AWAY_MAX_BYTES = 64 * 2**20


class HttpError(Exception):
    """An answer that ends the request.

    Args:
        status: HTTP status.
        message: For the caller; contains no prompts and no paths.
        headers: More response headers.
        param: The field of the request that is wrong. Default: none is named.
    """

    def __init__(
        self, status: int, message: str, *, headers: dict[str, str] | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.headers, self.param = status, message, headers or {}, param


class VanishedError(Exception):
    """The caller disconnected before its request was complete."""


def header(scope: Scope, name: str) -> str | None:
    """The value of a request header, or None."""
    lower_name = name.lower().encode()
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == lower_name), None)


def with_header(scope: Scope, name: str, value: str) -> Scope:
    """The same request with one header set."""
    key = name.lower().encode()
    kept = [(other, text) for other, text in scope["headers"] if other != key]
    return {**scope, "headers": [*kept, (key, value.encode("latin-1"))]}


async def read_body(receive: Receive, *, limit: int) -> bytes:
    """The whole request body.

    A body over the limit is read to its end and discarded before it is refused: a caller that is cut off while sending
    sees a broken connection instead of the answer.

    Raises:
        HttpError: 413 if it is longer than `limit` bytes.
        VanishedError: The caller closed the connection.
    """
    parts: list[bytes] = []
    size, most = 0, limit + _THROWN_AWAY_MAX_BYTES
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise VanishedError
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            parts.clear()
        else:
            parts.append(part)
        if size > most or not message.get("more_body", False):
            break
    if size > limit:
        raise HttpError(413, f"the request body is longer than {limit} bytes")
    return b"".join(parts)


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that returns the body once, and then the messages of the connection (that the caller disconnected)."""
    pending = [body]

    async def replayed() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return replayed


async def answer(send: Send, status: int, content: object, *, headers: dict[str, str] | None = None) -> None:
    """A short JSON (or, for a string, plain text) response."""
    text = isinstance(content, str)
    body = str(content).encode() if text else json.dumps(content).encode()
    kind = "text/plain; charset=utf-8" if text else "application/json"
    fields = {"content-type": kind, "content-length": str(len(body)), **(headers or {})}
    encoded = [(key.lower().encode(), value.encode("latin-1")) for key, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
