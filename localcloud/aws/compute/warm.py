"""Python functions run in forks of one process that has loaded the SDK, as Lambda keeps environments that have completed their imports.

A process for each invocation would spend most of a second on importing boto3 and reading the models of its services.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_PARENT: Final = """
import functools, json, logging, os, signal, socket, sys, types, uuid, time, importlib, traceback
import boto3, botocore.session
botocore.session.create_loader = functools.cache(botocore.session.create_loader)
for service in ("s3", "sagemaker", "sagemaker-runtime"):
    boto3.Session("none", "none", region_name="us-east-1").client(service)
KEPT = {"__main__", "importlib", "json", "logging", "os", "sys", "time", "traceback", "types", "uuid"}

def run(asked):
    os.chdir(asked["folder"])
    for name, standard in (("event", 0), ("output", 1), ("output", 2)):
        os.dup2(os.open(asked[name], os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), standard)
    os.environ.clear()
    os.environ.update(asked["environment"])
    own = {entry.partition(".")[0] for entry in os.listdir(".")} - KEPT  # a module of the function goes before one that is loaded
    for module in [module for module in sys.modules if module.partition(".")[0] in own]:
        del sys.modules[module]
    code = 1
    try:
        exec(compile(asked["program"], "<lambda>", "exec"), {"__name__": "__main__"})
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

def supervise(asked, reply):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.close(reply)
        run(asked)
    late = []
    def end(*_):
        late.append(True)
        os.kill(child, signal.SIGKILL)
    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, asked["timeout_s"])
    _, status = os.waitpid(child, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.write(reply, json.dumps({"status": os.waitstatus_to_exitcode(status), "late": bool(late)}).encode())
    os._exit(0)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
door = socket.socket(fileno=int(sys.argv[1]))
while True:
    message, replies, _, _ = socket.recv_fds(door, 4096, 1)
    if not message:
        sys.exit()
    if os.fork() == 0:
        door.close()
        with open(message) as file:
            asked = json.load(file)
        supervise(asked, *replies)
    os.close(*replies)
"""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a fork ended.

    Args:
        status: Exit status, negative for a signal.
        late: Whether it was ended because it took too long.
        output: What it wrote.
    """

    status: int
    late: bool
    output: str


class Parent:
    """The process that is forked; it starts with the first function, and ends with this process or with `stop`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._door: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, program: str, *, folder: Path, environment: dict[str, str], event: str, timeout_s: float) -> Ended:
        """Run a program in a fork, in a folder and with an environment, and end it when it takes too long.

        Args:
            program: Python code.
            folder: The fork's working folder, whose modules it can import; files of this call are created next to it.
            environment: All of its variables.
            event: What it reads on standard input.
            timeout_s: Seconds until it is ended.
        """
        output = folder.parent / "output"
        (folder.parent / "event").write_text(event)
        task: dict[str, Any] = {"program": program, "folder": str(folder), "environment": environment}
        task |= {"timeout_s": timeout_s, "event": str(folder.parent / "event"), "output": str(output)}
        request = folder.parent / "request.json"
        request.write_text(json.dumps(task))
        read, write = os.pipe()
        with os.fdopen(read) as reply:
            try:
                with self._lock:
                    socket.send_fds(self._open(), [os.fsencode(request)], [write])
            finally:
                os.close(write)
            answer = reply.read()
        how = json.loads(answer or '{"status": -9, "late": false}')  # without an answer, its parent was killed
        return Ended(**how, output=output.read_text(errors="replace") if output.exists() else "")

    def stop(self) -> None:
        """End the process; a later `run` starts a new one."""
        with self._lock:
            door, process = self._door, self._process
            self._door = self._process = None
        if door is not None and process is not None:
            door.close()
            process.wait()

    def _open(self) -> socket.socket:
        if self._door is not None and self._process is not None and self._process.poll() is None:
            return self._door
        if self._door is not None:
            self._door.close()
        self._door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            atexit.register(self.stop)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PARENT, str(theirs.fileno())],
                env={"PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        return self._door


_parent: Final = Parent()


def parent() -> Parent:
    """The one of this process."""
    return _parent
