"""The planner's memory rules against SGLang's own code, which resolves its options and sizes its pool as if the GPU were there."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cdk_sglang.planning.predict import MAX_RUNNING
from localcloud.engine.recipe import EngineMissingError, engine_environment, engine_python
from tests.planning.engine.cases import CASES, Case

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]  # one process answers all cases: half a minute of one core
Resolved = list[tuple[Case, dict[str, Any]]]


@pytest.fixture(scope="module")
def resolved() -> Resolved:
    """Every case with SGLang's answer."""
    if os.environ.get("ENGINE") == "0":
        pytest.skip("ENGINE=0: tests that need the SGLang engine are left out")
    try:
        python = engine_python()
    except EngineMissingError as error:
        pytest.skip(str(error))
    lines = "".join(json.dumps(case.question) + "\n" for case in CASES)
    command = [str(python), str(Path(__file__).parent / "engine_sizes.py")]
    done = subprocess.run(command, input=lines, env=engine_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    unresolved = [f"{case.name}: {answer}" for case, answer in zip(CASES, answers, strict=True) if "error" in answer]
    assert not unresolved
    return list(zip(CASES, answers, strict=True))


def _sized(resolved: Resolved) -> Resolved:
    """Leave out the cases whose weights leave nothing for a cache."""
    return [(case, engine) for case, engine in resolved if "tokens" in engine]


def test_the_default_share_of_memory_is_the_engines(resolved: Resolved) -> None:
    assert len(resolved) > 150
    different = [
        (case.name, case.memory.engine_fraction, engine["fraction"])
        for case, engine in resolved
        if abs(case.memory.engine_fraction - engine["fraction"]) > 5e-4
    ]
    assert not different


def test_a_token_takes_as_many_bytes_in_the_format_that_the_engine_chooses(resolved: Resolved) -> None:
    assert len(_sized(resolved)) > 120
    formats = {"bfloat16": "bf16", "float8_e4m3fn": "fp8", "float32": "float32"}
    different = [
        (case.name, case.memory.kv_dtype, case.memory.bytes_per_token, engine["kv_dtype"], engine["bytes_per_token"])
        for case, engine in _sized(resolved)
        if case.memory.bytes_per_token != pytest.approx(engine["bytes_per_token"], rel=1e-4)
        or case.memory.kv_dtype != formats[engine["kv_dtype"]]
    ]
    assert not different


def test_the_pool_holds_as_many_tokens_within_a_percent(resolved: Resolved) -> None:
    different = [
        (case.name, case.memory.kv_tokens, engine["tokens"])
        for case, engine in _sized(resolved)
        if abs(case.memory.kv_tokens / engine["tokens"] - 1) > 0.01
    ]
    assert not different


def test_recurrent_state_has_as_many_slots_of_the_same_size(resolved: Resolved) -> None:
    hybrid = [(case, engine) for case, engine in _sized(resolved) if engine["slots"] is not None]
    assert len(hybrid) > 10
    different = [
        (case.name, case.memory.state, engine["slots"], case.memory.kv.state_per_request, engine["state_bytes"])
        for case, engine in hybrid
        if case.memory.state is None
        or abs(case.memory.state.slots - engine["slots"]) > 1
        or case.memory.kv.state_per_request != engine["state_bytes"]
    ]
    assert not different


def test_as_many_requests_run_at_once(resolved: Resolved) -> None:
    """Up to 2,048, the least that SGLang allows where neither state nor an option limits it."""
    most = MAX_RUNNING["sglang"]
    different = []
    for case, engine in _sized(resolved):
        limit = min(most, case.memory.running_limit or most, case.memory.kv_tokens // 2)
        if abs(limit - min(most, engine["running"])) > 1:
            different.append((case.name, limit, engine["running"]))
    assert not different
