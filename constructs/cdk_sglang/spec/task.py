"""What a component does with a request, and a minimal request that verifies it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

Task = Literal["chat", "completion", "embedding", "rerank", "classify"]
"""What a component returns: the next message of a chat, the continuation of a text, vectors, scores of documents, or a class."""
TASKS: Final[tuple[str, ...]] = get_args(Task)

TASK_VARIABLE: Final = "CDK_SGLANG_TASK"
"""Environment variable that tells this project's container the task (container/cdk_sglang_container/tasks.py); absent for chat."""


@dataclass(frozen=True, kw_only=True)
class TaskShape:
    """Requests and answers of a task, as in SGLang 0.5.17 to 0.5.23 (srt/entrypoints/openai/protocol.py).

    Attributes:
        noun: What is returned, for messages.
        generates: Whether tokens are generated one after the other; otherwise an answer is one forward pass over its texts.
        required: Required fields of a request.
        body: A short request.
        expect: Paths in its answer, at least one of which must have a value.
    """

    noun: str
    generates: bool
    required: tuple[str, ...]
    body: Mapping[str, Any]
    expect: tuple[str, ...]


TASK_SHAPES: Final[Mapping[Task, TaskShape]] = {
    "chat": TaskShape(
        noun="messages",
        generates=True,
        required=("messages",),
        body={"messages": [{"role": "user", "content": "Say OK."}], "max_tokens": 16, "temperature": 0},
        expect=("choices.0.message.content", "choices.0.message.reasoning_content", "choices.0.message.tool_calls"),
    ),
    "completion": TaskShape(
        noun="continuations of texts",
        generates=True,
        required=("prompt",),
        body={"prompt": "One, two, three,", "max_tokens": 16, "temperature": 0},
        expect=("choices.0.text",),
    ),
    "embedding": TaskShape(
        noun="embeddings", generates=False, required=("input",), body={"input": "OK"}, expect=("data.0.embedding",)
    ),
    "rerank": TaskShape(
        noun="scores of documents",
        generates=False,
        required=("query", "documents"),
        body={"query": "What is OK?", "documents": ["OK is an answer."]},
        expect=("0.score",),
    ),
    "classify": TaskShape(
        noun="classes", generates=False, required=("input",), body={"input": "OK"}, expect=("data.0.probs",)
    ),
}
"""Tasks with their requests and answers."""

TINY_IMAGE: Final = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAAAS0lEQVR42u3PMQ0AAAwDoEqv9ErYvQQckD4XAQEBAQ"
    "EBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAYHLAB8+AWnmfUycAAAAAElFTkSuQmCC"
)
"""A grey PNG of 64 x 64 pixels. It is stored as text because zlib releases compress differently, and a request must not change with them."""

IMAGE_BODY: Final[Mapping[str, Any]] = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": TINY_IMAGE}},
                {"type": "text", "text": "Say OK."},
            ],
        }
    ],
    "max_tokens": 16,
    "temperature": 0,
}
"""A short chat about an image, in OpenAI's words, which passes through a model's image processor and encoder."""
