"""Fork SGLang's scheduler and detokenizer from its server, which has imported everything they need.

SGLang spawns them (sglang 0.5.23, srt/entrypoints/engine.py: `mp.set_start_method("spawn", force=True)`), since CUDA does not survive a
fork. Each then imports PyTorch and SGLang once more: 30 s of the 50 s of CPU time of a start, measured 2026-11. On a CPU a fork
is safe: at that moment the server has one Python thread and no socket (checked with sglang 0.5.23, 2026-11).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from typing import Any


def forking(set_start_method: Callable[..., None]) -> Callable[..., None]:
    """Wrap `set_start_method` so that it takes "fork" where it is asked for "spawn"."""

    def chosen(method: str | None, **options: Any) -> None:
        set_start_method("fork" if method == "spawn" else method, **options)

    return chosen


def _begin_as_spawned() -> None:
    """The server's handler ends its children, and a child has none: SIGTERM ends it, as it ends a spawned process."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def install() -> None:
    """Wrap `multiprocessing.set_start_method`, which `torch.multiprocessing` copies."""
    if sys.platform != "linux":  # on macOS, system libraries do not survive a fork
        return
    multiprocessing.set_start_method = forking(multiprocessing.set_start_method)
    os.register_at_fork(after_in_child=_begin_as_spawned)
