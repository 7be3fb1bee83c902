"""Log lines about requests that were refused or whose answer began late: enough to find them, without their content.

A line has a status, numbers, a field's name, a path and a trace id, each from a closed set or in a fixed format: no value, prompt,
answer, header or address. Saved queries of the library read these lines (constructs/cdk_sglang/observability/logs/queries.py).
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from cdk_sglang_container.tracing import trace_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdk_sglang_container.http import HttpError, Message, Scope, Send

logger = logging.getLogger("cdk_sglang_container")

# A caller chooses the path, so only paths of the contract are written as they are.
_PATHS = frozenset(
    {"/invocations", "/v1/chat/completions", "/v1/completions", "/invocations-bidirectional-stream", "/adapters"}
)
_REFUSED_FROM = 400


class RequestLog:
    """One request, observed from its first byte to its last.

    Args:
        scope: The request.
        slow_after_s: Seconds to the first part of the answer from which the request counts as slow.
        clock: Seconds, monotonic.
    """

    def __init__(self, scope: Scope, *, slow_after_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began = clock, clock()
        self._slow_after_s = slow_after_s
        self._path = scope["path"] if scope["path"] in _PATHS else "other"
        self._trace = trace_id(scope) or "-"
        self._status: int | None = None
        self._by, self._field = "engine", "-"
        self._first_part_s: float | None = None

    def refused(self, error: HttpError) -> None:
        """Remember that the contract refused the request, and for which field."""
        self._by, self._field = "container", error.param or "-"

    def watched(self, send: Send) -> Send:
        """A `send` that writes a line if the answer is a refusal, or when an answer that began late ends."""

        async def sending(message: Message) -> None:
            kind = message["type"]
            if kind == "http.response.start":
                self._status = message["status"]
            elif kind == "http.response.body" and message.get("body") and self._first_part_s is None:
                self._first_part_s = self._clock() - self._began
            await send(message)
            if kind == "http.response.body" and not message.get("more_body", False):
                self._write()

        return sending

    def _write(self) -> None:
        status, first_part_s = self._status or 0, self._first_part_s or 0.0
        if status >= _REFUSED_FROM:
            logger.warning(
                "refused request: status=%d by=%s field=%s path=%s trace=%s",
                *(status, self._by, self._field, self._path, self._trace),
            )
        elif first_part_s >= self._slow_after_s:
            logger.warning(
                "slow request: first_part_s=%.2f total_s=%.2f status=%d path=%s trace=%s",
                *(first_part_s, self._clock() - self._began, status, self._path, self._trace),
            )
