"""The process from which copies are forked: it has done the work that all copies share, the imports of the container.

The command of the container must support this: with `CDK_SGLANG_STANDBY` set it reads lines from the socket that is its standard input, each
a copy's environment and folder as JSON, with two pipes, for the copy's output and for its exit code. It says so with a line when it can
take the first, answers each with the process id of a fork in a session of its own, and ends when the socket is closed, or after ten
minutes without a copy.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Final

_VARIABLE: Final = "CDK_SGLANG_STANDBY"
_READ_LATE: Final = ("AWS_", "CDK_SGLANG_", "SM_SGLANG_")
"""Variables that no import reads: a variable with another name requires a process that starts with it."""
_IMPORTED_WITHIN_S: Final = 180.0
"""Seconds that a copy waits for the imports to finish, which takes 20 s on a quiet machine."""
_ANSWERS_WITHIN_S: Final = 60.0
_AT_ONCE: Final = 1024


class Fork:
    """A copy's process, with the interface of `subprocess.Popen`.

    Attributes:
        pid: Its process id, which is also that of its group.
        stdout: What it writes, to standard error too.
        returncode: Its exit code, negative if a signal ended it; None while it runs.
    """

    def __init__(self, *, pid: int, stdout: IO[bytes], end: int) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._end = end
        self._lock = threading.Lock()
        weakref.finalize(self, os.close, end)

    def poll(self) -> int | None:
        """Return the exit code; None while the process runs."""
        with self._lock:
            if self.returncode is None and _readable(self._end, 0):
                code = os.read(self._end, _AT_ONCE)
                if not code:  # the process that would report its end has ended
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(self.pid, signal.SIGKILL)
                self.returncode = int(code or -signal.SIGKILL)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once the process has ended.

        Raises:
            subprocess.TimeoutExpired: It is still running.
        """
        _readable(self._end, timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code


class Standby:
    """The process, at most one, from which copies are forked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None
        self._command: list[str] = []
        self._base: dict[str, str] = {}
        self._ready = False

    def start(self, command: list[str]) -> None:
        """Start the process with a container's command, unless it is running."""
        with self._lock:
            if self._process is None or command != self._command or base_environment() != self._base:
                self._end()
                self._base, self._command = base_environment(), command
                self._start()

    def take(
        self,
        command: list[str],
        environment: Mapping[str, str],
        folder: Path,
        *,
        unwanted: Callable[[], bool] = lambda: False,
    ) -> subprocess.Popen[bytes] | Fork | None:
        """Return a process of a copy; None if there is no standby, or it cannot have this environment.

        Args:
            command: The container's.
            environment: The copy's.
            folder: The copy's.
            unwanted: Whether the copy has been stopped while it waits for the imports; None is returned then.
        """
        new = {name for name, value in environment.items() if self._base.get(name) != value}
        if command != self._command or not all(name.startswith(_READ_LATE) for name in new):
            return None
        with self._lock:
            if self._process is None:
                return None
            if self._process.poll() is not None:  # of the time without a copy
                self._end()
                self._start()
            try:
                if not self._imported(unwanted):
                    return None
                return self._ask({"environment": dict(environment), "folder": str(folder)})
            except (OSError, ValueError):
                self._end()
                return None

    def stop(self) -> None:
        """End the process, and with it the copies that are its children."""
        with self._lock:
            self._end()

    def _start(self) -> None:
        self._requests, theirs = socket.socketpair()
        self._requests.settimeout(_ANSWERS_WITHIN_S)
        self._ready = False
        with theirs:
            self._process = subprocess.Popen(
                self._command,
                env=self._base | {_VARIABLE: "1"},
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _imported(self, unwanted: Callable[[], bool]) -> bool:
        """Wait for the imports; return whether they are done, which they are not if the copy was stopped before."""
        assert self._requests is not None
        deadline = time.monotonic() + _IMPORTED_WITHIN_S
        while not self._ready and not unwanted():
            if _readable(self._requests.fileno(), 0.1):
                self._ready = bool(json.loads(self._requests.recv(_AT_ONCE))["ready"])
            elif time.monotonic() > deadline:
                raise TimeoutError
        return self._ready

    def _ask(self, copy: Mapping[str, object]) -> subprocess.Popen[bytes] | Fork:
        assert self._requests is not None
        assert self._process is not None
        output, writes = os.pipe()
        end, says = os.pipe()
        try:
            line = json.dumps(copy).encode() + b"\n"
            sent = socket.send_fds(self._requests, [line], [writes, says])
            self._requests.sendall(line[sent:])
            pid = int(json.loads(self._requests.recv(_AT_ONCE))["pid"])
        except (OSError, ValueError):
            os.close(output)
            os.close(end)
            raise
        finally:
            os.close(writes)
            os.close(says)
        stdout = os.fdopen(output, "rb")
        if pid != self._process.pid:
            return Fork(pid=pid, stdout=stdout, end=end)
        os.close(end)  # it could not fork, and is the copy now
        process, self._process = self._process, None
        self._requests.close()
        process.stdout = stdout
        return process

    def _end(self) -> None:
        if self._requests is not None:
            self._requests.close()
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def base_environment() -> dict[str, str]:
    """Variables that every container has from this process, and those that Python reads when it starts."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return inherited | {"PYTHONUNBUFFERED": "1"}


def _readable(descriptor: int, timeout_s: float | None) -> bool:
    """Whether there is something to read, or nothing more to come, within a time; None waits forever."""
    poll = select.poll()  # knows descriptors above 1,023, which `select.select` does not
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))


_standby: Final = Standby()


def standby() -> Standby:
    """The one of this process's server."""
    return _standby
