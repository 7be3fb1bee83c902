"""The clock every asynchronous state runs on: real in a server, driven by hand in tests."""

from __future__ import annotations

import threading
import time
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TICK_S = 0.2
_DRIVEN_STEP_S = 1.0


class Clock:
    """Seconds since the epoch, and the work that is done as they pass.

    A driven clock moves only by `advance`. A real one follows the machine, a background thread does the work, and
    `advance` skips ahead (states that take minutes on AWS need not be waited for).
    """

    def __init__(self, *, driven: bool = False) -> None:
        self.driven = driven
        self._now = time.time()
        self._skipped = 0.0
        self._work: list[Callable[[], None]] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._now if self.driven else time.time() + self._skipped

    def utc(self) -> datetime:
        """The same as a date."""
        return datetime.fromtimestamp(self.now(), UTC)

    def every_tick(self, work: Callable[[], None]) -> None:
        """Do this as time passes."""
        if work not in self._work:
            self._work.append(work)

    def tick(self) -> None:
        """Do now what is due now."""
        for work in self._work:
            work()

    def advance(self, seconds: float, *, step_s: float = _DRIVEN_STEP_S) -> None:
        """Let so many seconds pass, second by second; larger steps make days pass quickly, and see less of them."""
        while seconds > 0:
            step = min(step_s, seconds)
            if self.driven:
                self._now += step
            else:
                self._skipped += step
            seconds -= step
            self.tick()

    def wait_until(self, done: Callable[[], bool], *, timeout_s: float, what: str) -> None:
        """Return once `done`; a driven clock moves itself."""
        deadline = self.now() + timeout_s
        while not done():
            if self.now() >= deadline:
                raise TimeoutError(f"{what} took longer than {timeout_s:.0f} s")
            if self.driven:
                self.advance(_DRIVEN_STEP_S)
            else:
                time.sleep(_TICK_S / 2)

    def start(self) -> None:
        """Let a real clock do its work in the background."""
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

    def reset(self) -> None:
        """Forget skipped time."""
        self._skipped, self._now = 0.0, time.time()

    def _run(self) -> None:
        while not self._stop.wait(_TICK_S):
            try:
                self.tick()
            except Exception:  # noqa: BLE001 -- time goes on, whatever one resource has done
                traceback.print_exc()


_current = Clock()


def clock() -> Clock:
    """The clock of this process."""
    return _current


def use(replacement: Clock) -> Clock:
    """Put another clock in place; it takes the work of the old one over."""
    replacement._work = _current._work
    globals()["_current"] = replacement
    return replacement
