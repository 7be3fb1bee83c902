"""`/invocations-bidirectional-stream`: chat over a WebSocket, text in, streamed text out.

SageMaker's bidirectional streaming (https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-test-endpoints.html,
read 2026-11) opens a WebSocket to the container, pings it every 60 s (uvicorn answers) and closes after five missed pongs.

Every message is one turn. A JSON object with `messages` is a chat request as on `/invocations`; its answer is one text
frame per `chat.completion.chunk`. Any other text is a user's turn of the conversation that the connection holds; its answer
is one text frame per piece of text. Both end with the frame `[DONE]`. An error is a frame `{"error": {...}}`; the
connection stays open. A new message while an answer runs waits for its turn; when the caller disconnects, generation stops.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from cdk_sglang_container.admission import parse
from cdk_sglang_container.http import HttpError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cdk_sglang_container.http import Application, Message, Receive, Scope, Send

logger = logging.getLogger("cdk_sglang_container")

PATH = "/invocations-bidirectional-stream"
DONE = "[DONE]"
_CHAT_PATH = "/invocations"
_OK = 200
_WAITING_TURNS_MAX = 16
_DEPTH_MAX = 400  # deeper nesting cannot be parsed; the contract's own bound is lower
_ABORT_TIMEOUT_S = 5.0
# https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
_CLOSE_TOO_BIG, _CLOSE_POLICY = 1009, 1008


async def serve(app: Application, scope: Scope, receive: Receive, send: Send, *, limit: int) -> None:
    """Hold one conversation.

    Args:
        app: Answers `POST /invocations`, contract included.
        scope: The WebSocket's; its headers (adapter identifier) hold for every turn.
        receive: ASGI.
        send: ASGI.
        limit: Longest message in bytes.
    """
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    turns: asyncio.Queue[str] = asyncio.Queue(maxsize=_WAITING_TURNS_MAX)
    answering = asyncio.create_task(_answer_turns(app, scope, turns, send))
    try:
        while (message := await receive())["type"] == "websocket.receive":
            text = message.get("text")
            content = text.encode() if text is not None else message.get("bytes") or b""
            if len(content) > limit:
                await send({"type": "websocket.close", "code": _CLOSE_TOO_BIG, "reason": f"over {limit} bytes"})
                return
            try:
                turns.put_nowait(content.decode())
            except UnicodeDecodeError:
                await _send_error(send, 400, "a message must be UTF-8 text")
            except asyncio.QueueFull:
                await send({"type": "websocket.close", "code": _CLOSE_POLICY, "reason": "too many turns waiting"})
                return
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)


async def _answer_turns(app: Application, scope: Scope, turns: asyncio.Queue[str], send: Send) -> None:
    history: list[dict[str, str]] = []
    while True:
        turn = await turns.get()
        request = _as_request(turn)
        if request is not None:
            async for event in _chat(app, scope, {**request, "stream": True}):
                await send({"type": "websocket.send", "text": event})
        else:
            history.append({"role": "user", "content": turn})
            answer = [piece async for piece in _speak(app, scope, history, send)]
            if answer:
                history.append({"role": "assistant", "content": "".join(answer)})
            else:
                history.pop()
        await send({"type": "websocket.send", "text": DONE})


def _as_request(turn: str) -> dict[str, Any] | None:
    if not turn.lstrip().startswith("{"):
        return None
    try:
        request = parse(turn.encode(errors="replace"), depth=_DEPTH_MAX)
    except HttpError:
        return None
    return request if "messages" in request else None


async def _speak(app: Application, scope: Scope, history: list[dict[str, str]], send: Send) -> AsyncIterator[str]:
    """Send an answer's text as it arrives, and yield it."""
    async for event in _chat(app, scope, {"messages": history, "stream": True}):
        content = json.loads(event)
        if "error" in content:
            await send({"type": "websocket.send", "text": event})
            return
        for choice in content.get("choices", ()):
            piece = choice.get("delta", {}).get("content")
            if piece:
                await send({"type": "websocket.send", "text": piece})
                yield piece


async def _chat(app: Application, scope: Scope, request: dict[str, Any]) -> AsyncIterator[str]:
    """Call `POST /invocations` in this process; yield the data of its server-sent events, or one error."""
    body = json.dumps(request).encode()
    kept = [pair for pair in scope["headers"] if pair[0].startswith(b"x-amzn-sagemaker-")]
    headers = [*kept, (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    inner: Scope = {
        "type": "http",
        "asgi": scope["asgi"],
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": _CHAT_PATH,
        "raw_path": _CHAT_PATH.encode(),
        "root_path": scope.get("root_path", ""),
        "query_string": b"",
        "headers": headers,
        "client": scope.get("client"),
        "server": scope.get("server"),
        **{key: scope[key] for key in ("app", "state") if key in scope},  # Starlette's routes look up their app here
    }
    sent = [{"type": "http.request", "body": body, "more_body": False}]
    gone = asyncio.Event()
    answers: asyncio.Queue[Message | None] = asyncio.Queue()

    async def receive() -> Message:
        if sent:
            return sent.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def call() -> None:
        try:
            await app(inner, receive, answers.put)
        except Exception:
            logger.exception("a turn of a bidirectional stream failed")
        finally:
            answers.put_nowait(None)

    task = asyncio.create_task(call())
    try:
        async for data in _events(answers):
            yield data
    finally:
        gone.set()  # SGLang aborts the generation when its caller has disconnected
        await asyncio.wait({task}, timeout=_ABORT_TIMEOUT_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _events(answers: asyncio.Queue[Message | None]) -> AsyncIterator[str]:
    status, pending = 500, b""
    while (message := await answers.get()) is not None:
        if message["type"] == "http.response.start":
            status = message["status"]
            continue
        pending += message.get("body", b"")
        if status != _OK:
            continue
        *lines, pending = pending.split(b"\n\n")
        for line in lines:
            data = line.removeprefix(b"data: ").decode()
            if data == DONE:
                return
            yield data
    if status != _OK:
        yield _error(status, pending)


def _error(status: int, body: bytes) -> str:
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    message = content.get("message") if isinstance(content, dict) else None
    return json.dumps({"error": {"code": status, "message": message or "the request failed"}})


async def _send_error(send: Send, status: int, message: str) -> None:
    await send({"type": "websocket.send", "text": json.dumps({"error": {"code": status, "message": message}})})
