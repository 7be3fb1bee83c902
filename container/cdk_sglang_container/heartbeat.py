"""The schedulers' own heartbeat, through a file that they and the HTTP process map into memory.

A scheduler beats with every batch. Where one pass over a long prompt can take minutes (no GPU), it beats with every layer
too, so that a slow engine can be told from one that is stuck in a loop.
"""

from __future__ import annotations

import functools
import mmap
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

FILE_VARIABLE = "CDK_SGLANG_HEARTBEAT_FILE"
# A slot for each scheduler; if two share a slot, both beats change it.
_SLOTS, _SLOT_BYTES = 512, 8


class Heartbeat:
    """The file, as one process maps it.

    Args:
        path: From `prepare_heartbeat`.
    """

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _SLOTS * _SLOT_BYTES)
        self._start = os.getpid() % _SLOTS * _SLOT_BYTES
        self._count = 0
        self._seen = bytes(self._memory)

    def beat(self) -> None:
        """Record that this process makes progress. Takes less than a microsecond."""
        self._count += 1
        self._memory[self._start : self._start + _SLOT_BYTES] = self._count.to_bytes(_SLOT_BYTES, "little")

    def beaten(self) -> bool:
        """Whether any process has beaten since this was last asked."""
        before, self._seen = self._seen, bytes(self._memory)
        return before != self._seen


def prepare_heartbeat(environment: MutableMapping[str, str]) -> None:
    """Create the file and name it in the environment; if it cannot be created, computing alone is the sign of progress.

    Args:
        environment: `os.environ`; inherited by the schedulers and the tokenizer workers.
    """
    environment.pop(FILE_VARIABLE, None)
    memory = Path("/dev/shm")  # noqa: S108  nothing but numbers
    for folder in (memory, Path(tempfile.gettempdir())):
        try:
            descriptor, name = tempfile.mkstemp(prefix="cdk-sglang-heartbeat-", dir=folder)
        except OSError:
            continue
        os.truncate(descriptor, _SLOTS * _SLOT_BYTES)
        os.close(descriptor)
        environment[FILE_VARIABLE] = name
        return


def remove_heartbeat(environment: MutableMapping[str, str]) -> None:
    """Remove the file."""
    name = environment.pop(FILE_VARIABLE, "")
    if name:
        Path(name).unlink(missing_ok=True)


def open_heartbeat(environment: MutableMapping[str, str]) -> Heartbeat | None:
    """Map the file; None if there is none."""
    name = environment.get(FILE_VARIABLE)
    try:
        return Heartbeat(Path(name)) if name else None
    except (OSError, ValueError):
        return None


def let_beat(scheduler: Any, model_runner: Any) -> None:
    """Let SGLang's scheduler beat, if there is a file for it.

    Args:
        scheduler: SGLang's class of the scheduler, which is changed.
        model_runner: SGLang's class that loads the model, which is changed.
    """
    heartbeat = open_heartbeat(os.environ)
    if heartbeat is not None:
        _beat_with_batches(scheduler, heartbeat.beat)
        _beat_with_layers(model_runner, heartbeat.beat)


def _beat_with_batches(scheduler: Any, beat: Callable[[], None]) -> None:
    run_batch = scheduler.run_batch

    @functools.wraps(run_batch)
    def beating(*arguments: Any, **options: Any) -> Any:
        beat()
        result = run_batch(*arguments, **options)
        beat()
        return result

    scheduler.run_batch = beating


def _beat_with_layers(model_runner: Any, beat: Callable[[], None]) -> None:
    """Only on a CPU: a GPU's passes are short, and captured or compiled ones run no hooks."""
    from torch import nn

    load_model = model_runner.load_model

    @functools.wraps(load_model)
    def loading(runner: Any, *arguments: Any, **options: Any) -> Any:
        result = load_model(runner, *arguments, **options)
        if runner.device == "cpu":
            for module in runner.model.modules():
                for layer in module if isinstance(module, nn.ModuleList) else ():
                    layer.register_forward_pre_hook(lambda *_: beat())
        return result

    model_runner.load_model = loading
