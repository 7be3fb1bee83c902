"""The embedded AWS of `make local`: a process of its own, found again by the next run, until `make local-down` stops it."""

from __future__ import annotations

import http
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from localcloud.aws.credentials import FILE, Credentials, PrivateFolderError, private_folder
from localcloud.engine.recipe import engine_environment

ROOT: Final = Path(__file__).resolve().parent.parent
STATE: Final = ROOT / ".local"
SERVER_STATE: Final = STATE / "state"
CREDENTIALS_FILE: Final = SERVER_STATE / FILE
_SERVER_FILE: Final = STATE / "server.json"
_SERVER_LOG: Final = STATE / "server.log"
_STARTS_WITHIN_S: Final = 30.0
_STOPS_WITHIN_S: Final = 40.0

console = Console(width=120, highlight=False)


class LocalError(RuntimeError):
    """A step could not be done; the message says what to do next."""


def running() -> dict[str, Any] | None:
    """The server of an earlier run, if its process is still there."""
    try:
        server: dict[str, Any] = json.loads(_SERVER_FILE.read_text(encoding="utf-8"))
        os.kill(int(server["pid"]), 0)
        command = Path(f"/proc/{server['pid']}/cmdline")
        if command.exists() and b"localcloud" not in command.read_bytes():
            return None  # the number was given to another process since
    except (OSError, ValueError, KeyError):
        return None
    return server


def ensure(port: int, python: Path) -> str:
    """Start the embedded AWS, or take the one that an earlier run started."""
    earlier = running()
    if earlier is not None and healthy(earlier["url"]):
        console.print(f"[dim]embedded AWS is up on {earlier['url']}[/dim]")
        return str(earlier["url"])
    if earlier is not None:
        stop(int(earlier["pid"]))
    try:
        private_folder(STATE)
    except PrivateFolderError as error:
        raise LocalError(str(error)) from error
    CREDENTIALS_FILE.unlink(missing_ok=True)  # of a server that was killed
    command = [sys.executable, "-m", "localcloud", "--port", str(port), "--state-dir", str(SERVER_STATE)]
    step(f"starting the embedded AWS on port {port}")
    with _SERVER_LOG.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "LOCALCLOUD_CONTAINER_COMMAND": shlex.join(container_command(python))},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C here must not stop what `make local-down` is there for
        )
    url = f"http://localhost:{port}"
    _SERVER_FILE.write_text(json.dumps({"pid": process.pid, "url": url}), encoding="utf-8")
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            _SERVER_FILE.unlink(missing_ok=True)
            last = _SERVER_LOG.read_text(encoding="utf-8").strip().splitlines()[-1:]
            raise LocalError(f"the embedded AWS did not start: {' '.join(last)}; try `make local PORT={port + 1}`")
        if healthy(url):
            return url
        time.sleep(0.1)
    raise LocalError(f"the embedded AWS did not answer within {_STARTS_WITHIN_S:.0f} s; see {_SERVER_LOG}")


def container_command(python: Path) -> list[str]:
    """The command that stands for a container image: the project's own entry, on this machine's CPU."""
    loopback = str(ROOT / "localcloud/engine/loopback")  # what the engine itself opens stays on this machine
    variables = engine_environment(
        {"CDK_SGLANG_PYTHON": str(python), "PYTHONPATH": loopback, "GLOO_SOCKET_IFNAME": "lo"}
    )
    return ["env", *(f"{name}={value}" for name, value in variables.items()), str(ROOT / "container/serve")]


def credentials() -> Credentials:
    """Return the credentials of the server that runs, also for a second terminal.

    Raises:
        LocalError: There is no server, or it was started by an older checkout.
    """
    found = Credentials.read(SERVER_STATE)
    if found is None:
        raise LocalError(f"{CREDENTIALS_FILE.relative_to(ROOT)} is missing; run `make local-down`, then `make local`")
    return found


def healthy(url: str) -> bool:
    """Whether the embedded AWS of this checkout answers there."""
    mine = Credentials.read(SERVER_STATE)
    if mine is None:
        return False
    request = urllib.request.Request(
        f"{url}/localcloud/health", headers={"Authorization": f"Bearer {mine.secret_access_key}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=2) as response:
            return bool(response.status == http.HTTPStatus.OK)
    except (OSError, urllib.error.URLError):
        return False


def stop(pid: int) -> None:
    """End the process and wait for it; by force when it does not."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOPS_WITHIN_S
        while time.monotonic() < deadline:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            os.kill(pid, 0)
            time.sleep(0.1)
        os.killpg(pid, signal.SIGKILL)


def forget() -> None:
    """Take away the note of a server that is stopped, and what it was asked with."""
    _SERVER_FILE.unlink(missing_ok=True)
    CREDENTIALS_FILE.unlink(missing_ok=True)


def step(what: str) -> None:
    """Say what is being done."""
    console.print(f"· {what}", markup=False)
