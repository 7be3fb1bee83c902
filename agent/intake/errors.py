"""What the user sees of a failure: a machine-readable code and a sentence, without texts of other systems.

Texts of exceptions can hold what was sent (a validation error quotes its input), so none of them reaches the user, a log line or a span.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_BY_NAME: Final = {
    "ContextWindowOverflowException": (
        "context_overflow",
        "The conversation and this message are longer than the model can read. Start a new session, or send a shorter message.",
    ),
    "ModelThrottledException": (
        "model_throttled",
        "The model is busy and refused the request several times. Nothing was lost; send the message again in a minute.",
    ),
    "MaxTokensReachedException": (
        "answer_cut",
        "The model's answer was longer than allowed and was cut off. Ask for a shorter answer, or for one part of it.",
    ),
    "MCPClientInitializationError": (
        "tools_unavailable",
        "The tools (patient search, reports) do not answer. Nothing was saved; send the message again later.",
    ),
    "ToolProviderException": (
        "tools_unavailable",
        "The tools (patient search, reports) do not answer. Nothing was saved; send the message again later.",
    ),
}
"""Exceptions of Strands by name, so that this module needs no Strands."""

INTERNAL: Final = (
    "internal",
    "The agent failed and the turn was ended. Send the message again; if it fails again, give the operator the session's id.",
)


class TurnError(Exception):
    """A failure that ends a turn.

    Args:
        code: Machine-readable short name, for example `model_asleep`.
        text: Sentence for the user: what happened, and what to do next.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    def event(self) -> dict[str, str]:
        """Return the event that informs the user."""
        return {"type": "error", "code": self.code, "text": self.text}


class AsleepError(TurnError):
    """The component has no copy that could answer; the request was refused before any copy saw it."""

    def __init__(self) -> None:
        super().__init__(
            "model_asleep",
            "The model did not start in the time that a turn may wait. It goes on starting; send the message again in a few minutes.",
        )


def describe(error: BaseException) -> TurnError:
    """Return what the user is told about an exception.

    Args:
        error: Any exception of a turn; wrapped ones are unwrapped.
    """
    for cause in _causes(error):
        if isinstance(cause, TurnError):
            return cause
    for cause in _causes(error):
        for kind in type(cause).__mro__:
            if kind.__name__ in _BY_NAME:
                return TurnError(*_BY_NAME[kind.__name__])
    return TurnError(*INTERNAL)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause_ids: set[int] = set()
    waiting = [error]
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in cause_ids:
            continue
        cause_ids.add(id(cause))
        yield cause
        inner = [getattr(cause, "original_exception", None), cause.__cause__, cause.__context__]
        inner += list(getattr(cause, "exceptions", ()))
        waiting += [item for item in inner if isinstance(item, BaseException)]
