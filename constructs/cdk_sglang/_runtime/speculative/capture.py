"""Records of SageMaker's data capture: a request and its answer, plain or in base64, whole or as a stream of server-sent events.

Format: docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html (read 2026-11).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from .formats import COMPLETIONS, RecordError, converted

_COMPONENT_KEYS = ("inferenceComponentName", "targetInferenceComponent", "inferenceComponent")


class OtherComponentError(Exception):
    """The record belongs to another component of the endpoint."""


def is_capture(record: Any) -> bool:
    """Whether a record is one of data capture."""
    return isinstance(record, Mapping) and "captureData" in record


def event_id(record: Mapping[str, Any], default: str) -> str:
    """Return the id by which a record is selected for a sample."""
    metadata = record.get("eventMetadata")
    found = metadata.get("eventId") if isinstance(metadata, Mapping) else None
    return found if isinstance(found, str) and found else default


def conversation(record: Mapping[str, Any], *, component: str = "") -> tuple[str, dict[str, Any]]:
    """Return format and line of a captured request.

    Args:
        record: JSON of the line.
        component: Name of the component in SageMaker; records that name another one are not its own.

    Raises:
        OtherComponentError: The record names another component.
        RecordError: The request or its answer cannot be trained on.
    """
    metadata = record.get("eventMetadata")
    if isinstance(metadata, Mapping):
        named = next((metadata[key] for key in _COMPONENT_KEYS if metadata.get(key)), component)
        if component and named != component:
            raise OtherComponentError
        code = metadata.get("statusCode", metadata.get("httpStatusCode", 200))
        if isinstance(code, int) and code >= HTTPStatus.BAD_REQUEST:
            raise RecordError(f"was answered with status {code}")
    content = record["captureData"]
    if not isinstance(content, Mapping):
        raise RecordError("captureData is no JSON object")
    request, reply = _data(content, "endpointInput"), _data(content, "endpointOutput")
    body = _json(request, "the request")
    texts = _answer(reply)
    if "messages" in body:
        return converted({"messages": [*_list(body["messages"]), {"role": "assistant", "content": texts}]})
    if "prompt" in body:
        prompt = body["prompt"]
        if isinstance(prompt, list) and len(prompt) == 1:
            (prompt,) = prompt
        return COMPLETIONS, converted({"prompt": prompt, "completion": texts})[1]
    if "text" in body:  # SGLang's own /generate
        return COMPLETIONS, converted({"prompt": body["text"], "completion": texts})[1]
    raise RecordError("the request has neither messages nor prompt")


def _list(value: Any) -> Sequence[Any]:
    if not isinstance(value, list):
        raise RecordError("messages is no list with a message in it")
    return value


def _data(content: Mapping[str, Any], side: str) -> str:
    part = content.get(side)
    if not isinstance(part, Mapping) or not isinstance(part.get("data"), str):
        raise RecordError(f"{side} was not captured; capture needs the options Input and Output")
    if str(part.get("encoding", "JSON")).upper() != "BASE64":
        return str(part["data"])
    try:
        return base64.b64decode(part["data"], validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise RecordError(f"{side} is no base64 of UTF-8 text") from error


def _json(text: str, what: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise RecordError(f"{what} is no JSON") from error
    if not isinstance(found, Mapping):
        raise RecordError(f"{what} is no JSON object")
    return found


def _answer(text: str) -> str:
    """Return the text of an answer: of one JSON object, or of the pieces of a stream."""
    if text.lstrip().startswith(("data:", "event:", ":")):
        return _streamed(text)
    reply = _json(text, "the answer")
    if reply.get("error") or reply.get("object") == "error":
        raise RecordError("the answer is an error")
    if isinstance(reply.get("text"), str):
        return str(reply["text"])
    return _choice(reply, "message")


def _streamed(text: str) -> str:
    pieces, is_complete = [], False
    for row in text.splitlines():
        if not row.startswith("data:"):
            continue
        data = row.removeprefix("data:").strip()
        if data == "[DONE]":
            is_complete = True
            continue
        event = _json(data, "an event of the stream")
        if event.get("error"):
            raise RecordError("the answer is an error")
        choices = event.get("choices")
        if isinstance(choices, list) and choices:
            pieces.append(_choice(event, "delta"))
            is_complete = is_complete or bool(isinstance(choices[0], Mapping) and choices[0].get("finish_reason"))
    if not is_complete:
        raise RecordError("the stream of the answer is cut short")
    return "".join(pieces)


def _choice(reply: Mapping[str, Any], key: str) -> str:
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise RecordError("the answer has no choices")
    first = choices[0]
    part = first.get(key)
    text = part.get("content") if isinstance(part, Mapping) else first.get("text")
    if text is None and key == "delta":
        return ""
    if not isinstance(text, str):
        raise RecordError("the answer has no text")
    return text
