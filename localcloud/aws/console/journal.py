"""What was done from the console, as events beside those of AWS: who looks at a copy that has died wants to know that it was killed."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from localcloud.aws.clock import clock

_KEPT: Final = 100
_entries: deque[dict[str, Any]] = deque(maxlen=_KEPT)


def note(what: str, state: str, reason: str = "") -> None:
    """Add an event.

    Args:
        what: What the action was on.
        state: What became of it, in capital letters as states of AWS are.
        reason: Anything else worth knowing.
    """
    _entries.append({"time": clock().now(), "what": f"console: {what}", "state": state, "reason": reason})


def entries() -> list[dict[str, Any]]:
    """Events since the start or the last reset, the oldest first."""
    return list(_entries)


def clear() -> None:
    """Forget everything."""
    _entries.clear()
