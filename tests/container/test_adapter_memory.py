"""The planner's memory of adapters against what SGLang's own code takes: buffers on the GPU, whole adapters in host memory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from engine_server import ROOT

from cdk_sglang.models import catalogue
from cdk_sglang.planning.adapters import adapter_host_gib, adapter_slots_gib
from cdk_sglang.planning.component.file_cache import _bytes_of
from cdk_sglang.planning.parallel import Parallelism
from tests.support import engine_forks

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

_CATALOGUE = ROOT / "constructs/cdk_sglang/models/data/catalogue.json"
_DENSE = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
_LATENT = ["q_a_proj", "kv_a_proj_with_mqa", "q_b_proj", "kv_b_proj", "o_proj"]
_ENDS = ["embed_tokens", "lm_head"]
CASES = [
    ("meta-llama/Meta-Llama-3.1-8B", 1, 1, _DENSE + _ENDS),
    ("meta-llama/Meta-Llama-3.1-8B", 4, 1, _DENSE),
    ("meta-llama/Meta-Llama-3.1-8B", 8, 1, _DENSE + _ENDS),
    ("meta-llama/Meta-Llama-3.1-8B", 16, 1, ["q_proj", "v_proj"]),  # more GPUs than key/value heads
    ("meta-llama/Meta-Llama-3.1-8B", 2, 1, ["lm_head"]),
    ("Qwen/Qwen3-30B-A3B", 2, 1, _DENSE),
    ("Qwen/Qwen3-30B-A3B", 4, 4, _DENSE + _ENDS),
    ("deepseek-ai/DeepSeek-V3", 8, 1, _LATENT),
]


def _asked_of_sglang(program: str, lines: Sequence[Mapping[str, Any]]) -> list[int]:
    script = str(Path(__file__).with_name(program))
    done = engine_forks.run([script], stdin_text="".join(json.dumps(line) + "\n" for line in lines))
    assert done.returncode == 0, done.stderr[-3000:]
    return [int(line) for line in done.stdout.splitlines()]


def _configs() -> dict[str, dict[str, Any]]:
    return {entry["id"]: entry["config"] for entry in json.loads(_CATALOGUE.read_text(encoding="utf-8"))}


def test_the_planner_counts_what_sglangs_pool_takes() -> None:
    configs = _configs()
    shape = {"slots": 8, "rank": 32}
    lines = [{"config": configs[m], "tp": tp, "ep": ep, "modules": names, **shape} for m, tp, ep, names in CASES]
    taken = [size / 2**30 for size in _asked_of_sglang("adapter_pool.py", lines)]
    counted = [
        adapter_slots_gib(
            catalogue(model).architecture, Parallelism(gpus=tp, expert_parallel=ep > 1), modules=names, **shape
        )
        for model, tp, ep, names in CASES
    ]
    assert counted == pytest.approx(taken, rel=0.01)


HOST_CASES = [
    ("meta-llama/Meta-Llama-3.1-8B", _DENSE),
    ("meta-llama/Meta-Llama-3.1-8B", ["q_proj", "v_proj"]),  # SGLang adds a k_proj of zeros
    ("meta-llama/Meta-Llama-3.1-8B", [*_DENSE, "lm_head"]),
    ("meta-llama/Meta-Llama-3.1-8B", ["embed_tokens"]),
    ("Qwen/Qwen3-30B-A3B", ["q_proj", "k_proj", "v_proj", "o_proj"]),
    ("Qwen/Qwen3-30B-A3B", _DENSE),
    ("deepseek-ai/DeepSeek-V3", _LATENT),
]


def test_host_memory_and_sizes_are_counted_as_sglang_keeps_and_reads_them() -> None:
    configs = _configs()
    sizes = [
        "200G",
        "200Gi",
        "1.5T",
        "12k",
        "1000",
        5 * 10**9,
        "0",
        "",
        -1,
        "200GB",
        "200 G",
        "1.5Gi",
        "200g",
        "1e12",
        None,
    ]
    lines: list[Mapping[str, Any]] = [
        {"config": configs[model], "rank": 2, "modules": names, "dtype": "bfloat16"} for model, names in HOST_CASES
    ]
    lines += [{"config": configs["meta-llama/Meta-Llama-3.1-8B"], "rank": 2, "modules": _DENSE, "dtype": "float32"}]
    answers = _asked_of_sglang("adapter_host.py", [*lines, *({"size": size} for size in sizes)])

    kept = [size / 2**30 for size in answers[: len(lines)]]
    counted = [adapter_host_gib(catalogue(model).architecture, rank=2, modules=names) for model, names in HOST_CASES]
    assert counted == pytest.approx(kept[: len(HOST_CASES)], rel=0.01)
    assert kept[-1] == pytest.approx(2 * kept[0])  # float32 stays float32: why a folder counts with its own size
    assert [_bytes_of(size) or 0 for size in sizes] == answers[len(lines) :]
