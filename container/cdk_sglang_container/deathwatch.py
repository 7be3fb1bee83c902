"""End the container when SGLang's scheduler dies under several tokenizer workers.

With one tokenizer SGLang does so itself. With several, sglang 0.5.23 notices ("Triggering SIGQUIT for cleanup") and sends
itself a signal that nothing in that process handles any more; the workers would keep refusing requests forever.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import NoReturn

import psutil

logger = logging.getLogger("cdk_sglang_container")

_TITLES = ("sglang::scheduler", "sglang::detokenizer")
_INTERVAL_S = 1.0
# SGLang writes a crash report first, and in an orderly shutdown the schedulers end shortly before this process.
_GRACE_S = 5.0
_EXIT_ENGINE_DIED = 1


def end_everything(code: int) -> NoReturn:
    """Kill all children and exit, without waiting for anything."""
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(code)


class DeathWatch(threading.Thread):
    """Watches this process's engine children."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="death-watch")
        self._seen: dict[int, str] = {}

    def run(self) -> None:
        """Never returns."""
        while True:
            time.sleep(_INTERVAL_S)
            alive = self._engine_processes()
            dead = sorted(title for pid, title in self._seen.items() if pid not in alive)
            if dead:
                logger.error("%s died; ending the container", dead[0])
                time.sleep(_GRACE_S)
                end_everything(_EXIT_ENGINE_DIED)
            self._seen |= alive

    @staticmethod
    def _engine_processes() -> dict[int, str]:
        found = {}
        for child in psutil.Process().children():
            try:
                title = " ".join(child.cmdline())
                if title.startswith(_TITLES) and child.status() != psutil.STATUS_ZOMBIE:
                    found[child.pid] = title
            except psutil.NoSuchProcess:
                continue
        return found
