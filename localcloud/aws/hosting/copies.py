"""Copies of an inference component: processes that are started, monitored and stopped as SageMaker does with containers."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
import uuid
from pathlib import Path
from typing import IO, Any

import psutil
from typing_extensions import override

from localcloud.aws.clock import clock
from localcloud.aws.hosting import access, artifacts, logs
from localcloud.aws.hosting.standby import Fork, base_environment, standby
from localcloud.aws.settings import current

_PING_FAILURES = 2
"""Consecutive failed pings after which a copy gets no more requests: 2 s apart, 2 s each, so at most 8 s for a hanging copy."""


class Copy:
    """One copy without a process, which becomes healthy after ``copy_start_s`` on the clock.

    Attributes:
        state: starting, healthy, unhealthy (its ``/ping`` fails: no requests), failed, stopping or stopped.
        failure: Reason of a failure, as in the component's FailureReason.
        outstanding: Requests in flight; `peak` is their maximum since it was last read,
            `busiest` that of the current period of utilisation metrics, `busiest_before` that of the one before.
        counts: Requests and errors since they were last published, by metric; `latencies_us` their latencies.
        cpu_before: Time and CPU seconds of the copy's process when they were last read.
        leaving: Whether the copy stops once another has taken its place, since its instance is being emptied.
        born: Time at which the copy was placed, in seconds on the clock.
        gpu_ids: Indices of the copy's GPUs on its instance, once they have been queried.
        download_s: Seconds that filling the model folder took, `start_s` those from then to the first healthy ``/ping``; None before.
        adapters: State of each adapter: loading, loaded, or the reason of its failure.
    """

    def __init__(self, *, component: str, revision: int, instance_id: str, gpus: int, spec: dict[str, Any]) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.component = component
        self.revision = revision
        self.instance_id = instance_id
        self.gpus = gpus
        self.spec = spec
        self.state = "starting"
        self.failure = ""
        self.leaving = False
        self.outstanding = self.peak = self.busiest = self.busiest_before = 0
        self.counts: dict[str, int] = {}
        self.latencies_us: list[float] = []
        self.cpu_before = (clock().now(), 0.0)
        self.adapters: dict[str, str] = {}
        self.port = 0
        self.born = clock().now()
        self.gpu_ids: tuple[int, ...] = ()
        self.download_s: float | None = None
        self.start_s: float | None = None
        self._due = self.born + current().copy_start_s

    def start(self) -> None:
        """Start the copy, without waiting."""

    def poll(self) -> None:
        """Update the state to the current time."""
        if self.state == "starting" and clock().now() >= self._due:
            self.state = "healthy"
            self.start_s = clock().now() - self.born

    def stop(self, *, drain: bool = True) -> None:
        """Stop the copy, without waiting; with `drain`, requests in flight are answered first."""
        del drain
        self.state = "stopped"

    def kill(self) -> None:
        """End the copy at once, as a crash does."""
        self.failure = "the copy was killed"
        self.state = "failed"

    def join(self) -> None:
        """Wait until the copy has stopped."""

    def load_adapter(self, name: str, artifact: str) -> None:
        """Load an adapter from its S3 archive."""
        self.adapters[name] = "loaded" if artifact else "no ArtifactUrl"

    def unload_adapter(self, name: str) -> None:
        """Unload an adapter."""
        self.adapters.pop(name, None)


class ProcessCopy(Copy):
    """One copy that is a process, with model folder, environment, ``/ping``, and SIGTERM then SIGKILL at its end."""

    def __init__(
        self, *, account: str, region: str, container: dict[str, Any], role: str | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self._account, self._region, self._container, self._role = account, region, container, role
        self._process: subprocess.Popen[bytes] | Fork | None = None
        self._halt = threading.Event()
        self._drain = False
        self._thread = threading.Thread(target=self._live, name=f"copy-{self.component}-{self.id}", daemon=True)
        self._folder = current().folder / "copies" / f"{self.component}-{self.id}"
        startup = self.spec.get("StartupParameters", {})
        self._health_timeout_s = startup.get("ContainerStartupHealthCheckTimeoutInSeconds", current().health_timeout_s)

    @property
    def pid(self) -> int | None:
        """Process id; None if the process does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @override
    def start(self) -> None:
        self._thread.start()

    @override
    def poll(self) -> None:
        if self.state in ("healthy", "unhealthy") and self._process is not None and self._process.poll() is not None:
            self._fail(f"the container exited with {self._process.returncode}")
        if self.state == "stopping" and not self._thread.is_alive():
            self.state = "stopped"

    @override
    def stop(self, *, drain: bool = True) -> None:
        if self.state != "stopped":
            self.state = "stopping"
        self._drain = drain
        self._halt.set()

    @override
    def kill(self) -> None:
        if self._process is not None and self.pid is not None:
            _signal(self._process, signal.SIGKILL)

    @override
    def join(self) -> None:
        if self._thread.is_alive():
            self._thread.join()

    @override
    def load_adapter(self, name: str, artifact: str) -> None:
        self.adapters[name] = "loading"
        threading.Thread(target=self._load, args=(name, artifact), daemon=True).start()

    @override
    def unload_adapter(self, name: str) -> None:
        if self.adapters.pop(name, None) == "loaded":
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._ask("DELETE", f"/adapters/{name}", timeout_s=current().ping_timeout_s)

    def _live(self) -> None:
        try:
            self._run()
        except (OSError, LookupError, ValueError) as error:
            self._fail(str(error))
        finally:
            self._terminate()

    def _run(self) -> None:
        model = self._folder / "model"
        began = time.monotonic()
        artifacts.fill(self._account, self._region, self._container, model)
        self.download_s = time.monotonic() - began
        if self._halt.is_set():
            return
        self.port = _free_port()
        command = current().command_for(self._container["Image"])
        environment = self._environment(model)
        fork = standby().take(command, environment, self._folder, unwanted=self._halt.is_set)
        if self._halt.is_set() and fork is None:
            return
        self._process = fork or subprocess.Popen(
            command,
            cwd=self._folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        (self._folder / "pid").write_text(str(self._process.pid))
        assert self._process.stdout is not None
        follower = threading.Thread(target=self._follow, args=(self._process.stdout,), daemon=True)
        follower.start()
        self._await_health(self._process)
        self._watch(self._process)

    def _environment(self, model: Path) -> dict[str, str]:
        contract = {
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
            **current().credentials.environment,
            "AWS_ENDPOINT_URL": current().base_url,
            # The endpoint has no separate network on this machine: nothing else may reach the copy.
            "CDK_SGLANG_HOST": "127.0.0.1",
            "CDK_SGLANG_ALLOWED_HOSTS": f"127.0.0.1:{self.port}",
            # A machine has port 8080 and /opt/ml/model only once.
            "CDK_SGLANG_PORT": str(self.port),
            "CDK_SGLANG_MODEL_DIR": str(model),
            "CDK_SGLANG_ADAPTERS_DIR": str(self._folder / "adapters"),
        }
        own = {name: str(value) for name, value in self._container.get("Environment", {}).items()}
        return base_environment() | contract | own

    def _follow(self, pipe: IO[bytes]) -> None:
        with pipe, logs.stream(self._account, self._region, self.component, self.id, role=self._role) as write:
            for line in pipe:
                write(line.decode(errors="replace").rstrip("\n"))

    def _await_health(self, process: subprocess.Popen[bytes] | Fork) -> None:
        began = time.monotonic()
        deadline = began + self._health_timeout_s
        while not self._halt.is_set():
            if process.poll() is not None:
                return self._fail(f"the container exited with {process.returncode} before its first healthy /ping")
            if self._healthy():
                self.start_s = time.monotonic() - began
                self.state = "healthy"
                return None
            if time.monotonic() >= deadline:
                return self._fail(f"no healthy /ping within {self._health_timeout_s:.0f} s")
            self._halt.wait(0.03)
        return None

    def _watch(self, process: subprocess.Popen[bytes] | Fork) -> None:
        missed = 0
        while self.state in ("healthy", "unhealthy") and not self._halt.wait(current().ping_interval_s):
            missed = 0 if self._healthy() else missed + 1
            if process.poll() is not None:
                self._fail(f"the container exited with {process.returncode}")
            elif self.state in ("healthy", "unhealthy"):
                self.state = "unhealthy" if missed >= _PING_FAILURES else "healthy"

    def _healthy(self) -> bool:
        try:
            return self._ask("GET", "/ping", timeout_s=current().ping_timeout_s)[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def _load(self, name: str, artifact: str) -> None:
        source = self._folder / "adapters" / name
        try:
            self._fetch(artifact, source)
            body = json.dumps({"name": name, "src": str(source), "preload": True, "pin": False})
            status, text = self._ask("POST", "/adapters", timeout_s=current().invocation_timeout_s, body=body)
        except (OSError, LookupError, ValueError, http.client.HTTPException) as error:
            self.adapters[name] = str(error)
        else:
            self.adapters[name] = "loaded" if status == http.client.OK else f"POST /adapters answered {status}: {text}"

    def _fetch(self, artifact: str, folder: Path) -> None:
        message = access.reading(self._role, artifact, region=self._region)
        if message is not None:
            raise LookupError(access.unreadable(self._role or "", artifact, message, region=self._region))
        artifacts.extract(self._account, self._region, artifact, folder)

    def _ask(self, method: str, path: str, *, timeout_s: float, body: str | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(method, path, body=body, headers={"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        finally:
            connection.close()

    def _fail(self, reason: str) -> None:
        if not self._halt.is_set():
            self.failure = reason
            self.state = "failed"

    def _terminate(self) -> None:
        process = self._process
        if process is not None:
            deadline = time.monotonic() + current().invocation_timeout_s
            while self._drain and self.outstanding and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            _signal(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(current().stop_grace_s)
            _signal(process, signal.SIGKILL)  # for the rest of its process group
            process.wait()
        artifacts.remove(self._folder)


def end_leftovers(folder: Path) -> None:
    """Kill the copies that a killed server left behind, and delete their folders."""
    for pid_file in folder.glob("*/pid"):
        with contextlib.suppress(psutil.Error, OSError, ValueError):
            process = psutil.Process(int(pid_file.read_text()))
            if process.cwd() == str(pid_file.parent.resolve()):  # not a recycled pid
                os.killpg(process.pid, signal.SIGKILL)
    for leftover in folder.glob("*"):
        artifacts.remove(leftover)


def _signal(process: subprocess.Popen[bytes] | Fork, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
