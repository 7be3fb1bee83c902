"""What the container's contract costs: `sglang.launch_server` against our entry, same machine, same run, real engine.

    .venv/bin/python benchmarks/container_overhead.py [--requests 500] [--rounds 20] [--starts 3]

Prints ratios against bare SGLang. Both start at the same moment, then take turns request by request (latency) and round by
round (throughput, eight callers), so that other work on the machine meets both; only one is asked at any moment, and the other
sleeps (`sleep_on_idle` on both: an idle scheduler would otherwise keep a core busy). The interval behind each figure is where
it would fall in 95 of 100 such runs, from resampling the turns; a wide one says that the machine was busy. The last two rows
have no bound and are of CPU time, which other work on the machine hardly changes: the contract only computes, so what it adds to a request of
an idle server is the CPU time it adds to the HTTP process, and a saturated server's throughput is the inverse of all its CPU time.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import math
import os
import random
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

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil

from localcloud.engine.recipe import engine_environment, engine_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Measure = Callable[[Sequence[float], Sequence[float]], float]

ROOT = Path(__file__).resolve().parents[1]

BODY = json.dumps({"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4, "temperature": 0}).encode()
MAX_ADDED_P50_MS, MIN_THROUGHPUT_RATIO, MAX_STARTUP_RATIO = 1.0, 0.98, 1.05
CONCURRENCY = 8
STARTUP_TIMEOUT_S = 240
_RESAMPLES = 1000


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
    http_cpu_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start it and wait until `/ping` returns 200."""
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

    def cpu_s(self) -> tuple[float, float]:
        """CPU time so far, of the process that speaks HTTP and of all of them."""
        assert self.process is not None
        main = psutil.Process(self.process.pid)
        used = [sum(process.cpu_times()[:2]) for process in (main, *main.children(recursive=True))]
        return used[0], sum(used)

    @contextlib.contextmanager
    def counting_cpu(self, requests: int) -> Iterator[None]:
        """Keep the CPU time per request of a block that makes so many."""
        before = self.cpu_s()
        yield
        http, everything = (now - then for now, then in zip(self.cpu_s(), before, strict=True))
        self.http_cpu_ms.append(http / requests * 1000)
        self.cpu_ms.append(everything / requests * 1000)

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
    parser.add_argument("--rounds", type=int, default=20, help="turns the servers take")
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
            "SM_SGLANG_SLEEP_ON_IDLE": "true",
        }
        address = ["--host", "127.0.0.1", "--port", str(ports[0])]
        # Bare SGLang logs no /ping here either: the comparison is of the contract, not of a log line.
        quiet = ["--uvicorn-access-log-exclude-prefixes", "/ping", "--sleep-on-idle"]
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
            with server.counting_cpu(requests // rounds // CONCURRENCY * CONCURRENCY):
                server.requests_per_s.append(server.load(requests // rounds))


def report(bare: Server, ours: Server) -> int:
    pairs = {
        "added p50 latency, ms": (ours.latencies_ms, bare.latencies_ms, added_p50, 0, MAX_ADDED_P50_MS),
        "throughput ratio": (ours.requests_per_s, bare.requests_per_s, median_ratio, MIN_THROUGHPUT_RATIO, math.inf),
        "start-up ratio": (ours.startups_s, bare.startups_s, median_ratio, 0, MAX_STARTUP_RATIO),
        "added HTTP CPU, ms": (ours.http_cpu_ms, bare.http_cpu_ms, added_mean, 0, math.inf),
        "requests per CPU second": (bare.cpu_ms, ours.cpu_ms, mean_ratio, 0, math.inf),
    }
    print(f"{len(bare.latencies_ms)} requests each, bare p50 {statistics.median(bare.latencies_ms):.2f} ms, ", end="")
    print(
        f"{statistics.median(bare.requests_per_s):.0f} requests/s, start {statistics.median(bare.startups_s):.1f} s, ",
        end="",
    )
    print(f"load {os.getloadavg()[1]:.1f} on {os.cpu_count()} CPUs; container against bare SGLang:")
    good = True
    for name, (mine, theirs, measure_of, least, most) in pairs.items():
        value = measure_of(mine, theirs)
        low, high = interval(mine, theirs, measure_of)
        fits = (least or -math.inf) <= value <= most
        limit = least or most
        bound = "" if math.isinf(limit) else f"{'>=' if least else '<='} {limit}"
        verdict = "" if math.isinf(limit) else "ok" if fits else "MISSED"
        noise = ", within this run's noise" if low <= limit <= high else ""
        print(f"  {name:24} {value:7.3f}   ({low:.3f} to {high:.3f})   {bound:8} {verdict}{noise}".rstrip())
        good = good and fits
    return 0 if good else 1


def added_p50(ours: Sequence[float], bare: Sequence[float]) -> float:
    """Difference of the medians."""
    return statistics.median(ours) - statistics.median(bare)


def added_mean(ours: Sequence[float], bare: Sequence[float]) -> float:
    """Difference of the means: CPU time is counted in ticks of 10 ms, which a mean sees through."""
    return statistics.fmean(ours) - statistics.fmean(bare)


def mean_ratio(ours: Sequence[float], bare: Sequence[float]) -> float:
    """Ratio of the means."""
    return statistics.fmean(ours) / statistics.fmean(bare)


def median_ratio(ours: Sequence[float], bare: Sequence[float]) -> float:
    """Median of the ratios of what was measured side by side."""
    return statistics.median(mine / theirs for mine, theirs in zip(ours, bare, strict=True))


def interval(ours: Sequence[float], bare: Sequence[float], measure_of: Measure) -> tuple[float, float]:
    """The 95 % bootstrap interval, turns drawn as pairs; the same one every time."""
    draw = random.Random(0)
    turns = range(len(ours))
    found = []
    for _ in range(_RESAMPLES):
        chosen = draw.choices(turns, k=len(turns))
        found.append(measure_of([ours[turn] for turn in chosen], [bare[turn] for turn in chosen]))
    found.sort()
    return found[int(0.025 * _RESAMPLES)], found[int(0.975 * _RESAMPLES) - 1]


if __name__ == "__main__":
    sys.exit(main())
