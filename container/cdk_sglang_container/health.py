"""Whether the engine generates: what stands behind `GET /ping`.

SGLang's own `/ping` is a flag that stays up while the scheduler hangs. Here the engine is asked for a token every few
seconds, and a `/ping` says yes only while the last answer is recent. The probe is cheap: a busy scheduler acknowledges
it without running it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

logger = logging.getLogger("cdk_sglang_container")

# Of the time after which the engine counts as wedged, this share passes between probes and the rest is waited for one.
_INTERVAL_SHARE = 0.4
_STARTING_INTERVAL_S = 0.1


class Health:
    """The engine's pulse.

    Args:
        generate: Make the engine generate one token; true when it did.
        started: Whether the engine says it is up, by its own flag.
        stopping: Whether it was told to stop; it is not asked any more then, since it waits for every request to end.
        warmed_up: Whether being up means that it has generated (SGLang's warm-up was not skipped).
        wedged_after_s: Seconds without a sign of life until it counts as wedged.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        *,
        generate: Callable[[], Awaitable[bool]],
        started: Callable[[], bool],
        stopping: Callable[[], bool],
        warmed_up: bool,
        wedged_after_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._generate, self._started, self._stopping = generate, started, stopping
        self._warmed_up = warmed_up
        self._interval_s = wedged_after_s * _INTERVAL_SHARE
        self._deadline_s = wedged_after_s - self._interval_s
        self._clock = clock
        self._generated = False
        self._task: asyncio.Task[None] | None = None

    @property
    def ok(self) -> bool:
        """Whether `/ping` may say 200. Takes no time."""
        return self._generated and self._started()

    def start(self) -> None:
        """Begin to watch, on the running event loop."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _watch(self) -> None:
        while not self._started():  # noqa: ASYNC110 # SGLang sets a flag, and tells nobody
            await asyncio.sleep(_STARTING_INTERVAL_S)
        self._generated = self._warmed_up
        if self._warmed_up:
            await asyncio.sleep(self._interval_s)
        while not self._stopping():
            await self.probe()
            await asyncio.sleep(self._interval_s if self._generated else min(1.0, self._interval_s))

    async def probe(self) -> bool:
        """Ask once, and remember the answer."""
        began = self._clock()
        try:
            async with asyncio.timeout(self._deadline_s):
                generated = await self._generate()
        except TimeoutError:
            generated = False
        except Exception:
            logger.exception("asking the engine for a token failed")
            generated = False
        if generated != self._generated:
            state = "generates" if generated else "does not generate"
            logger.warning("engine %s (asked for %.1f s)", state, self._clock() - began)
        self._generated = generated
        return generated
