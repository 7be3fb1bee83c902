"""A container's process that is started before its copy is: it has done by then what is the same for every copy, its imports.

The command of the container must know how: with `CDK_SGLANG_STANDBY` set it waits for one line on its standard input, the copy's
environment and folder as JSON, and ends without one.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_VARIABLE: Final = "CDK_SGLANG_STANDBY"
_READ_LATE: Final = ("AWS_", "CDK_SGLANG_", "SM_SGLANG_")
"""Variables that no import reads: one with another name needs a process that has it from its beginning."""


class Standby:
    """At most one process in waiting."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._command: list[str] = []
        self._base: dict[str, str] = {}

    def start(self, command: list[str]) -> None:
        """Start a process of a container's command."""
        self._base = base_environment()
        self._command = command
        self._process = subprocess.Popen(
            command,
            env=self._base | {_VARIABLE: "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def take(self, command: list[str], environment: Mapping[str, str], folder: Path) -> subprocess.Popen[bytes] | None:
        """Return the process as that of a copy; None if there is none, or it cannot be one with this environment."""
        new = {name for name, value in environment.items() if self._base.get(name) != value}
        if command != self._command or not all(name.startswith(_READ_LATE) for name in new):
            return None
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return None
        assert process.stdin is not None
        try:
            with process.stdin as pipe:
                pipe.write(json.dumps({"environment": dict(environment), "folder": str(folder)}).encode() + b"\n")
        except OSError:
            _end(process)
            return None
        return process

    def stop(self) -> None:
        """End the process if no copy has taken it."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            _end(process)


def base_environment() -> dict[str, str]:
    """Variables that every container has from this process, and those that Python reads when it starts."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return inherited | {"PYTHONUNBUFFERED": "1"}


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    process.wait()


_standby: Final = Standby()


def standby() -> Standby:
    """The one of this process's server."""
    return _standby
