"""`cdk-sglang bench` with the real AIPerf against the real engine: both APIs, jobs, a slowed engine found by comparison, and what goes wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from cdk_sglang.benchmarking.history.store import History, runs_of
from cdk_sglang.benchmarking.outcomes import flaw_of
from cdk_sglang.benchmarking.result import Outcome
from localcloud.aws import faults, settings
from tests.localcloud.helpers import ROLE, eventually

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
    "long": {"input_tokens": 64, "output_tokens": 16, "concurrency": [2], "requests": 200, "warmup_requests": 1, "repeats": 1},
}  # fmt: skip


def started(fleet: Any, *words: str) -> subprocess.Popen[str]:
    environment = {
        **fleet.environment,
        "CDK_SGLANG_BENCH_HISTORY": str(fleet.folder / "history"),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "constructs"), str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    command = [str(ROOT / ".venv/bin/cdk-sglang"), "bench", *words, "--env", "e2e", "--aiperf", str(AIPERF)]
    command = command if words[0] == "run" else command[:-2]
    return subprocess.Popen(
        command, cwd=fleet.folder, env={**os.environ, **environment}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )  # fmt: skip


def bench(fleet: Any, *words: str) -> subprocess.CompletedProcess[str]:
    with started(fleet, *words) as process:
        output, errors = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def disturbed(fleet: Any, disturb: Callable[[subprocess.Popen[str]], object]) -> subprocess.CompletedProcess[str]:
    """Disturb a run once AIPerf has recorded answers."""
    before = set(fleet.folder.glob(".bench/runs/*"))

    def answered() -> bool:
        new = [run for run in fleet.folder.glob(".bench/runs/*") if run not in before]
        files = [file for run in new for file in run.glob("*/profile_export.jsonl")]
        return any(file.read_bytes().count(b'"profiling"') for file in files) or process.poll() is not None

    with started(fleet, "run", "--workload", "long", "--environments", str(fleet.folder)) as process:
        eventually(answered, within_s=300)
        disturb(process)
        output, errors = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


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
    report = measurable.folder / "bench.html"
    shown = bench(measurable, "report", "--html", str(report))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert report.read_text().count("<svg") >= 1


def test_benchmark_jobs_run_aiperf_as_their_container_would(measurable: Any, models: Path) -> None:
    """With the model's own tokenizer: AIPerf would download the built-in one."""
    s3 = measurable.client("s3")
    s3.create_bucket(Bucket="jobs-1")
    before = settings.current()
    settings.configure(**{**vars(before), "aiperf": AIPERF})
    try:
        words = [
            "--runner",
            "sagemaker",
            "--role",
            ROLE,
            "--output",
            "s3://jobs-1/jobs",
            "--tokenizer",
            str(models / "base"),
        ]
        output = run(measurable, "short", *words)
    finally:
        settings.restore(before)
    assert "the jobs' own instances are in no figure" in output
    (one,) = results(measurable)[-1]
    assert (one.runner, one.figures.requests, one.figures.failed, one.figures.output_tokens) == ("sagemaker", 6, 0, 16)
    assert one.figures.ttft_ms.p50 != one.figures.ttft_ms.p99  # measured, and no stand-in's, which are all alike
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="jobs-1")["Contents"]]
    assert [key.rsplit("/", 1)[-1] for key in keys] == ["output.tar.gz"]


def test_ctrl_c_keeps_what_aiperf_has_measured_and_marks_it(measurable: Any) -> None:
    done = disturbed(measurable, lambda process: process.send_signal(signal.SIGINT))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "bench: interrupted: " in done.stderr
    (one,) = results(measurable)[-1]
    assert (one.is_partial, one.outcome, one.figures.failed) == (True, Outcome.INTERRUPTED, 0)
    assert one.figures.requests > 0


def test_throttled_requests_are_the_quotas_and_not_the_models(measurable: Any) -> None:
    try:
        done = disturbed(measurable, lambda _: faults.inject("throttling", target="InvokeEndpoint"))
    finally:
        faults.clear()
    assert done.returncode == 1, done.stdout + done.stderr
    (sent,) = re.findall(
        r"bench: throttled: \d+ of (\d+) requests were throttled; raise the account's quota", done.stderr
    )
    assert int(sent) < 200  # AIPerf gives a step up at which most requests fail
    (one,) = results(measurable)[-1]
    assert (one.outcome, one.figures.requests > 0) == (Outcome.THROTTLED, True)
    assert list(one.figures.errors) == ["400 ThrottlingException"]


def test_requests_that_fail_for_another_reason_are_marked_with_the_commonest_error_and_end_the_run(
    measurable: Any,
) -> None:
    try:
        done = disturbed(measurable, lambda _: faults.inject("access-denied", target="InvokeEndpoint"))
    finally:
        faults.clear()
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("bench: ")]
    assert re.match(
        r"bench: too-many-errors: \d+ of \d+ requests failed at 2 in flight \(.*\): \d+ x 403 FORBIDDEN; ", line
    )
    (one,) = results(measurable)[-1]
    assert (one.outcome, flaw_of(one), one.figures.requests > 0) == (Outcome.TOO_MANY_ERRORS, "failing", True)
    assert (one.copies_min, one.copies_max) == (1, 1)


def test_an_endpoint_that_ends_during_a_run_is_named(measurable: Any) -> None:
    """Last: nothing answers afterwards."""
    name = "e2e-chat-tiny"
    done = disturbed(measurable, lambda _: measurable.sagemaker.delete_inference_component(InferenceComponentName=name))
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"bench: endpoint-ended: {name} " in done.stderr
    (one,) = results(measurable)[-1]
    assert (one.outcome, one.figures.failed > 0) == (Outcome.ENDPOINT_ENDED, True)
