"""Formats of training data: one record becomes one line that the training job reads.

Chat records (OpenAI's `messages`, ShareGPT's `conversations`) become OpenAI chat lines; completions stay completions, since wrapping
them in a chat template would train the draft on text that differs from what the endpoint serves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

CHAT, COMPLETIONS, SHAREGPT, CAPTURE = "openai_chat", "openai_completions", "sharegpt", "data_capture"
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_SHAREGPT_ROLES = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "bing", "bard", "assistant", "model"), "assistant"),
    **dict.fromkeys(("tool", "observation"), "tool"),
    "system": "system",
}


class RecordError(Exception):
    """A record that cannot be trained on; the text says why, and contains nothing of the record's content."""


def converted(record: Any) -> tuple[str, dict[str, Any]]:
    """Return a record's format and the line to train on.

    Args:
        record: JSON of a line.

    Raises:
        RecordError: The record has none of the known formats, or no answer.
    """
    if not isinstance(record, Mapping):
        raise RecordError("is no JSON object")
    if "messages" in record:
        return CHAT, {"messages": messages(record["messages"])}
    if "conversations" in record:
        return SHAREGPT, {"messages": _sharegpt(record["conversations"])}
    if "prompt" in record:
        answer = record.get("completion", record.get("response"))
        return COMPLETIONS, {"prompt": _text(record["prompt"], "prompt"), "completion": _text(answer, "completion")}
    raise RecordError("has neither messages, conversations, nor prompt and completion")


def family(name: str) -> str:
    """Return the format of the lines that a format is converted to."""
    return COMPLETIONS if name == COMPLETIONS else CHAT


def line(content: Mapping[str, Any]) -> bytes:
    """Return a converted record as a line."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def messages(value: Any) -> list[dict[str, str]]:
    """Return messages with roles and texts, of which at least one is an answer.

    Raises:
        RecordError: A message has another role, no text, or no message is an answer.
    """
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise RecordError("messages is no list with a message in it")
    found = []
    for number, message in enumerate(value, start=1):
        if not isinstance(message, Mapping) or message.get("role") not in _ROLES:
            raise RecordError(f"message {number} has no role of {', '.join(_ROLES)}")
        if message.get("content") is None and message.get("tool_calls"):
            raise RecordError(f"message {number} calls tools without a text, which the training job has no format for")
        found.append({"role": _ROLES[message["role"]], "content": _text(message.get("content"), f"message {number}")})
    return _answered(found)


def _sharegpt(value: Any) -> list[dict[str, str]]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise RecordError("conversations is no list with a turn in it")
    found = []
    for number, turn in enumerate(value, start=1):
        role = turn.get("from", turn.get("role")) if isinstance(turn, Mapping) else None
        if role not in _SHAREGPT_ROLES:
            raise RecordError(f"turn {number} is from nobody of {', '.join(_SHAREGPT_ROLES)}")
        text = _text(turn.get("value", turn.get("content")), f"turn {number}")
        found.append({"role": _SHAREGPT_ROLES[role], "content": text})
    while found and found[0]["role"] == "assistant":  # conversations that were cut out of longer ones
        found.pop(0)
    return _answered(found)


def _answered(found: list[dict[str, str]]) -> list[dict[str, str]]:
    while found and found[-1]["role"] != "assistant":  # a question without its answer teaches nothing
        found.pop()
    if not any(message["role"] in {"user", "tool"} for message in found):
        raise RecordError("has no question with an answer")
    return found


def _text(value: Any, what: str) -> str:
    if isinstance(value, str) and value.strip():
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise RecordError(f"{what} has half of a surrogate pair, which no file in UTF-8 can hold")
        return value
    if isinstance(value, Sequence) and value and not isinstance(value, str):
        if all(isinstance(part, Mapping) and part.get("type") in {"text", "input_text"} for part in value):
            return _text("".join(str(part.get("text", "")) for part in value), what)
        if all(isinstance(part, int) for part in value):
            raise RecordError(f"{what} is token ids; text is needed")
        raise RecordError(f"{what} has images or other parts; text alone is trained on")
    raise RecordError(f"{what} has no text")
