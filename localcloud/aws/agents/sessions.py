"""Sessions of runtimes: one process each, as AgentCore has one microVM each, until it is idle, too old or stopped."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from typing import IO, Any, Final

from localcloud.aws.agents import packages
from localcloud.aws.agents.errors import AgentCoreError
from localcloud.aws.agents.records import Runtime, Session
from localcloud.aws.agents.store import LOCK, Store, stores
from localcloud.aws.clock import clock
from localcloud.aws.hosting import logs
from localcloud.aws.hosting.standby import base_environment
from localcloud.aws.settings import current

FOLDER: Final = "agents"
"""Folder of the sessions, in the folder of the state."""
_IDLE_S, _LIFETIME_S = 900, 28800
"""Defaults of LifecycleConfiguration (AgentCore's API reference, read 2026-11)."""
_PING_S = 2
_STOP_S = 5
_SETTLE_S = 1
_SEE_LOGS = "Please check your CloudWatch logs for more information."


class ProcessSession:
    """A session that is a process; its attributes are those of `Session`."""

    def __init__(self, state: Store, runtime: Runtime, session_id: str, *, qualifier: str, version: int) -> None:
        self.key = (runtime.id, session_id)
        self.outstanding = 0
        self.port = 0
        self._state = state
        self._properties: dict[str, Any] = runtime.versions[version - 1]
        self._group = f"/aws/bedrock-agentcore/runtimes/{runtime.id}-{qualifier}"
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()
        self._stopped = False
        self._born = self.last_used = clock().now()
        short = hashlib.sha256("\0".join(self.key).encode()).hexdigest()[:12]
        self._folder = current().folder / FOLDER / f"{runtime.name}-{short}-{os.urandom(3).hex()}"

    @property
    def alive(self) -> bool:
        """Whether the session has a process, or does not need one yet."""
        return not self._stopped and (self._process is None or self._process.poll() is None)

    @property
    def pid(self) -> int | None:
        """Process id; None without a process."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def settle(self) -> None:
        """Wait a moment for a process that is ending: its connections end before the process does."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_SETTLE_S)

    def ensure(self) -> None:
        """Start the process unless it runs, and wait until it listens.

        Raises:
            AgentCoreError: RuntimeClientError, if the process does not start or ends.
        """
        with self._starting:
            if self._process is None:
                self._start()

    def expired(self) -> bool:
        """Whether the session has to end: idle for too long (a busy agent says so in ``/ping``), or too old."""
        lifecycle = self._properties.get("LifecycleConfiguration", {})
        now = clock().now()
        if now - self._born >= int(lifecycle.get("MaxLifetime", _LIFETIME_S)):
            return True
        if self.outstanding or now - self.last_used < int(lifecycle.get("IdleRuntimeSessionTimeout", _IDLE_S)):
            return False
        if self._ping() == "HealthyBusy":
            self.last_used = now
            return False
        return True

    def touch(self) -> None:
        """Start counting idle time."""
        self.last_used = clock().now()

    def stop(self) -> None:
        """End the process, and delete its folder."""
        self._stopped = True
        process = self._process
        if process is not None:
            _signal(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)
            _signal(process, signal.SIGKILL)  # for the rest of its process group
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        began = time.monotonic()
        try:
            packages.unpack(packages.find(self._state.account, self._state.region, self._properties), self._folder)
            command = packages.command(self._properties, self._folder)
        except packages.PackageError as error:
            self._log(str(error))
            shutil.rmtree(self._folder, ignore_errors=True)
            raise _not_started() from error
        self.port = _free_port()
        variables = packages.environment(self._state.region, self._properties, port=self.port)
        self._process = process = subprocess.Popen(
            command,
            cwd=self._folder,
            env=base_environment() | variables,
            stdin=subprocess.PIPE,  # closing it ends the process: a killed embedded AWS leaves none behind
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        (self._folder / "pid").write_text(str(process.pid))  # the next server ends the processes of a killed one
        assert process.stdout is not None
        threading.Thread(target=self._follow, args=(process.stdout,), daemon=True).start()
        while self._ping() is None:
            if process.poll() is not None or self._stopped:
                self._log(f"the agent ended with exit code {process.poll()} before it listened on port 8080")
                raise _not_started()
            if time.monotonic() - began > current().agent_start_s:
                self.stop()
                message = f"Runtime initialization time exceeded. Please make sure that initialization completes in {current().agent_start_s:.0f}s."
                raise AgentCoreError("RuntimeClientError", message)
            time.sleep(0.05)
        self.touch()

    def _ping(self) -> str | None:
        """Status in the agent's ``/ping``; None if it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PING_S)
        try:
            connection.request("GET", "/ping")
            response = connection.getresponse()
            body = response.read()
            return str(json.loads(body)["status"]) if response.status == http.client.OK else None
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
            return None
        finally:
            connection.close()

    def _follow(self, pipe: IO[bytes]) -> None:
        with pipe, self._lines() as write:
            for line in pipe:
                write(line.decode(errors="replace").rstrip("\n"))

    def _log(self, line: str) -> None:
        with self._lines() as write:
            write(line)

    def _lines(self) -> Any:
        name = f"{clock().utc():%Y/%m/%d}/[runtime-logs]{self._folder.name}"
        path = current().folder / "logs" / self.key[0] / f"{self._folder.name}.log"
        return logs.lines(self._state.account, self._state.region, group=self._group, name=name, path=path)


def session(state: Store, runtime: Runtime, session_id: str, *, qualifier: str) -> Session:
    """Session by id, started if necessary; a request counts as in flight until `Session.outstanding` is decremented."""
    with LOCK:
        version = state.version(runtime, qualifier)
        ended = found = state.sessions.get((runtime.id, session_id))
        if found is None or not found.alive:
            found = ProcessSession(state, runtime, session_id, qualifier=qualifier, version=version)
            state.sessions[found.key] = found
        found.outstanding += 1
    if ended is not None and ended is not found:
        ended.stop()  # its process has ended; its pipe and its folder remain
    return found


def forget(state: Store, ended: Session) -> None:
    """Remove a session from the state, and end its process."""
    with LOCK:
        if state.sessions.get(ended.key) is ended:
            del state.sessions[ended.key]
    ended.stop()


def tick() -> None:
    """End the sessions whose time is over."""
    for state in stores():
        with LOCK:
            running = [found for found in state.sessions.values() if found.port]
        for found in running:
            if not found.alive or found.expired():
                threading.Thread(target=forget, args=(state, found), daemon=True).start()


def _not_started() -> AgentCoreError:
    return AgentCoreError("RuntimeClientError", f"An error occurred while starting the runtime. {_SEE_LOGS}")


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
