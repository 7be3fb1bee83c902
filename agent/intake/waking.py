"""Waiting for a model that is asleep or busy, with status messages to the user: bounded, and only while no copy has seen the request."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any, Final

from strands.hooks import AfterModelCallEvent, HookProvider, HookRegistry
from strands.types.exceptions import ModelThrottledException

from intake.errors import AsleepError

FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 15.0
"""Seconds between two checks whether the component is awake; short enough to keep the user's connection open."""
THROTTLED_ATTEMPTS: Final = 4
ASLEEP: Final = "The model is starting, which takes some minutes; your message waits for it."
STILL_ASLEEP: Final = "The model is still starting ({seconds} s)."
THROTTLED: Final = "The model is busy; your message is sent again."


class Patience(HookProvider):
    """Retries after refusals of requests that no copy has seen.

    Args:
        wake_seconds: Total seconds to wait for a component without a copy.
        tell: Called with a sentence for the user.
    """

    def __init__(self, wake_seconds: int, tell: Callable[[str], None]) -> None:
        self._wake_seconds = wake_seconds
        self._tell = tell
        self._since: float | None = None
        self._asked = 0
        self._throttled = 0

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        """Register with Strands."""
        registry.add_callback(AfterModelCallEvent, self.after)

    async def after(self, event: AfterModelCallEvent) -> None:
        """Wait and ask for a retry if the model refused without having seen the request."""
        if event.exception is None:
            self._since, self._asked, self._throttled = None, 0, 0
        elif isinstance(event.exception, AsleepError):
            event.retry = await self._wake()
        elif isinstance(event.exception, ModelThrottledException):
            event.retry = await self._back_off()

    async def _wake(self) -> bool:
        now = time.monotonic()
        if self._since is None:
            self._since = now
            self._tell(ASLEEP)
        waited = now - self._since
        if waited >= self._wake_seconds:
            self._since, self._asked = None, 0
            return False
        wait = min(FIRST_WAIT * 2**self._asked, LONGEST_WAIT, self._wake_seconds - waited)
        self._asked += 1
        await asyncio.sleep(wait)
        if wait >= LONGEST_WAIT:
            self._tell(STILL_ASLEEP.format(seconds=round(waited + wait)))
        return True

    async def _back_off(self) -> bool:
        self._throttled += 1
        if self._throttled >= THROTTLED_ATTEMPTS:
            self._throttled = 0
            return False
        if self._throttled == 1:
            self._tell(THROTTLED)
        await asyncio.sleep(FIRST_WAIT * 2**self._throttled * random.uniform(0.5, 1))  # noqa: S311  spreads retries
        return True
