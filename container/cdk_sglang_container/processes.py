"""SGLang's other engine processes, and whether they compute."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

# Process titles of sglang 0.5.23: srt/managers/scheduler.py, detokenizer_manager.py.
SCHEDULER, DETOKENIZER = "sglang::scheduler", "sglang::detokenizer"
# Of one core's time: a forward pass keeps a core busy (PyTorch waits for a GPU in a loop); what waits in a queue, or is
# stopped, takes a thousandth.
_COMPUTES_SHARE = 0.02
_STILL = (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


class EngineProcesses:
    """The schedulers and the detokenizer, found once and then observed.

    Args:
        find: Finds them. Default: by title, among this process's children, or its parent's for one of several
            tokenizer workers.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        find: Callable[[], list[psutil.Process]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find, self._clock = find or find_engine_processes, clock
        self._processes: list[psutil.Process] = []
        self._looked_at: float | None = None
        self._cpu_s = 0.0

    def alive(self) -> bool:
        """Whether all of them are there and not stopped."""
        if not self._processes:
            self._processes = self._find()
        try:
            return bool(self._processes) and all(process.status() not in _STILL for process in self._processes)
        except psutil.Error:
            return False

    def computed(self) -> bool:
        """Whether all of them are there and not stopped, and the schedulers have computed since the last call."""
        if not self._processes:
            self._processes = self._find()
        before, self._looked_at = self._looked_at, self._clock()
        cpu_before = self._cpu_s
        try:
            if any(process.status() in _STILL for process in self._processes):
                return False
            # The detokenizer's share is small: it does not hide an idle scheduler.
            self._cpu_s = sum(sum(process.cpu_times()[:2]) for process in self._processes)
        except psutil.Error:
            return False
        if before is None or not self._processes:
            return False
        return self._cpu_s - cpu_before >= _COMPUTES_SHARE * (self._looked_at - before)


def find_engine_processes() -> list[psutil.Process]:
    """Schedulers and detokenizers of this server."""
    own = psutil.Process()
    parent = own.parent()
    for root in (own, *([parent] if parent is not None else [])):
        found = [child for child in root.children(recursive=True) if _is_engine(child)]
        if found:
            return found
    return []


def _is_engine(process: psutil.Process) -> bool:
    try:
        return " ".join(process.cmdline()).startswith((SCHEDULER, DETOKENIZER))
    except psutil.Error:
        return False
