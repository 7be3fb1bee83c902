"""A stand-in for the SageMaker runtime and the engine behind it: no model, but answers that a test wrote, in the formats of both."""

from __future__ import annotations

import json
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from moto.core.eventstream import EventStreamEncoder

from tests.agent.stand_in import Request, Response

ENDPOINT, COMPONENT = "fleet-chat", "fleet-chat-llama"
NO_CAPACITY = (
    "Inference Component fleet-chat-llama has no capacity to process this request. ApplicationAutoScaling may be in-progress (if configured) "
    "or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)
_EVENT_STREAM = "application/vnd.amazon.eventstream"
_FRAME = EventStreamEncoder()


@dataclass
class Answer:
    """One answer: text or a tool call, or an error before it or within it."""

    text: str = ""
    tool: tuple[str, Any] | None = None
    tokens: tuple[int, int] = (10, 5)
    error: tuple[int, str, str] | None = None
    """HTTP status, SageMaker's code, message."""
    breaks: str = ""
    """`exception`: an event of SageMaker's in the stream; `connection`: cut; `engine`: SGLang's error event; `silent`: an end without a reason."""
    gate: threading.Event | None = None
    finish: str = ""


def asleep() -> Answer:
    return Answer(error=(400, "ValidationError", NO_CAPACITY))


@dataclass
class ModelStandIn:
    """Answers in the order of the script, then with `Intake finished.`"""

    script: deque[Answer] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)
    rule: Callable[[dict[str, Any]], Answer] | None = None
    others: dict[str, Callable[[dict[str, Any]], Answer]] = field(default_factory=dict)
    """Rules of other components, by name."""

    def says(self, *answers: Answer) -> None:
        self.requests.clear()
        self.script = deque(answers)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [request.json for request in self.requests]

    def __call__(self, request: Request) -> Response:
        streams = request.path == f"/endpoints/{ENDPOINT}/invocations-response-stream"
        openai = request.path == f"/endpoints/{ENDPOINT}/inference-components/{COMPONENT}/openai/v1/chat/completions"
        if not (streams or openai) or request.signed_for() != "sagemaker":
            return _error(403, "AccessDeniedException", "User is not authorized to perform: sagemaker:InvokeEndpoint")
        component = request.headers.get("x-amzn-sagemaker-inference-component", "")
        if streams and component in self.others:
            answer = self.others[component](request.json)
            return Response(200, {"content-type": _EVENT_STREAM}, _frames(answer, _sse(answer, request.json)))
        if streams and component != COMPONENT:
            return _error(
                400, "ValidationError", "Inference Component Name header is required for endpoints to which …"
            )
        self.requests.append(request)
        if self.rule is not None:
            answer = self.rule(request.json)
        else:
            answer = self.script.popleft() if self.script else Answer("Intake finished.")
        if answer.error:
            return _error(*answer.error)
        parts = _sse(answer, request.json)
        if openai:
            return Response(200, {"content-type": "text/event-stream"}, parts)
        return Response(200, {"content-type": _EVENT_STREAM}, _frames(answer, parts))


def _error(status: int, code: str, message: str) -> Response:
    content: dict[str, Any] = {"message": message}
    if code == "ModelError":  # the container's own status and text
        content = {"Message": message, "OriginalStatusCode": status, "OriginalMessage": message, "LogStreamArn": "arn"}
        status = 424
    return Response.of(content, status, **{"x-amzn-errortype": code})


def _sse(answer: Answer, body: dict[str, Any]) -> Iterator[bytes]:
    base = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "default"}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return f"data: {json.dumps({**base, 'choices': [choice]}, ensure_ascii=False)}\n\n".encode()

    if answer.gate is not None:
        answer.gate.wait(30)
    yield chunk({"role": "assistant", "content": ""})
    for word in answer.text.split(" ") if answer.text else ():
        yield chunk({"content": f"{word} "})
    if answer.breaks == "connection":
        raise ConnectionError
    if answer.breaks == "engine":
        yield b'data: {"error": {"object": "error", "message": "scheduler died", "code": 500}}\n\n'
    if answer.breaks:
        return
    if answer.tool:
        name, arguments = answer.tool
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        first = {"id": "call_1", "index": 0, "type": "function", "function": {"name": name, "arguments": ""}}
        yield chunk({"tool_calls": [first]})
        for at in range(0, len(text), 9):
            yield chunk(
                {"tool_calls": [{"id": None, "index": 0, "function": {"name": None, "arguments": text[at : at + 9]}}]}
            )
    yield chunk({}, answer.finish or ("tool_calls" if answer.tool else "stop"))
    if (body.get("stream_options") or {}).get("include_usage"):
        read, written = answer.tokens
        usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        yield f"data: {json.dumps({**base, 'choices': [], 'usage': usage})}\n\n".encode()
    yield b"data: [DONE]\n\n"


def _frames(answer: Answer, parts: Iterator[bytes]) -> Iterator[bytes]:
    """The answer in SageMaker's event stream, whose parts begin and end anywhere, in a character too."""
    chance = random.Random(7)
    for part in parts:
        rest = part
        while rest:
            size = chance.randint(1, 60)
            headers = {
                ":event-type": "PayloadPart",
                ":content-type": "application/octet-stream",
                ":message-type": "event",
            }
            yield _FRAME.encode_message(headers, rest[:size])
            rest = rest[size:]
    if answer.breaks == "exception":
        headers = {
            ":exception-type": "ModelStreamError",
            ":content-type": "application/json",
            ":message-type": "exception",
        }
        yield _FRAME.encode_message(
            headers, b'{"Message": "the container closed the stream", "ErrorCode": "ModelInvocationTimeExceeded"}'
        )
