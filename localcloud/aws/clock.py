"""Clock of every asynchronous state: real in a server, driven by hand in tests."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

from localcloud.aws.workers import Workers, this_worker

_TICK_S = 0.2
_DRIVEN_STEP_S = 1.0


class Clock:
    """Seconds since the epoch, and the work that is due as time passes.

    A driven clock moves only by `advance`. A real one follows the machine, its work runs in a background thread, and `advance` skips
    ahead, so that states that last minutes on AWS need no waiting. A clock that was replaced does no more work.

    Background work of a driven clock runs in workers, one at a time and only while the clock is moved; a worker that waits for a time or
    a condition lets the test go on.
    """

    def __init__(self, *, driven: bool = False) -> None:
        self.driven = driven
        self._now = time.time()
        self._skipped = 0.0
        self._work: list[Callable[[], None]] = []
        self._ticking = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._workers = Workers()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._now if self.driven else time.time() + self._skipped

    def utc(self) -> datetime:
        """Current date and time, in UTC."""
        return datetime.fromtimestamp(self.now(), UTC)

    def every_tick(self, work: Callable[[], None]) -> None:
        """Run this function at every tick; a second registration changes nothing."""
        if work not in self._work:
            self._work.append(work)

    def take_over(self, other: Clock) -> None:
        """Take over the work of another clock."""
        self._work = other._work

    def tick(self) -> None:
        """Run the work that is due."""
        for work in self._work:
            work()

    def advance(self, seconds: float, *, step_s: float = _DRIVEN_STEP_S) -> None:
        """Let this many seconds pass in steps of `step_s`; larger steps make days pass quickly, with fewer ticks."""
        while seconds > 0:
            step = min(step_s, seconds)
            if self.driven:
                self._now += step
            else:
                self._skipped += step
            seconds -= step
            self.tick()
            self._workers.run()

    def background(self, work: Callable[[], None], *, name: str) -> None:
        """Do the work in a thread of its own; on a driven clock as a worker, which has run to its first wait on return."""
        if self.driven:
            self._workers.add(work, name=name)
        else:
            threading.Thread(target=work, name=name, daemon=True).start()

    def settle(self) -> None:
        """Resume background work of a driven clock whose wait ends without time passing, for example a wait for a task's outcome."""
        if self.driven and this_worker() is None:
            self._workers.run()

    def in_worker(self) -> bool:
        """Whether the caller is background work of a driven clock."""
        return self.driven and this_worker() is not None

    def wait_until(self, done: Callable[[], bool], *, timeout_s: float, what: str) -> None:
        """Return once `done` holds; a driven clock moves itself. Raises TimeoutError, which names `what` was waited for."""
        deadline = self.now() + timeout_s
        worker = this_worker() if self.driven else None
        if worker is not None and not done():
            worker.wait(lambda: done() or self.now() >= deadline)
        while not done():
            if self.now() >= deadline:
                raise TimeoutError(f"{what} took longer than {timeout_s:.0f} s")
            if self.driven:
                self.advance(_DRIVEN_STEP_S)
            else:
                time.sleep(_TICK_S / 2)

    def sleep(self, seconds: float) -> None:
        """Return once this many seconds have passed; a driven clock moves itself."""
        end = self.now() + seconds
        self.wait_until(lambda: self.now() >= end, timeout_s=10 * seconds, what="a pause")

    def start(self) -> None:
        """Start the background work of a real clock."""
        if not self.driven and self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="localcloud-clock", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the background work."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None

    def abandon(self) -> None:
        """End the waiting background work of a driven clock."""
        self._workers.abandon()

    def reset(self) -> None:
        """End background work, and return to the machine's time."""
        self.abandon()
        self._skipped, self._now = 0.0, time.time()

    def _run(self) -> None:
        while not self._stop.wait(_TICK_S):
            try:
                with self._ticking:
                    if self is _current:
                        self.tick()
            except Exception:  # noqa: BLE001 -- the failure of one resource must not stop the clock
                traceback.print_exc()


_current = Clock()


def clock() -> Clock:
    """The clock of this process."""
    return _current


def use(replacement: Clock) -> Clock:
    """Replace the clock of this process; the new one takes over the functions that run at every tick, not the background work."""
    _current.abandon()
    with _current._ticking:
        replacement.take_over(_current)
        globals()["_current"] = replacement
    return replacement
