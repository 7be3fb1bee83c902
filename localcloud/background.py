"""The server of `make local`: a background process that the next run finds again, until `make local-down` stops it."""

from __future__ import annotations

import http
import json
import os
import shlex
import signal
import socket
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
_PORT: Final = 4566
_ENGINE_LINES: Final = 10
_STARTS_WITHIN_S: Final = 120.0
"""A tenth of this is enough on a quiet machine. On a busy machine, a limit that is too short ends a server that would have started."""
_STOPS_WITHIN_S: Final = 40.0

console = Console(width=120, highlight=False)


class LocalError(RuntimeError):
    """A step failed; the message names the next step."""


def running() -> dict[str, Any] | None:
    """Process id and address of an earlier run's server; None if its process has ended."""
    try:
        server: dict[str, Any] = json.loads(_SERVER_FILE.read_text(encoding="utf-8"))
        os.kill(int(server["pid"]), 0)
        command = Path(f"/proc/{server['pid']}/cmdline")
        if command.exists() and b"localcloud" not in command.read_bytes():
            return None  # the process id belongs to another program now
        os.kill(int(server["pid"]), signal.SIGCONT)  # it may be suspended, and then does not answer
    except (OSError, ValueError, KeyError):
        return None
    return server


def ensure(port: int | None, python: Path) -> str:
    """Start the embedded AWS unless an earlier run did; return its address.

    Args:
        port: Port to listen on. Default: the port of an earlier run, else 4566.
        python: Python of the engine's environment.

    Raises:
        LocalError: The server did not start, or an earlier one listens on a port other than the requested one.
    """
    earlier = running()
    if earlier is not None and healthy(earlier["url"]):
        used = int(earlier["url"].rpartition(":")[2])
        if port not in (None, used):
            raise LocalError(
                f"PORT={port}: this checkout's embedded AWS is on port {used}; `make local-down` first, or continue with `make local PORT={used}`"
            )
        console.print(f"[dim]embedded AWS is up on {earlier['url']}[/dim]")
        return str(earlier["url"])
    if earlier is not None:
        stop(int(earlier["pid"]))
    port = port or _PORT
    try:
        private_folder(STATE)
    except PrivateFolderError as error:
        raise LocalError(str(error)) from error
    CREDENTIALS_FILE.unlink(missing_ok=True)  # left behind by a server that was killed
    command = [sys.executable, "-m", "localcloud", "--port", str(port), "--state-dir", str(SERVER_STATE)]
    command.append("--standby")  # the engine imports SGLang while CDK deploys
    step(f"starting the embedded AWS on port {port}")
    with _SERVER_LOG.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "LOCALCLOUD_CONTAINER_COMMAND": shlex.join(container_command(python))},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C here must not stop the server: `make local-down` does
        )
    url = f"http://localhost:{port}"
    try:
        _SERVER_FILE.write_text(json.dumps({"pid": process.pid, "url": url}), encoding="utf-8")
    except BaseException:  # a full disk, or Ctrl-C: no later run would find the server
        process.terminate()
        raise
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            _SERVER_FILE.unlink(missing_ok=True)
            raise LocalError(_not_started(port))
        if healthy(url):
            return url
        time.sleep(0.1)
    raise LocalError(f"the embedded AWS did not answer within {_STARTS_WITHIN_S:.0f} s; see {_SERVER_LOG}")


def _not_started(port: int) -> str:
    """Return why the server ended at its start, in one line with the next step."""
    last = (_SERVER_LOG.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["no output"])[-1]
    if "is taken" in last:
        return f"the embedded AWS did not start: port {port} is taken, perhaps by another checkout or user; try `make local PORT={_free_port()}`"
    return f"the embedded AWS did not start: {last}; full log: {_SERVER_LOG.relative_to(ROOT)}"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def last_lines_of_engine(*, since: float) -> list[str]:
    """Return the last lines that a container has written, as `make local` shows them after a failed start.

    Args:
        since: Seconds since the epoch; logs without a line since then are skipped.
    """
    logs = [path for path in (SERVER_STATE / "logs").rglob("*.log") if path.stat().st_mtime >= since]
    if not logs:
        return []
    text = max(logs, key=lambda path: path.stat().st_mtime).read_text(encoding="utf-8", errors="replace")
    return [f"  {line}" for line in text.strip().splitlines()[-_ENGINE_LINES:]]


def container_command(python: Path) -> list[str]:
    """Command that stands for a container image: the project's own entry, on this machine's CPU."""
    startup = str(ROOT / "localcloud/engine/startup")  # keeps its sockets on this machine, and forks what SGLang spawns
    variables = engine_environment(
        {"CDK_SGLANG_PYTHON": str(python), "PYTHONPATH": startup, "GLOO_SOCKET_IFNAME": "lo"}
    )
    return ["env", *(f"{name}={value}" for name, value in variables.items()), str(ROOT / "container/serve")]


def credentials() -> Credentials:
    """Return the credentials of the running server.

    Raises:
        LocalError: There is no server, or an older checkout started it.
    """
    server_credentials = Credentials.read(SERVER_STATE)
    if server_credentials is None:
        raise LocalError(f"{CREDENTIALS_FILE.relative_to(ROOT)} is missing; run `make local-down`, then `make local`")
    return server_credentials


def healthy(url: str) -> bool:
    """Whether the embedded AWS of this checkout answers at an address."""
    server_credentials = Credentials.read(SERVER_STATE)
    if server_credentials is None:
        return False
    request = urllib.request.Request(
        f"{url}/localcloud/health", headers={"Authorization": f"Bearer {server_credentials.secret_access_key}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=2) as response:
            return bool(response.status == http.HTTPStatus.OK)
    except (OSError, urllib.error.URLError):
        return False


def stop(pid: int) -> None:
    """Stop the server and wait for its end; kill it if it does not end."""
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
    """Delete the record of a server that has stopped, and its credentials."""
    _SERVER_FILE.unlink(missing_ok=True)
    CREDENTIALS_FILE.unlink(missing_ok=True)


def step(description: str) -> None:
    """Print the step that begins."""
    console.print(f"· {description}", markup=False)
