"""What the container's contract costs: `sglang.launch_server` against our entry, same machine, same run, real engine.

    .venv/bin/python benchmarks/container_overhead.py [--requests 500] [--rounds 10] [--starts 3]

Prints ratios against bare SGLang. Both start at the same moment, then take turns request by request (latency) and round by
round (throughput, eight callers), so that other work on the machine meets both; only one is asked at any moment.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from localcloud.engine.recipe import engine_environment, engine_python  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = json.dumps({"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4, "temperature": 0}).encode()
MAX_ADDED_P50_MS, MIN_THROUGHPUT_RATIO, MAX_STARTUP_RATIO = 1.0, 0.98, 1.05
CONCURRENCY = 8
STARTUP_TIMEOUT_S = 240


@dataclass
class Server:
    """One of the two."""

    name: str
    command: list[str]
    environment: dict[str, str]
    port: int
    process: subprocess.Popen[bytes] | None = None
    startups_s: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    requests_per_s: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start it and wait for `/ping` 200."""
        began = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while not self._is_up():
            if self.process.poll() is not None or time.monotonic() > began + STARTUP_TIMEOUT_S:
                raise SystemExit(f"{self.name} did not start")
            time.sleep(0.05)
        self.startups_s.append(time.monotonic() - began)

    def _is_up(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        return False

    @contextlib.contextmanager
    def connect(self) -> Iterator[http.client.HTTPConnection]:
        """One kept-alive connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            yield connection

    def ask_often(self, requests: int) -> None:
        """Requests one after the other."""
        with self.connect() as connection:
            for _ in range(requests):
                ask(connection)

    def load(self, requests: int) -> float:
        """Requests per second with several callers."""
        began = time.perf_counter()
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            list(pool.map(self.ask_often, [requests // CONCURRENCY] * CONCURRENCY))
        return requests // CONCURRENCY * CONCURRENCY / (time.perf_counter() - began)

    def stop(self) -> None:
        """Kill it and its children."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def ask(connection: http.client.HTTPConnection) -> float:
    """One request; its latency in ms."""
    began = time.perf_counter()
    connection.request("POST", "/invocations", BODY, {"content-type": "application/json"})
    response = connection.getresponse()
    response.read()
    assert response.status == 200, response.status
    return (time.perf_counter() - began) * 1000


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=500, help="per server, sequential and again concurrent")
    parser.add_argument("--rounds", type=int, default=10, help="turns the servers take")
    parser.add_argument("--starts", type=int, default=3, help="starts of each server")
    options = parser.parse_args()
    python = str(engine_python())
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [python, "-m", "localcloud.engine.tiny_model", folder], cwd=ROOT, check=True, capture_output=True
        )
        model = f"{folder}/base"
        ports = free_port(), free_port()
        environment = engine_environment() | {"PYTHONWARNINGS": "ignore", "SGLANG_TIMEOUT_KEEP_ALIVE": "300"}
        contract = {
            "CDK_SGLANG_PYTHON": python,
            "CDK_SGLANG_MODEL_DIR": model,
            "CDK_SGLANG_HOST": "127.0.0.1",
            "CDK_SGLANG_PORT": str(ports[1]),
        }
        address = ["--host", "127.0.0.1", "--port", str(ports[0])]
        # Bare SGLang logs no /ping here either: the comparison is of the contract, not of a log line.
        quiet = ["--uvicorn-access-log-exclude-prefixes", "/ping"]
        launch = [python, "-m", "sglang.launch_server", "--model-path", model, *quiet, *address]
        bare = Server("sglang.launch_server", launch, environment, ports[0])
        ours = Server("container", [str(ROOT / "container" / "serve")], environment | contract, ports[1])
        try:
            measure(bare, ours, requests=options.requests, rounds=options.rounds, starts=options.starts)
        finally:
            bare.stop()
            ours.stop()
    return report(bare, ours)


def measure(bare: Server, ours: Server, *, requests: int, rounds: int, starts: int) -> None:
    for attempt in range(starts):
        with ThreadPoolExecutor(2) as pool:  # at the same time: other work on the machine slows both alike
            list(pool.map(Server.start, (bare, ours) if attempt % 2 == 0 else (ours, bare)))
        if attempt < starts - 1:
            bare.stop()
            ours.stop()
    with bare.connect() as to_bare, ours.connect() as to_ours:
        for turn in range(20 + requests):
            pair = [(bare, to_bare), (ours, to_ours)]
            for server, connection in pair if turn % 2 == 0 else reversed(pair):
                latency = ask(connection)
                if turn >= 20:  # the first are warm-up
                    server.latencies_ms.append(latency)
    for turn in range(rounds):
        for server in (bare, ours) if turn % 2 == 0 else (ours, bare):
            server.requests_per_s.append(server.load(requests // rounds))


def report(bare: Server, ours: Server) -> int:
    added = statistics.median(ours.latencies_ms) - statistics.median(bare.latencies_ms)
    throughput = median_ratio(ours.requests_per_s, bare.requests_per_s)
    startup = median_ratio(ours.startups_s, bare.startups_s)
    lines = [
        ("added p50 latency, ms", added, added <= MAX_ADDED_P50_MS, f"<= {MAX_ADDED_P50_MS}"),
        ("throughput ratio", throughput, throughput >= MIN_THROUGHPUT_RATIO, f">= {MIN_THROUGHPUT_RATIO}"),
        ("start-up ratio", startup, startup <= MAX_STARTUP_RATIO, f"<= {MAX_STARTUP_RATIO}"),
    ]
    print(f"{len(bare.latencies_ms)} requests each, bare p50 {statistics.median(bare.latencies_ms):.2f} ms, ", end="")
    print(f"start {statistics.median(bare.startups_s):.1f} s; container against bare SGLang:")
    for name, value, good, bound in lines:
        print(f"  {name:24} {value:7.3f}   {bound:8} {'ok' if good else 'MISSED'}")
    return 0 if all(good for _, _, good, _ in lines) else 1


def median_ratio(ours: list[float], bare: list[float]) -> float:
    """Median of the ratios of what was measured side by side."""
    return statistics.median(mine / theirs for mine, theirs in zip(ours, bare, strict=True))


if __name__ == "__main__":
    sys.exit(main())
