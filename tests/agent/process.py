"""The agent as AgentCore starts it: a process of `.venv-agent`, spoken to over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
VENV = ROOT / ".venv-agent"
SESSION_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
START_BUDGET_S = 30
"""Time that AgentCore gives a runtime (`Runtime initialization time exceeded`)."""


@dataclass
class Reply:
    """The events of a turn."""

    events: list[dict[str, Any]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    @property
    def text(self) -> str:
        return "".join(event["text"] for event in self.of("text"))

    @property
    def statuses(self) -> list[str]:
        return [event["text"] for event in self.of("status")]

    @property
    def tools(self) -> list[tuple[str, str]]:
        return [(event["name"], event["state"]) for event in self.of("tool")]

    @property
    def error(self) -> tuple[str, str] | None:
        errors = self.of("error")
        return (errors[0]["code"], errors[0]["text"]) if errors else None

    @property
    def done(self) -> dict[str, Any]:
        assert self.events[-1]["type"] == "done", self.events
        assert len(self.of("done")) == 1
        return self.events[-1]


def no_trace_of(reply: Reply, *words: str) -> None:
    """Assert that no event has one of these words."""
    text = json.dumps(reply.events)
    assert [word for word in words if word in text] == []


@dataclass
class AgentProcess:
    port: int
    log: Path
    started_s: float
    """Seconds until it listened."""
    cpu_s: float
    """Seconds of processor time that this took: what is left of the former on a machine that does nothing else."""
    process: subprocess.Popen[bytes]

    def session(self) -> str:
        return f"test-session-{uuid.uuid4().hex}"

    def ask(
        self,
        prompt: str,
        session: str = "",
        *,
        key: str = "",
        headers: dict[str, str] | None = None,
        on_event: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> Reply:
        payload = {"prompt": prompt} | ({"idempotency_key": key} if key else {})
        return self.post(json.dumps(payload).encode(), session, headers=headers, on_event=on_event)

    def post(
        self,
        body: bytes,
        session: str = "",
        *,
        headers: dict[str, str] | None = None,
        on_event: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        fields = {"content-type": "application/json", SESSION_HEADER: session or self.session(), **(headers or {})}
        connection.request("POST", "/invocations", body, fields)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        events = []
        for line in response:
            if line.startswith(b"data: "):
                events.append(json.loads(line.removeprefix(b"data: ")))
                on_event(events[-1])
        connection.close()
        return Reply(events)

    def ping(self) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/ping")
        try:
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


def clean_environment(**variables: str) -> dict[str, str]:
    """No credentials, proxies or telemetry of the machine's."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    return {**kept, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", **variables}


def exporting_to(collector: str) -> dict[str, str]:
    """Variables with which ADOT sends spans and logs to a collector's address, five times a second."""
    return {
        "AGENT_OBSERVABILITY_ENABLED": "true",
        "OTEL_PYTHON_DISTRO": "aws_distro",
        "OTEL_PYTHON_CONFIGURATOR": "aws_configurator",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector}/v1/traces",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{collector}/v1/logs",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_BLRP_SCHEDULE_DELAY": "200",
    }


@contextmanager
def agent(log: Path, *, folder: str = "agent", instrument: bool = False, **variables: str) -> Iterator[AgentProcess]:
    """Start the agent and wait until it listens; what it prints is in the log file."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(VENV / "bin" / "python"), "main.py"]
    if instrument:
        command[:1] = [
            str(VENV / "bin" / "python"),
            str(VENV / "bin" / "opentelemetry-instrument"),
            str(VENV / "bin" / "python"),
        ]
    start = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT / folder,
            env=clean_environment(PORT=str(port), HOST="127.0.0.1", **variables),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while True:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() - start < 4 * START_BUDGET_S, log.read_text(encoding="utf-8")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        used = psutil.Process(process.pid).cpu_times()
        yield AgentProcess(port, log, time.monotonic() - start, used.user + used.system, process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
