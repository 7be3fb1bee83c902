"""Whether a request has reached SGLang's scheduler: a failure before that is caused by the body, not by the engine.

SGLang 0.5.23 answers 500 to everything that its own code did not expect in a body (srt/entrypoints/openai/serving_base.py,
handle_request), and 501 to what a model of this kind cannot do. A 5xx makes SageMaker roll an update back, so one caller's
mistake must not produce one.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

# Paths that run the model. Errors of other paths are passed on unchanged.
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
    """Progress of one request.

    Attributes:
        reached: Whether any of it was sent to the scheduler.
    """

    reached: bool = False

    @classmethod
    def begin(cls, path: str) -> Passage:
        """Return the progress of the request that the current task answers; an operator's command counts as sent.

        Args:
            path: Path of the request.
        """
        passage = cls(reached=not path.startswith(_QUESTIONS))
        _current.set(passage)
        return passage


def note_dispatch() -> None:
    """Remember that the current request is sent to the scheduler; its tasks and threads share this record."""
    passage = _current.get()
    if passage is not None:
        passage.reached = True


_current: ContextVar[Passage | None] = ContextVar("passage", default=None)
