"""Filter patterns of engine failures, against real lines of SGLang, PyTorch, NVIDIA and the container."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cdk_sglang.observability.logs.failures import EngineFailure, Term, engine_failures
from tests.support.log_queries import matches_anywhere, matches_words, terms

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
EXAMPLES = [(failure.metric, term) for failure in engine_failures().values() for term in failure.terms]
ALSO = {
    "CUDA error: out of memory": {"CudaFailure"},
    "uncorrectable ECC error": {"CudaFailure"},
    "uncorrectable NVLink error": {"CudaFailure"},
    "hardware stack error": {"CudaFailure"},
    "[CUDA]: out of memory": {"CudaFailure"},
}
"""Lines that are two failures at once: the CUDA runtime reports faults of the hardware and a full memory as its own errors."""

NOT_FAILURES = [
    "[2026-11-30 12:16:04] Watchdog Scheduler initialized.",
    "[2026-11-30 12:16:04] NCCL version 2.27.3 is used.",
    "[2026-11-30 12:16:04] CUDA coredump support is available, but GPU coredump was not triggered.",
    "[2026-11-30 12:16:04] Redo preprocessing on CPU when the GPU runs short; nothing is out of memory yet.",
    "[2026-11-30 12:16:10] engine makes progress (asked for 0.1 s)",
    "[2026-11-30 12:16:10] Decode batch, #running-req: 4, #token: 900, token usage: 0.99, gen throughput (token/s): 80.1, #queue-req: 0",
    '[2026-11-30 12:16:10] INFO:     10.0.0.1:45402 - "POST /invocations HTTP/1.1" 500 Internal Server Error',
    "cdk-sglang-container: SM_SGLANG_TP: must be a number, got 'four'",
]


def counted(line: str) -> set[str]:
    return {failure.metric for failure in engine_failures().values() if matches_words(failure.pattern, line)}


def test_the_metrics_have_the_names_that_alarms_read() -> None:
    assert list(engine_failures()) == [
        "EngineOutOfMemory", "EngineNcclFailure", "GpuXid", "CudaFailure", "EngineWatchdog",
    ]  # fmt: skip


@pytest.mark.parametrize(("metric", "term"), EXAMPLES, ids=[term.text for _, term in EXAMPLES])
def test_each_text_of_a_failure_is_counted_as_that_failure_and_no_other(metric: str, term: Term) -> None:
    assert term.text in term.example
    assert counted(term.example) == {metric} | ALSO.get(term.text, set())


@pytest.mark.parametrize("line", NOT_FAILURES)
def test_ordinary_lines_are_no_failures_however_cloudwatch_compares(line: str) -> None:
    assert [f.metric for f in engine_failures().values() if matches_anywhere(f.pattern, line)] == []


def test_of_a_real_copys_log_only_its_end_is_a_failure() -> None:
    """Of a copy on a CPU whose scheduler was killed, with SGLang's line of all its options among the others."""
    found = {
        (failure.metric, line.split("] ", 1)[-1][:40])
        for line in (HERE / "copy.log").read_text(encoding="utf-8").splitlines()
        for failure in engine_failures().values()
        if matches_anywhere(failure.pattern, line)
    }
    assert found == {("EngineWatchdog", "Subprocess scheduler_0 (pid=10533) crash")}


@pytest.mark.parametrize("failure", engine_failures().values(), ids=list(engine_failures()))
def test_a_pattern_is_of_optional_terms_alone(failure: EngineFailure) -> None:
    """CloudWatch ignores optional terms beside others."""
    assert terms(failure.pattern) == [term.text for term in failure.terms]


def _sources(folder: Path) -> str:
    """The sources of a folder, with strings that Python joins joined."""
    text = "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in sorted(folder.rglob("*.py")))
    return re.sub(r'"\s*\n\s*f?"', "", text)


def test_terms_of_sglang_and_of_the_container_are_in_their_sources() -> None:
    container = _sources(ROOT / "container" / "cdk_sglang_container")
    ours = [term.text for _, term in EXAMPLES if term.source.startswith("container/")]
    joined = container.replace("engine %s (asked", "engine makes no progress (asked")
    assert [text for text in ours if text not in joined] == []
    installed = next((ROOT / ".venv-engine").glob("lib/python*/site-packages/sglang/srt"), None)
    if installed is None:
        pytest.skip("SGLang is not installed")
    folders = ("utils", "mem_cache", "model_executor", "distributed/device_communicators")
    sglang = "\n".join(_sources(installed / folder) for folder in folders)
    theirs = [term.text for _, term in EXAMPLES if term.source.startswith("sglang")]
    assert [text for text in theirs if text not in sglang] == []
