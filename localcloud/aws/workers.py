"""Threads that a driven clock runs one at a time, so that background work is deterministic in tests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class AbandonedError(BaseException):
    """The clock of a worker was replaced; its work ends where it waits."""


class Worker:
    """One piece of work with a thread of its own; the thread runs only while `resume` waits for it.

    Args:
        work: The work.
        name: Name of the thread.
    """

    def __init__(self, work: Callable[[], None], *, name: str) -> None:
        self.ready: Callable[[], bool] = lambda: True
        self.finished = False
        self.error: BaseException | None = None
        self._work = work
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._started = False

    def resume(self) -> None:
        """Run the work until it waits or ends."""
        if not self._started:
            self._started = True
            self._thread.start()
        self._go.release()
        self._stopped.acquire()

    def wait(self, ready: Callable[[], bool]) -> None:
        """Let others run until `ready` holds; called by the work itself."""
        self.ready = ready
        self._stopped.release()
        self._go.acquire()
        if self._abandoned:
            raise AbandonedError

    def abandon(self) -> None:
        """End the work where it waits."""
        self._abandoned = True
        if self._started and not self.finished:
            self.resume()

    def _run(self) -> None:
        self._go.acquire()
        _here.worker = self
        try:
            if not self._abandoned:
                self._work()
        except AbandonedError:
            pass
        except BaseException as error:  # noqa: BLE001 -- raised again where the clock is moved, so that a test sees it
            self.error = error
        self.finished = True
        self._stopped.release()


_here: Any = threading.local()


def this_worker() -> Worker | None:
    """Worker of the calling thread; None in every other thread."""
    worker: Worker | None = getattr(_here, "worker", None)
    return worker


class Workers:
    """The workers of one driven clock."""

    def __init__(self) -> None:
        self._workers: list[Worker] = []

    def add(self, work: Callable[[], None], *, name: str) -> None:
        """Start work, which runs until its first wait; work that a worker starts runs after that worker."""
        self._workers.append(Worker(work, name=name))
        if this_worker() is None:
            self.run()

    def run(self) -> None:
        """Run every worker whose wait is over, until each waits or has ended; raises the error of a failed worker."""
        while worker := next((found for found in self._workers if found.ready()), None):
            worker.resume()
            if worker.finished:
                self._workers.remove(worker)
            if worker.error is not None:
                raise worker.error

    def abandon(self) -> None:
        """End all work where it waits."""
        for worker in self._workers:
            worker.abandon()
        self._workers.clear()
