"""Programs of `.venv-engine` as forks of one process that has imported PyTorch and SGLang: 10 to 20 s of CPU time less for each.

A fork has its own environment, folder, files, session and exit code. What reads other variables than a test's own when it is imported
(`SGLANG_*`, `OMP_*`, `TRITON_*`) needs a process of its own: `subprocess`.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from localcloud.engine.recipe import ROOT, engine_environment, engine_python

STARTUP = str(ROOT / "localcloud/engine/startup")
_SERVER = Path(__file__).with_name("engine_fork_server.py")
_POLLS_EVERY_S = 0.02


class ForkServer:
    """The process that has imported SGLang, with or without this repository's additions for a CPU (`localcloud/engine/startup`)."""

    def __init__(self, *, startup: bool) -> None:
        """Start it; it answers once everything is imported."""
        environment = engine_environment() | {"PYTHONPATH": STARTUP if startup else "", "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [str(engine_python()), str(_SERVER)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        atexit.register(self._stop)
        self._answer()

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the process that imports SGLang ended: {self._process.wait()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _stop(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


@cache
def fork_server(*, startup: bool) -> ForkServer:
    """This test process's own, started when a test first needs it."""
    return ForkServer(startup=startup)


@dataclass
class Fork:
    """A fork's process, as `subprocess.Popen` has it."""

    server: ForkServer
    args: Sequence[str]
    pid: int
    returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self.server.ask({"poll": self.pid})["code"]
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            time.sleep(_POLLS_EVERY_S)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def start(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path = ROOT,
    stdin: str = os.devnull,
    stdout: str = os.devnull,
    stderr: str = os.devnull,
    startup: bool = False,
) -> Fork:
    """Start Python with these arguments in a session of its own; the files are appended to."""
    server = fork_server(startup=startup)
    request = {
        "arguments": list(arguments),
        "environment": dict(environment),
        "folder": str(folder),
        "files": [stdin, stdout, stderr],
    }
    return Fork(server, arguments, int(server.ask(request)["pid"]))


def run(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
    stdin_text: str = "",
    timeout_s: float = 240,
    startup: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments to its end, as `subprocess.run` with captured texts does; past its time the session is killed."""
    with tempfile.TemporaryDirectory() as place:
        names = [Path(place, name) for name in ("in", "out", "err")]
        names[0].write_text(stdin_text, encoding="utf-8")
        stdin, stdout, stderr = map(str, names)
        process = start(
            arguments,
            environment=engine_environment(environment),
            folder=folder,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            startup=startup,
        )
        try:
            code = process.wait(timeout_s)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
            raise
        written = [path.read_text(encoding="utf-8") for path in names[1:]]
        return subprocess.CompletedProcess(list(arguments), code, *written)
