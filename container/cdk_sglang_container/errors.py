"""Errors in OpenAI's format, wherever they arise: in the contract, SGLang's routes, its framework, or Python."""

from __future__ import annotations

import json
import logging
import traceback
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cdk_sglang_container.http import HttpError, answer

if TYPE_CHECKING:
    from cdk_sglang_container.http import Application, Message, Receive, Scope, Send
    from cdk_sglang_container.passage import Passage

logger = logging.getLogger("cdk_sglang_container")

_ERRORS_FROM, _BAD_REQUEST, _INTERNAL, _UNSUPPORTED = 400, 400, 500, 501
_KINDS = {404: "NotFoundError", 413: "RequestTooLarge", 503: "ServiceUnavailable"}
_PREFIX = "Internal server error: "
_TEXT_MAX = 500


async def answer_error(send: Send, error: HttpError) -> None:
    """Send an error that the container itself detected."""
    content = _content(error.status, error.message, kind=None, param=error.param)
    await answer(send, error.status, content, headers=error.headers)


async def answered(app: Application, scope: Scope, receive: Receive, send: Send, *, passage: Passage) -> None:
    """Let SGLang answer; its errors get OpenAI's format, and an error before the request reached the scheduler is the caller's.

    Args:
        app: SGLang's application.
        scope: The request.
        receive: The request's body.
        send: Takes the answer.
        passage: Records whether the request reached the scheduler.
    """
    shaping = _Shaping(send, passage)
    try:
        await app(scope, receive, shaping)
    except Exception as error:
        if shaping.ended:  # the server would close the connection, and with it the caller's next request
            logger.warning("a request failed after its answer: %s", _place(error))
        elif shaping.begun:
            raise
        else:
            await shaping.fail(error)


class _Shaping:
    """A `send` that holds back an error until it is complete, and converts it to OpenAI's format."""

    def __init__(self, send: Send, passage: Passage) -> None:
        self._send, self._passage = send, passage
        self._start: Message | None = None
        self._parts: list[bytes] = []
        self.begun = self.ended = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= _ERRORS_FROM:
            self._start = message
        elif self._start is None:
            self.begun = True
            await self._send(message)
            self.ended = message["type"] == "http.response.body" and not message.get("more_body", False)
        else:
            self._parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                await self._finish(self._start, b"".join(self._parts))

    async def _finish(self, start: Message, body: bytes) -> None:
        self.begun = True
        status = self._status(start["status"])
        content = _shaped(status, body, was=start["status"])
        encoded = json.dumps(content).encode()
        dropped = (b"content-length", b"content-type")
        kept = [pair for pair in start.get("headers", ()) if pair[0].lower() not in dropped]
        fields = [(b"content-type", b"application/json"), (b"content-length", str(len(encoded)).encode())]
        await self._send({**start, "status": status, "headers": [*kept, *fields]})
        await self._send({"type": "http.response.body", "body": encoded})
        self.ended = True

    async def fail(self, error: Exception) -> None:
        """Answer for an application that raised an exception."""
        status = self._status(_INTERNAL)
        kind = type(error).__name__
        if status == _INTERNAL:
            logger.error("a request failed in the engine", exc_info=error)
            message = "the server failed to answer this request"
        else:
            logger.warning("a request that SGLang cannot read: %s", _place(error))
            message = f"the request cannot be carried out as it stands: {kind}: {str(error)[:_TEXT_MAX]}"
        await answer(self._send, status, _content(status, message, kind=None, param=None))

    def _status(self, status: int) -> int:
        if status in {_INTERNAL, _UNSUPPORTED} and not self._passage.reached:
            return _BAD_REQUEST
        return int(status)


def _place(error: Exception) -> str:
    """An error's type and place, without its text, which may contain the caller's."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {frames[-1].filename}:{frames[-1].lineno}" if frames else type(error).__name__


def _shaped(status: int, body: bytes, *, was: int) -> dict[str, Any]:
    """The content of an error in any format: OpenAI's, Anthropic's, FastAPI's, SGLang's older ones, or a text."""
    try:
        content = json.loads(body)
    except ValueError:
        content = body.decode("utf-8", "replace").strip()
    kind: object = None
    param: object = None
    code: object = None
    if isinstance(content, dict):
        inner = content.get("error", content)
        if isinstance(inner, dict):
            kind, param, code = inner.get("type"), inner.get("param"), inner.get("code")
            inner = inner.get("message", inner.get("detail", inner))
        content, outer = inner, content
    else:
        outer = {}
    message = content if isinstance(content, str) else json.dumps(content)
    message = message or HTTPStatus(status).phrase
    if status != was:
        kind, message = None, f"the request cannot be carried out as it stands: {message.removeprefix(_PREFIX)}"
    named = code if isinstance(code, str) and not code.isdecimal() else None
    shaped = _content(status, message, kind=kind if isinstance(kind, str) else None, param=param, code=named)
    if outer.get("type") == "error":  # Anthropic's clients look for it
        shaped["type"] = "error"
    return shaped


def _content(status: int, message: str, *, kind: str | None, param: object, code: str | None = None) -> dict[str, Any]:
    """OpenAI's error object, together with SGLang's older flat one."""
    kind = kind or _KINDS.get(status, "BadRequestError" if status < _INTERNAL else "InternalServerError")
    error = {"message": message, "type": kind, "param": param, "code": code or status}
    return {"error": error, "object": "error", **error}
