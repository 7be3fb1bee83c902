"""Whether the engine makes progress: the state that `GET /ping` reports.

SGLang's own `/ping` is a flag that stays set while the scheduler hangs. Here the engine is asked for a token every few
seconds. A busy scheduler acknowledges the probe between two forward passes, without running it; within one pass, which a
long prompt or a slow machine can make minutes long, it does not answer, and then its heartbeat counts, however long that
takes (`heartbeat.py`). Between two beats its computing counts too, for a set time: a kernel may be compiled, but a scheduler
that is stuck in a loop computes as well. An engine that does none of these for the set time is wedged.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

logger = logging.getLogger("cdk_sglang_container")

# Share of the time until the engine counts as wedged that passes between probes; the rest is the time to wait for an answer.
_INTERVAL_SHARE = 0.4
_LOOKS_PER_DEADLINE = 5
_STARTING_INTERVAL_S = 0.1


class Health:
    """The engine's pulse.

    Args:
        generate: Makes the engine generate one token; true if it did or acknowledged. Cancelled when the probe is abandoned.
        beats: Whether the engine's scheduler has made progress since this was last asked.
        computes: Whether the engine has worked on requests since this was last asked.
        started: Whether the engine reports that it is up, by its own flag.
        stopping: Whether it was told to stop; then it is no longer probed, since it waits for every request to end.
        warmed_up: Whether being up means that it has generated (SGLang's warm-up was not skipped).
        wedged_after_s: Seconds with neither an answer nor computing until it counts as wedged.
        stalled_after_s: Seconds that computing alone may stand for an answer or a heartbeat.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        *,
        generate: Callable[[], Awaitable[bool]],
        beats: Callable[[], bool],
        computes: Callable[[], bool],
        started: Callable[[], bool],
        stopping: Callable[[], bool],
        warmed_up: bool,
        wedged_after_s: float,
        stalled_after_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._generate, self._beats, self._computes = generate, beats, computes
        self._started, self._stopping = started, stopping
        self._warmed_up = warmed_up
        self._interval_s = wedged_after_s * _INTERVAL_SHARE
        self._deadline_s = wedged_after_s - self._interval_s
        self._stalled_after_s = stalled_after_s
        self._clock = clock
        self._alive, self._has_generated = False, False
        self._task: asyncio.Task[None] | None = None

    @property
    def ok(self) -> bool:
        """Whether `/ping` may say 200. Takes no time."""
        return self._alive and self._started()

    def start(self) -> None:
        """Start watching, on the running event loop."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _watch(self) -> None:
        while not self._started():  # noqa: ASYNC110  SGLang sets a flag, and tells nobody
            await asyncio.sleep(_STARTING_INTERVAL_S)
        self._alive = self._has_generated = self._warmed_up
        if self._warmed_up:
            await asyncio.sleep(self._interval_s)
        while not self._stopping():
            await self.probe()
            await asyncio.sleep(self._interval_s if self._alive else min(1.0, self._interval_s))

    async def probe(self) -> bool:
        """Probe once, for as long as the engine computes, and remember the answer.

        Only one probe is in progress at any time: several would be acknowledged one by one, long after they were sent.
        """
        began = beaten = worked = self._clock()
        self._beats()  # from here on, both count
        self._computes()
        asking = asyncio.ensure_future(self._generate())
        try:
            while not (await asyncio.wait({asking}, timeout=self._deadline_s / _LOOKS_PER_DEADLINE))[0]:
                now = self._clock()
                beats, computes = self._beats(), self._computes()
                if beats:
                    beaten = now
                if beats or (computes and now - beaten < self._stalled_after_s):
                    worked = now
                    self._note(alive=self._has_generated, began=began)
                elif now - worked >= self._deadline_s:
                    break
            generated = self._outcome(asking)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        self._has_generated = self._has_generated or generated
        self._note(alive=generated, began=began)
        return generated

    @staticmethod
    def _outcome(asking: asyncio.Future[bool]) -> bool:
        if not asking.done():
            return False
        error = asking.exception()
        if error is not None:
            logger.error("asking the engine for a token failed", exc_info=error)
            return False
        return asking.result()

    def _note(self, *, alive: bool, began: float) -> None:
        if alive != self._alive:
            state = "makes progress" if alive else "makes no progress"
            logger.warning("engine %s (asked for %.1f s)", state, self._clock() - began)
        self._alive = alive
