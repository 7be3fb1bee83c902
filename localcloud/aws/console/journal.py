"""Actions of the console, as events next to those of AWS: they explain, for example, that a dead copy was killed."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from localcloud.aws.clock import clock

_KEPT: Final = 100
_entries: deque[dict[str, Any]] = deque(maxlen=_KEPT)


def note(what: str, state: str, reason: str = "") -> None:
    """Add an event.

    Args:
        what: Target of the action.
        state: Result of the action, in capital letters like the states of AWS.
        reason: Further details.
    """
    _entries.append({"time": clock().now(), "what": f"console: {what}", "state": state, "reason": reason})


def entries() -> list[dict[str, Any]]:
    """Events since the start or the last reset, oldest first."""
    return list(_entries)


def clear() -> None:
    """Forget everything."""
    _entries.clear()
