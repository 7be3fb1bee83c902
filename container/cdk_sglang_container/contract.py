"""SageMaker's container contract, in front of SGLang's routes and inside its process.

An ASGI middleware: every body is read and checked here, whatever its path, since one that SGLang's scheduler cannot handle
ends the process for all callers. A request that names an adapter or a session is also rewritten.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from cdk_sglang_container import bidirectional
from cdk_sglang_container.admission import check_request, parse
from cdk_sglang_container.choice import choose_adapter
from cdk_sglang_container.errors import answer_error, answered
from cdk_sglang_container.http import (
    HttpError,
    VanishedError,
    answer,
    header,
    read_body,
    replay,
    with_header,
)
from cdk_sglang_container.passage import Passage
from cdk_sglang_container.request_log import RequestLog
from cdk_sglang_container.settings import DEFAULT_SLOW_AFTER_S
from cdk_sglang_container.tasks import CHAT, path_of
from cdk_sglang_container.tracing import joined

if TYPE_CHECKING:
    from collections.abc import Collection

    from cdk_sglang_container.health import Health
    from cdk_sglang_container.http import Application, Message, Receive, Scope, Send
    from cdk_sglang_container.limits import RequestLimits

# https://github.com/aws/model-hosting-container-standards, 0.1.16: sagemaker/lora/constants.py, sagemaker/sessions/models.py
ADAPTER_IDENTIFIER = "X-Amzn-SageMaker-Adapter-Identifier"
SESSION_ID = "X-Amzn-SageMaker-Session-Id"
NEW_SESSION_ID = "X-Amzn-SageMaker-New-Session-Id"
CLOSED_SESSION_ID = "X-Amzn-SageMaker-Closed-Session-Id"
NEW_SESSION, CLOSE = "NEW_SESSION", "CLOSE"

_INVOCATIONS = "/invocations"
# What SageMaker lets a caller reach: /invocations, and the OpenAI path's chat completions.
_CHAT_PATHS = frozenset({_INVOCATIONS, "/v1/chat/completions", "/v1/completions"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
# Uploads (SGLang's audio transcription) are not JSON; their route reads the form.
_FORMS = ("multipart/", "application/x-www-form-urlencoded")
_OK, _UNAVAILABLE, _ERRORS_FROM = 200, 503, 400


class Engine(Protocol):
    """What the contract needs from SGLang."""

    @property
    def draining(self) -> bool:
        """Whether the process was told to stop."""

    @property
    def base_model(self) -> str:
        """The served model name."""

    @property
    def adapters(self) -> Collection[str] | None:
        """Names of the adapters that may be used; None when LoRA is off."""

    @property
    def limits(self) -> RequestLimits:
        """Bounds of a request."""


class Sessions(Protocol):
    """Sticky sessions."""

    def create(self) -> tuple[str, str]:
        """Open a session; return its id, and the value of the header that announces it to SageMaker."""

    def check(self, session: str) -> None:
        """Raise `HttpError` unless the session is open."""

    def close(self, session: str) -> None:
        """Close it."""


class Contract:
    """The middleware.

    Args:
        app: SGLang's application.
        engine: SGLang's state.
        health: What `/ping` reports.
        sessions: Sticky sessions.
        max_body_bytes: A longer request is answered 413.
        slow_after_s: Seconds to the first part of an answer from which the log has a line about it.
        task: What a request to `/invocations` asks for; a chat by default.
    """

    def __init__(
        self,
        app: Application,
        *,
        engine: Engine,
        health: Health,
        sessions: Sessions,
        max_body_bytes: int,
        slow_after_s: float = DEFAULT_SLOW_AFTER_S,
        task: str = CHAT,
    ) -> None:
        self._app, self._engine, self._health, self._sessions = app, engine, health, sessions
        self._limit, self._slow_after_s, self._task = max_body_bytes, slow_after_s, task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        kind = scope["type"]
        if kind == "http":
            path = scope["path"]
            if path == "/ping" and scope["method"] == "GET":
                await answer(send, _OK if self._health.ok else _UNAVAILABLE, "")
            elif self._has_json(scope):
                await self._chat(scope, receive, send)
            else:
                uploads = scope["method"] in _WITH_BODY
                if uploads:
                    _ = self._engine.limits  # from here on the gate checks the request
                passage = Passage.begin(path) if uploads else Passage(reached=True)
                await answered(self._app, scope, receive, send, passage=passage)
        elif kind == "websocket" and scope["path"] == bidirectional.PATH:
            await bidirectional.serve(self._chat, scope, receive, send, limit=self._limit)
        elif kind == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @staticmethod
    def _has_json(scope: Scope) -> bool:
        """Whether a body must be read here; SGLang accepts some with GET too."""
        if scope["method"] not in _WITH_BODY and header(scope, "content-length") in {None, "0"}:
            return header(scope, "transfer-encoding") is not None
        return not (header(scope, "content-type") or "").lower().startswith(_FORMS)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown"):
                await self._health.stop()  # before uvicorn handles it, which ends the event loop
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                self._health.start()

        await self._app(scope, receive, watched)

    async def _chat(self, scope: Scope, receive: Receive, send: Send) -> None:
        log = RequestLog(scope, slow_after_s=self._slow_after_s)
        send = log.watched(send)
        passage = Passage.begin(scope["path"])
        try:
            admitted = await self._admit(joined(scope), receive, send)
            if admitted is not None:
                await answered(self._app, *admitted, passage=passage)
        except HttpError as error:
            log.refused(error)
            await answer_error(send, error)
        except VanishedError:
            return

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> tuple[Scope, Receive, Send] | None:
        """What to pass to SGLang; None if the request has already been answered."""
        chats = scope["path"] in _CHAT_PATHS
        if chats and self._engine.draining:
            raise HttpError(_UNAVAILABLE, "this copy is stopping", headers={"connection": "close"})
        body = await read_body(receive, limit=self._limit)
        if not body and not chats:
            return scope, replay(body, receive), send  # a command without a body
        limits = self._engine.limits
        request = parse(body, depth=limits.depth)
        check_request(request, limits)
        sent: Send | None = send
        if chats:
            scope, body, sent = await self._chosen(scope, body, request, send)
        return None if sent is None else (scope, replay(body, receive), sent)

    async def _chosen(
        self, scope: Scope, body: bytes, request: dict[str, Any], send: Send
    ) -> tuple[Scope, bytes, Send | None]:
        """Apply SageMaker's headers to the request; return no `send` if nothing else is left to do."""
        if scope["path"] == _INVOCATIONS and not _is_json(header(scope, "content-type")):
            # SGLang answers 500 to another content type; SageMaker's callers often set none.
            scope = with_header(scope, "content-type", "application/json")
        header_adapter, session = header(scope, ADAPTER_IDENTIFIER), header(scope, SESSION_ID)
        adapters = self._engine.adapters
        if adapters is None and header_adapter is not None:
            raise HttpError(404, f"The adapter {header_adapter} was not found: this server has LoRA off")
        if adapters is not None:
            chosen = choose_adapter(
                request, header_adapter=header_adapter, base=self._engine.base_model, adapters=adapters
            )
            if chosen is not request:
                body = json.dumps(chosen).encode()
                scope = with_header(scope, "content-length", str(len(body)))
        sent = send if session is None else await self._session(session, request, send)
        if (
            sent is not None
            and scope["path"] == _INVOCATIONS
            and (path := path_of(self._task, request)) != _INVOCATIONS
        ):
            scope = {**scope, "path": path, "raw_path": path.encode()}
        return scope, body, sent

    async def _session(self, session: str, request: dict[str, Any], send: Send) -> Send | None:
        """Open, check or close a session; return None if that was the whole request, else the `send` to answer through."""
        wish = request.get("requestType")
        if wish not in (None, NEW_SESSION, CLOSE):  # a JSON value may not be hashable
            raise HttpError(400, f"requestType must be {NEW_SESSION} or {CLOSE}, got {wish!r}", param="requestType")
        if session == NEW_SESSION:
            opened, announced = self._sessions.create()
            if wish == NEW_SESSION:
                await answer(send, _OK, f"Session {opened} created", headers={NEW_SESSION_ID: announced})
                return None
            return self._announcing(opened, announced, send)
        self._sessions.check(session)
        if wish == CLOSE:
            self._sessions.close(session)
            await answer(send, _OK, f"Session {session} closed", headers={CLOSED_SESSION_ID: session})
            return None
        return send

    def _announcing(self, session: str, announced: str, send: Send) -> Send:
        """Add the new session's header to a successful answer; close the session after a failed one."""

        async def announcing(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] < _ERRORS_FROM:
                    pair = (NEW_SESSION_ID.lower().encode(), announced.encode())
                    message = {**message, "headers": [*message.get("headers", ()), pair]}
                else:
                    self._sessions.close(session)
            await send(message)

        return announcing


def _is_json(content_type: str | None) -> bool:
    return content_type is not None and content_type.split(";", 1)[0].strip().lower() == "application/json"
