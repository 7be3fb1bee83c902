"""Whether a request has reached SGLang's scheduler: what fails before that is the body's doing, not the engine's.

SGLang 0.5.23 answers 500 to whatever its own code did not expect of a body (srt/entrypoints/openai/serving_base.py,
handle_request), and 501 to what a model's kind does not do. A 5xx makes SageMaker roll back an update, so one caller's
mistake must not be one.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

# Paths that ask the model. What others say of themselves stands.
_QUESTIONS = (
    "/api/",
    "/classify",
    "/close_session",
    "/encode",
    "/generate",
    "/invocations",
    "/open_session",
    "/parse_function_call",
    "/separate_reasoning",
    "/v1/",
    "/vertex_generate",
)


@dataclass
class Passage:
    """Way of one request.

    Attributes:
        reached: Whether any of it was sent to the scheduler.
    """

    reached: bool = False

    @classmethod
    def begin(cls, path: str) -> Passage:
        """Return the way of the request that the current task answers; a command of the operator counts as sent.

        Args:
            path: Path of the request.
        """
        passage = cls(reached=not path.startswith(_QUESTIONS))
        _current.set(passage)
        return passage


def note_dispatch() -> None:
    """Remember that the current request is sent to the scheduler; its tasks and threads share what is remembered."""
    passage = _current.get()
    if passage is not None:
        passage.reached = True


_current: ContextVar[Passage | None] = ContextVar("passage", default=None)
