"""What came back as an answer, and whether it is one: HTTP 200 is sent before a model has failed.

SGLang and other engines of the OpenAI format say an error of a stream inside it, as `data: {"error": {"message", "type", "code"}}`
(sglang 0.5.23, srt/entrypoints/openai/serving_base.py, create_streaming_error_response), and end every stream with `data: [DONE]`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from cdk_sglang.client.errors import AnswerError
from cdk_sglang.client.sse import Decoder, Event

_LAST_STATUS: Final = 599

_DONE: Final = b"[DONE]"
_MAY_PASS: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_PASSING_TYPES: Final = ("internal", "unavailable", "overloaded", "timeout", "rate")
"""Parts of the `type` of an error without a status: InternalServerError, SERVICE_UNAVAILABLE, rate_limit_error."""
_SHOWN_CHARACTERS: Final = 200


class ChatReader:
    """Reads one stream of a chat answer, or of completions, and refuses what is none.

    Args:
        place: What errors begin with: the component and its endpoint.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._decoder = Decoder()
        self.chunks = 0
        """Chunks of the answer that have come."""
        self.is_done = False
        """Whether the end mark has come; what comes after it is nobody's."""

    def feed(self, part: bytes) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield the chunks that are whole with this part, and where in it each of them ends.

        Raises:
            AnswerError: An event is an error, or no chunk.
        """
        for event, end in self._decoder.feed(part):
            if self.is_done:
                return
            if (chunk := self._chunk(event)) is not None:
                yield chunk, end

    def passed(self, part: bytes) -> Iterator[bytes]:
        """Yield the part as it is, without what an error is in.

        Raises:
            AnswerError: As above, after what came before it.
        """
        good = 0
        try:
            for _, end in self.feed(part):
                good = end
        except AnswerError:
            if good:
                yield part[:good]
            raise
        yield part

    def finish(self) -> None:
        """Say that nothing more comes.

        Raises:
            AnswerError: The answer is not whole, or was none.
        """
        cut = None if self.is_done else self._decoder.finish()
        if cut is not None and (cut.data == _DONE or _object(cut.data) is not None):
            self._chunk(cut)
        if self.is_done:
            return
        content = _object(self._decoder.stray)
        if content is not None and (error := failure_of(self._place, content, chunks=self.chunks)):
            raise error
        if self.chunks or cut is not None:
            raise broken_off(self._place, "it ended without its end mark, [DONE]", chunks=self.chunks)
        if content is not None and "choices" in content:
            text = f"{self._place}: the answer came in one piece, and a stream was asked for; ask without a stream"
            raise AnswerError(text, body=content)
        shown = self._decoder.stray[:_SHOWN_CHARACTERS].decode(errors="replace").strip()
        what = f"no stream of events came, but {shown!r}" if shown else "nothing came"
        raise AnswerError(f"{self._place}: a stream was asked for, and {what}", worth_retry=not shown)

    def _chunk(self, event: Event) -> dict[str, Any] | None:
        if event.data.strip() == _DONE:
            self.is_done = True
            return None
        content = _object(event.data)
        if content is None:
            shown = event.data[:_SHOWN_CHARACTERS].decode(errors="replace")
            raise AnswerError(f"{self._place}: an event of the answer is no JSON object: {shown!r}", chunks=self.chunks)
        is_error = event.name == "error"
        if error := failure_of(self._place, content, chunks=self.chunks, is_error=is_error):
            raise error
        self.chunks += 1
        return content


def whole_answer(place: str, body: bytes) -> dict[str, Any]:
    """Return an answer that came in one piece.

    Raises:
        AnswerError: It is an error, or no JSON object.
    """
    content = _object(body)
    if content is None:
        shown = body[:_SHOWN_CHARACTERS].decode(errors="replace")
        raise AnswerError(f"{place}: the answer is no JSON object: {shown!r}")
    if error := failure_of(place, content):
        raise error
    return content


def failure_of(
    place: str, content: Mapping[str, Any], *, chunks: int = 0, is_error: bool = False
) -> AnswerError | None:
    """Return the error that JSON is, or None where it is none.

    Args:
        place: What the message begins with.
        content: Such as {"error": {"message": …, "code": 500}}, {"error": "…"} or {"object": "error", "message": …}.
        chunks: Of the answer, that came before it.
        is_error: It is one whatever it looks like.
    """
    inner = content.get("error")
    if not inner and content.get("object") != "error" and not is_error:
        return None
    fields = inner if isinstance(inner, Mapping) else content
    message = inner if isinstance(inner, str) else fields.get("message") or fields.get("Message")
    text = message if isinstance(message, str) and message else json.dumps(inner or content)[:_SHOWN_CHARACTERS]
    kind = fields.get("type")
    status = _status(fields)
    named = f"status {status}" if status is not None else kind if isinstance(kind, str) and kind else "no status"
    worth = may_pass(status, kind if isinstance(kind, str) else "")
    return AnswerError(
        f"{place}: the model failed {_when(chunks)}: {text} ({named}); {_advice(worth=worth)}",
        status=status,
        code=None if fields.get("code") is None else str(fields["code"]),
        worth_retry=worth,
        chunks=chunks,
        body=inner or dict(content),
    )


def broken_off(place: str, why: str, *, chunks: int) -> AnswerError:
    """Return the error of an answer whose rest does not come."""
    return AnswerError(
        f"{place}: the answer broke off {_when(chunks)}: {why}; {_advice(worth=True)}", worth_retry=True, chunks=chunks
    )


def may_pass(status: int | None, kind: str) -> bool:
    """Whether the same request may go better later."""
    if status is None:
        return any(word in kind.lower() for word in _PASSING_TYPES)
    return status in _MAY_PASS or status >= HTTPStatus.INTERNAL_SERVER_ERROR


class ChatAnswer:
    """What a model has said so far: the text of its answer, and the reasoning before it."""

    def __init__(self) -> None:
        self.text = ""
        self.reasoning = ""
        self._ended = ""
        self._calls = False

    def add(self, content: Mapping[str, Any]) -> tuple[str, str]:
        """Note a chunk, or a whole answer; return the reasoning and the text that came with it."""
        reasoning = text = ""
        for choice in content.get("choices") or []:
            message = choice.get("delta") or choice.get("message") or {}
            reasoning += message.get("reasoning_content") or message.get("reasoning") or ""
            text += message.get("content") or ""
            self._calls = self._calls or bool(message.get("tool_calls"))
            self._ended = choice.get("finish_reason") or self._ended
        self.reasoning += reasoning
        self.text += text
        return reasoning, text

    def problem(self, *, tokens: int, more: str) -> str | None:
        """Say why there is no answer, or None where there is one.

        Args:
            tokens: It was allowed to have.
            more: How to allow it more, such as "raise --max-tokens".
        """
        if self._ended == "abort":
            return "the engine ended the answer before it was whole (finish_reason abort); ask again"
        if self.text.strip():
            return None
        if self._ended == "length":
            what = "reasoning used them up" if self.reasoning else "they were used up"
            return f"no answer within {tokens} tokens: {what}; {more}"
        if self._calls:
            return "no answer: the model calls a tool instead"
        if self.reasoning:
            return f"no answer: the model ended after its reasoning (finish_reason {self._ended or 'missing'})"
        return f"no answer: it is empty (finish_reason {self._ended or 'missing'})"


def _status(fields: Mapping[str, Any]) -> int | None:
    for name in ("code", "status", "status_code"):
        value = fields.get(name)
        text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
        if text.isdecimal() and HTTPStatus.BAD_REQUEST <= int(text) <= _LAST_STATUS:
            return int(text)
    return None


def _when(chunks: int) -> str:
    return f"after {chunks} part{'s' * (chunks != 1)} of its answer" if chunks else "before its answer began"


def _advice(*, worth: bool) -> str:
    return "the same request may go better later" if worth else "the same request will fail again"


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(data)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
