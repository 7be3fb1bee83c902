"""The planner's memory of adapters against the buffers that SGLang's own pool makes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from engine_server import ROOT

from cdk_sglang.models import catalogue
from cdk_sglang.planning.adapters import adapter_slots_gib
from cdk_sglang.planning.parallel import Parallelism
from localcloud.engine.recipe import engine_environment, engine_python

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


def test_the_planner_counts_what_sglangs_pool_takes() -> None:
    configs = {entry["id"]: entry["config"] for entry in json.loads(_CATALOGUE.read_text(encoding="utf-8"))}
    shape = {"slots": 8, "rank": 32}
    lines = [{"config": configs[m], "tp": tp, "ep": ep, "modules": names, **shape} for m, tp, ep, names in CASES]
    done = subprocess.run(
        [str(engine_python()), str(Path(__file__).with_name("adapter_pool.py"))],
        env=engine_environment({**os.environ, "PYTHONWARNINGS": "ignore"}),
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    taken = [int(line) / 2**30 for line in done.stdout.splitlines()]
    counted = [
        adapter_slots_gib(
            catalogue(model).architecture, Parallelism(gpus=tp, expert_parallel=ep > 1), modules=names, **shape
        )
        for model, tp, ep, names in CASES
    ]
    assert counted == pytest.approx(taken, rel=0.01)
