"""Import SGLang before there is a copy to start, then fork a process for each: it gets the input of a copy's container and continues.

`localcloud/aws/hosting/standby.py` is the other end. After this module the start is like any other: Python continues with the
entry point of the container. At the fork there is one thread and no socket but the one of the requests (checked with sglang 0.5.23, 2026-12).
On macOS system libraries do not survive a fork: the process itself becomes the first copy, and later copies get none.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from typing import Any

VARIABLE = "CDK_SGLANG_STANDBY"
_AHEAD = ("sglang.launch_server", "sglang.srt.entrypoints.http_server", "sglang.srt.models.registry")
"""Modules that the server imports, and with the registry those of its scheduler (sglang 0.5.23)."""
_WAITS_S = 600.0
"""Seconds without a copy after which this process ends: there is no deployment, or the fleet was deleted."""
_AT_ONCE = 65_536


def install() -> None:
    """Do nothing, unless the environment asks this process to stand by."""
    if os.environ.pop(VARIABLE, None) is None:
        return
    imported = False
    try:
        for name in _AHEAD:
            importlib.import_module(name)
        imported = True
    finally:
        if not imported:  # a separate start fails for the same reason, in the log of its copy
            os._exit(1)
    # SGLang has it; it finds the place of a title by the first environment, so before any copy's.
    titles = importlib.import_module("setproctitle")
    title = titles.getproctitle()
    titles.setproctitle("cdk-sglang standby: copies are forked off this process")
    gc.collect()
    gc.freeze()  # forks skip imported objects in garbage collection, and so copy none of their pages
    with socket.socket(fileno=os.dup(0)) as requests:
        _replace(0, os.open(os.devnull, os.O_RDONLY))
        requests.sendall(b'{"ready": true}\n')
        copy, output = _Parent(requests).serve()
        titles.setproctitle(title)
        os.setsid()
        requests.sendall(json.dumps({"pid": os.getpid()}).encode() + b"\n")
        _replace(1, output)
        os.dup2(1, 2)
    become(copy)


def become(copy: dict[str, Any]) -> None:
    """Take a copy's environment and folder.

    Args:
        copy: `environment`, `folder`. What the container's command sets itself, the environment of this process, wins, as it does
            where the command is started with a copy's environment.
    """
    os.environ.update({**copy["environment"], **os.environ})
    os.chdir(copy["folder"])


class _Parent:
    """Forks, and reports how each fork ended."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._ends: dict[int, int] = {}  # the pipe that a fork's exit code goes into, by process

    def serve(self) -> tuple[dict[str, Any], int]:
        """Return in each fork, with what it is to be and its output's pipe; ends the process when its server has ended."""
        woken, wakes = socket.socketpair()
        wakes.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while True:
            readable, _, _ = select.select([self._requests, woken], [], [], None if self._ends else _WAITS_S)
            if woken in readable:
                woken.recv(_AT_ONCE)
            self._reap()
            request = self._read() if self._requests in readable else None
            if not readable and not self._ends:
                os._exit(0)
            if request is None:
                continue
            copy, output, end = request
            child = os.fork() if sys.platform == "linux" else 0
            if child == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for mine in (woken, wakes):
                    mine.close()
                for descriptor in (end, *self._ends.values()):
                    os.close(descriptor)
                return copy, output
            os.close(output)
            self._ends[child] = end

    def _read(self) -> tuple[dict[str, Any], int, int]:
        """Read a request, with the pipes for the output and the exit code; ends the process if its server has ended."""
        line, pipes, _, _ = socket.recv_fds(self._requests, _AT_ONCE, 2)
        while line and not line.endswith(b"\n"):
            more = self._requests.recv(_AT_ONCE)
            line = line + more if more else b""
        if not line:
            os._exit(0)
        output, end = pipes
        return json.loads(line), output, end

    def _reap(self) -> None:
        for child in list(self._ends):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                end = self._ends.pop(child)
                os.write(end, str(os.waitstatus_to_exitcode(status)).encode())
                os.close(end)


def _replace(descriptor: int, by: int) -> None:
    os.dup2(by, descriptor)
    os.close(by)
