"""Progress of a waiting request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """State of a waiting request."""

    NO_COPY = "no copy can answer"
    ASLEEP = "at zero copies; the request has asked for one"
    STARTING = "a copy is starting"
    THROTTLED = "throttled"
    UNREACHABLE = "SageMaker cannot be reached"
    MOVED_ON = "tries the next destination of the route"
    ANSWERED = "answered"
    GAVE_UP = "gave up"
    CANCELLED = "cancelled"
    FAILED = "a copy took it, and failed"

    @property
    def is_final(self) -> bool:
        """Whether the wait is over."""
        return self in {State.ANSWERED, State.GAVE_UP, State.CANCELLED, State.FAILED}


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Copies and status of a component, as DescribeInferenceComponent returns them."""

    current: int
    """Number of copies in service."""
    desired: int
    """Number of copies that scaling or the user has requested."""
    status: str
    """Status of the component: InService, Creating, Updating, Failed or Deleting."""
    failure: str = ""
    """FailureReason of the component; empty if there is none."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One step of a wait.

    Args:
        state: What the request waits for, or how the wait ended.
        endpoint: Name of the endpoint.
        component: Name of the inference component.
    """

    state: State
    endpoint: str
    component: str
    attempt: int
    """Number of attempts so far."""
    elapsed_seconds: float
    """Seconds since the first attempt."""
    remaining_seconds: float
    """Seconds until the client gives up."""
    copies: Copies | None = None
    """Copies of the component; None if the caller may not describe it, or the client has not."""


OnProgress = Callable[[Progress], None]
"""Called in the caller's thread before each pause, and once at the end of a wait. An exception from it ends the request."""
