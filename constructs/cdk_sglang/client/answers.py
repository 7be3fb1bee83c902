"""Read answers in the OpenAI format and find the errors in them: HTTP 200 is sent before a model can fail.

SGLang and other engines with the OpenAI format report an error of a stream inside the stream, as `data: {"error": {"message", "type", "code"}}`
(sglang 0.5.23, srt/entrypoints/openai/serving_base.py, create_streaming_error_response), and end every stream with `data: [DONE]`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from .errors import AnswerError
from .sse import Decoder, Event

_LAST_STATUS: Final = 599

_DONE: Final = b"[DONE]"
_TRANSIENT_STATUSES: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_TRANSIENT_TYPES: Final = ("internal", "unavailable", "overloaded", "timeout", "rate")
"""Words in the `type` of a transient error without a status: InternalServerError, SERVICE_UNAVAILABLE, rate_limit_error."""
_EXCERPT_CHARACTERS: Final = 200


class ChatReader:
    """Reads one stream of a chat answer, or of completions, and raises on any other content.

    Args:
        place: Beginning of error messages: the component and its endpoint.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._decoder = Decoder()
        self.chunks = 0
        """Number of chunks received so far."""
        self.is_done = False
        """Whether the end mark was received; later bytes are ignored."""

    def feed(self, part: bytes) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield the chunks that this part completes, each with the offset of its end in the part.

        Raises:
            AnswerError: An event is an error, or is not a chunk.
        """
        for event, end in self._decoder.feed(part):
            if self.is_done:
                return
            if (chunk := self._chunk(event)) is not None:
                yield chunk, end

    def forward(self, part: bytes) -> Iterator[bytes]:
        """Yield the part unchanged, up to an error in it.

        Raises:
            AnswerError: An event is an error, or is not a chunk; the bytes before it were yielded.
        """
        intact_bytes = 0
        try:
            for _, end in self.feed(part):
                intact_bytes = end
        except AnswerError:
            if intact_bytes:
                yield part[:intact_bytes]
            raise
        yield part

    def finish(self) -> None:
        """Note the end of the stream.

        Raises:
            AnswerError: The answer is incomplete, or the stream had none.
        """
        last_event = None if self.is_done else self._decoder.finish()
        if last_event is not None and (last_event.data == _DONE or _object(last_event.data) is not None):
            self._chunk(last_event)
        if self.is_done:
            return
        content = _object(self._decoder.stray)
        if content is not None and (error := failure_of(self._place, content, chunks=self.chunks)):
            raise error
        if self.chunks or last_event is not None:
            raise truncation_error(self._place, "it ended without its end mark, [DONE]", chunks=self.chunks)
        if content is not None and "choices" in content:
            text = f"{self._place}: a stream was requested, but the answer came in one piece; ask without a stream"
            raise AnswerError(text, body=content)
        excerpt = self._decoder.stray[:_EXCERPT_CHARACTERS].decode(errors="replace").strip()
        content_text = f"the response is no event stream: {excerpt!r}" if excerpt else "the response is empty"
        raise AnswerError(f"{self._place}: a stream was requested, but {content_text}", worth_retry=not excerpt)

    def _chunk(self, event: Event) -> dict[str, Any] | None:
        if event.data.strip() == _DONE:
            self.is_done = True
            if not self.chunks:
                raise truncation_error(self._place, "it has an end mark, [DONE], and no part before it", chunks=0)
            return None
        content = _object(event.data)
        if content is None:
            excerpt = event.data[:_EXCERPT_CHARACTERS].decode(errors="replace")
            raise AnswerError(
                f"{self._place}: an event of the answer is not a JSON object: {excerpt!r}", chunks=self.chunks
            )
        is_error = event.name == "error"
        if error := failure_of(self._place, content, chunks=self.chunks, is_error=is_error):
            raise error
        self.chunks += 1
        return content


def whole_answer(place: str, body: bytes) -> dict[str, Any]:
    """Return an answer that was not streamed.

    Raises:
        AnswerError: The answer is an error, not a JSON object, or has no choices.
    """
    content = _object(body)
    excerpt = _excerpt(body)
    if content is None:
        raise AnswerError(f"{place}: the answer is not a JSON object: {excerpt!r}")
    if error := failure_of(place, content):
        raise error
    if not isinstance(content.get("choices"), list) or not content["choices"]:
        raise AnswerError(f"{place}: the answer has no choices: {excerpt!r}", body=content)
    return content


def listed_answer(place: str, body: bytes, *, of: str, count: int) -> list[dict[str, Any]]:
    """Return the entries of an answer's `data`, one for each text, in the order of the texts.

    Args:
        place: Beginning of error messages: the component and its endpoint.
        body: The answer.
        of: Member that every entry has, such as embedding.
        count: Number of texts.

    Raises:
        AnswerError: The answer is an error, not a JSON object, or has another number of entries.
    """
    content = _object(body)
    if content is not None and (error := failure_of(place, content)):
        raise error
    entries = None if content is None else content.get("data")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and of in entry for entry in entries):
        raise AnswerError(f"{place}: the answer has no list of {of} in data: {_excerpt(body)!r}", body=content)
    if len(entries) != count:
        raise AnswerError(f"{place}: {count} answers asked, {len(entries)} in the answer", body=content)
    return sorted(entries, key=lambda entry: entry.get("index", 0))


def ranked_answer(place: str, body: bytes) -> list[dict[str, Any]]:
    """Return the entries of SGLang's list of scores, the best first.

    Raises:
        AnswerError: The answer is an error, or not a list of scores.
    """
    content = _object(body)
    if content is not None and (error := failure_of(place, content)):
        raise error
    try:
        entries = json.loads(body)
    except ValueError:
        entries = None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and "score" in entry for entry in entries):
        raise AnswerError(f"{place}: the answer is no list of scores: {_excerpt(body)!r}")
    return sorted(entries, key=lambda entry: entry["score"], reverse=True)


def _excerpt(body: bytes) -> str:
    return body[:_EXCERPT_CHARACTERS].decode(errors="replace")


def failure_of(
    place: str, content: Mapping[str, Any], *, chunks: int = 0, is_error: bool = False
) -> AnswerError | None:
    """Return the error that a JSON object describes; None if it describes none.

    Args:
        place: Beginning of the message.
        content: The object, for example {"error": {"message": …, "code": 500}}, {"error": "…"} or {"object": "error", "message": …}.
        chunks: Number of chunks received before the object.
        is_error: Whether the object is an error whatever its members.
    """
    error = content.get("error")
    if not error and content.get("object") != "error" and not is_error:
        return None
    fields = error if isinstance(error, Mapping) else content
    message = error if isinstance(error, str) else fields.get("message") or fields.get("Message")
    text = message if isinstance(message, str) and message else json.dumps(error or content)[:_EXCERPT_CHARACTERS]
    kind = fields.get("type")
    status = _status(fields)
    status_text = f"status {status}" if status is not None else kind if isinstance(kind, str) and kind else "no status"
    worth_retry = is_transient(status, kind if isinstance(kind, str) else "")
    return AnswerError(
        f"{place}: the model failed {_when(chunks)}: {text} ({status_text}); {_advice(worth_retry=worth_retry)}",
        status=status,
        code=None if fields.get("code") is None else str(fields["code"]),
        worth_retry=worth_retry,
        chunks=chunks,
        body=error or dict(content),
    )


def truncation_error(place: str, why: str, *, chunks: int) -> AnswerError:
    """Return the error of an incomplete answer."""
    return AnswerError(
        f"{place}: the answer broke off {_when(chunks)}: {why}; {_advice(worth_retry=True)}",
        worth_retry=True,
        chunks=chunks,
    )


def is_transient(status: int | None, kind: str) -> bool:
    """Whether the same request may succeed later."""
    if status is None:
        return any(word in kind.lower() for word in _TRANSIENT_TYPES)
    return status in _TRANSIENT_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR


class ChatAnswer:
    """The answer of a model as received so far: its text, and the reasoning before it."""

    def __init__(self) -> None:
        self.text = ""
        self.reasoning = ""
        self._finish_reason = ""
        self._has_tool_calls = False

    def add(self, content: Mapping[str, Any]) -> tuple[str, str]:
        """Add a chunk, or a whole answer; return its reasoning and its text."""
        reasoning = text = ""
        for choice in content.get("choices") or []:
            message = choice.get("delta") or choice.get("message") or {}
            reasoning += message.get("reasoning_content") or message.get("reasoning") or ""
            text += message.get("content") or ""
            self._has_tool_calls = self._has_tool_calls or bool(message.get("tool_calls"))
            self._finish_reason = choice.get("finish_reason") or self._finish_reason
        self.reasoning += reasoning
        self.text += text
        return reasoning, text

    def problem(self, *, tokens: int, more: str) -> str | None:
        """Return the reason for a missing answer; None if there is an answer.

        Args:
            tokens: Limit of the answer's tokens.
            more: Advice on raising the limit, for example "raise --max-tokens".
        """
        if self._finish_reason == "abort":
            return "the engine ended the answer before it was whole (finish_reason abort); ask again"
        if self.text.strip():
            return None
        if self._finish_reason == "length":
            what = "reasoning used them up" if self.reasoning else "they were used up"
            return f"no answer within {tokens} tokens: {what}; {more}"
        if self._has_tool_calls:
            return "no answer: the model calls a tool instead"
        if self.reasoning:
            return f"no answer: the model ended after its reasoning (finish_reason {self._finish_reason or 'missing'})"
        return f"no answer: it is empty (finish_reason {self._finish_reason or 'missing'})"


def _status(fields: Mapping[str, Any]) -> int | None:
    for name in ("code", "status", "status_code"):
        value = fields.get(name)
        text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
        if text.isdecimal() and HTTPStatus.BAD_REQUEST <= int(text) <= _LAST_STATUS:
            return int(text)
    return None


def _when(chunks: int) -> str:
    return f"after {chunks} part{'s' * (chunks != 1)} of its answer" if chunks else "before its answer began"


def _advice(*, worth_retry: bool) -> str:
    return "the same request may succeed later" if worth_retry else "the same request will fail again"


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(data)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
