"""Calls that are denied because a permission was granted a moment ago: IAM takes some seconds to propagate it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency (read 2026-11). The functions of custom
resources hold equal copies of this file, since each is deployed alone; a test compares them.
"""

from __future__ import annotations

from typing import Any, Final

PAUSE_SECONDS: Final = 5.0
LIMIT_SECONDS: Final = 120.0
_DENIED: Final = frozenset({"403", "AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


def wait_for_permissions(client: Any) -> Any:
    """Have a client of boto3 repeat a call that is denied, for two minutes; return the client.

    Args:
        client: The client.
    """
    client.meta.events.register("needs-retry", _pause)
    return client


def _pause(*, response: Any, attempts: int, **_: Any) -> float | None:
    """Return how long botocore waits before it repeats a call; None if another handler decides.

    Args:
        response: The HTTP response, and what botocore has read of it; None without an answer.
        attempts: How often the call was made.
    """
    if response is None or response[1].get("Error", {}).get("Code") not in _DENIED:
        return None
    return PAUSE_SECONDS if attempts * PAUSE_SECONDS <= LIMIT_SECONDS else None
