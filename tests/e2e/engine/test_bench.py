"""`cdk-sglang bench` with the real AIPerf against the real engine: both APIs, and a slowed engine found by comparison."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from cdk_sglang.benchmarking.history.store import History, runs_of

ROOT = Path(__file__).parents[3]
AIPERF = ROOT / ".venv-bench" / "bin" / "aiperf"
pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not AIPERF.exists(), reason="AIPerf is not installed: make bench-tools"),
]
BENCH = {
    "short": {"input_tokens": 64, "output_tokens": 16, "concurrency": [1], "requests": 6, "warmup_requests": 1, "repeats": 1},
    "gate": {
        "input_tokens": 64, "output_tokens": 16, "concurrency": [2], "requests": 10, "warmup_requests": 2, "repeats": 3,
        "goodput": {"ttft_ms": 60_000},
    },
}  # fmt: skip


def bench(fleet: Any, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **fleet.environment,
        "CDK_SGLANG_BENCH_HISTORY": str(fleet.folder / "history"),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "constructs"), str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    command = [str(ROOT / ".venv/bin/cdk-sglang"), "bench", *words, "--env", "e2e"]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, text=True, capture_output=True, check=False, timeout=600
    )


def run(fleet: Any, workload: str, *words: str) -> str:
    done = bench(fleet, "run", "--workload", workload, "--environments", str(fleet.folder), *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextmanager
def slowed(fleet: Any) -> Iterator[None]:
    """Take nine tenths of the engine's time away, as fewer threads would."""
    # The scheduler, a child of the server, is what answers.
    engines = [part for engine in fleet.engines() for part in (engine, *engine.children(recursive=True))]
    done = Event()

    def take() -> None:
        while not done.is_set():
            for engine in engines:
                engine.suspend()
            done.wait(0.6)
            for engine in engines:
                engine.resume()
            done.wait(0.05)

    thread = Thread(target=take)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.fixture(scope="module")
def measurable(fleet: Any) -> Any:
    """The fleet, with workloads in its environment; nothing of it is deployed again."""
    server = {"context_length": 2048, "dtype": "float32", "extra": {"sleep_on_idle": True}}
    model = {"prefix": "weights/tiny-llama/", "weights_gib": 0.01}
    fleet.write({"tiny": {"model": model, "server": server, "copies": 1}}, bench=BENCH)
    return fleet


def results(fleet: Any) -> list[Any]:
    found, notes = History(location=str(fleet.folder / "history"), s3=lambda: None).read(environment="e2e")
    assert notes == []
    return list(runs_of(found).values())


def test_a_workload_is_measured_through_the_openai_path(measurable: Any) -> None:
    assert "completed" in run(measurable, "short")
    ((one,),) = results(measurable)
    assert (one.figures.requests, one.figures.failed, one.figures.output_tokens) == (6, 0, 16)
    assert one.figures.input_tokens > 64  # and the chat template
    assert 0 < one.figures.ttft_ms.mean < one.figures.request_ms.mean
    assert (one.runner, one.deployed.instance, one.deployed.copies) == ("aiperf-openai", "ml.g6e.12xlarge", 1)
    assert one.deployed.model_revision.endswith("/weights/tiny-llama/")
    assert "SM_SGLANG_CONTEXT_LENGTH" in one.deployed.options


def test_a_workload_is_measured_through_the_relay(measurable: Any) -> None:
    assert "the relay adds" in run(measurable, "short", "--api", "streaming")
    assert results(measurable)[-1][0].figures.requests == 6


def test_a_slowed_engine_is_a_regression_and_an_equal_one_is_none(measurable: Any) -> None:
    run(measurable, "gate")
    run(measurable, "gate")
    equal = bench(measurable, "compare")
    assert equal.returncode == 0, equal.stdout + equal.stderr
    with slowed(measurable):
        run(measurable, "gate")
    slower = bench(measurable, "compare")
    assert slower.returncode == 1, slower.stdout + slower.stderr
    assert " at 2 in flight: " in slower.stderr
