"""Compares with aiconfigurator 0.12 on the same rows, where one is installed.

It lives in an environment of its own (850 MB, x86-64): `pip install aiconfigurator==0.12.0` there and set
AICONFIGURATOR_PYTHON to that environment's Python. AICONFIGURATOR_ROWS takes every so many rows, for less time.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cdk_sglang.models import catalogue

if TYPE_CHECKING:
    from calibrate import Fitted
    from samples import Sample

LOW = 64
SYSTEMS = {
    "H100-SXM-80GB": "h100_sxm", "H200-SXM-141GB": "h200_sxm", "B200-SXM-180GB": "b200_sxm", "B300-SXM-288GB": "b300_sxm",
    "A100-SXM-80GB": "a100_sxm", "L40S-48GB": "l40s", "L4-24GB": "l4", "RTX-PRO-6000-BW-SE-96GB": "rtx_pro_6000_server",
}  # fmt: skip
FORMATS = {"fp8": "fp8", "nvfp4": "nvfp4", "int4": "int4_wo", "bf16": "bfloat16"}
ITS_NAMES = {
    "llama-3.1-70b": "meta-llama/Meta-Llama-3.1-70B", "llama-3.1-8b-instruct": "meta-llama/Meta-Llama-3.1-8B",
    "meta-llama-3.1-70b": "meta-llama/Meta-Llama-3.1-70B", "deepseek-r1-0528": "deepseek-ai/DeepSeek-R1",
    "glm-5": "zai-org/GLM-5-FP8", "llama-3.1-8b-instruct-fp8": "meta-llama/Meta-Llama-3.1-8B",
}  # fmt: skip
"""Names under which it carries the same architecture: it would look others up in the network."""
TIMEOUT_S = 3600


def compare(fitted: Fitted) -> None:
    """Print its errors, and the planner's with the row's model and GPU left out, on the rows that it answers."""
    python = os.environ.get("AICONFIGURATOR_PYTHON")
    if not python:
        print(
            "aiconfigurator: comparison skipped; AICONFIGURATOR_PYTHON names no Python that has aiconfigurator==0.12.0"
        )
        return
    step = int(os.environ.get("AICONFIGURATOR_ROWS", "1"))
    requests = [(i, request) for i, s in enumerate(fitted.samples) if not i % step and (request := _request(s))]
    answers = _ask(python, [request for _, request in requests])
    index = np.array([i for i, _ in requests])
    total = len(range(0, len(fitted.samples), step))
    found = np.array(["error" not in a for a in answers])
    print(
        f"aiconfigurator 0.12: answers {found.sum()} of {total} rows ({found.sum() / total:.0%}); on those, with the planner's beside it"
    )
    for kind, name in (("tpot", "tpot_ms"), ("ttft", "ttft_ms"), ("throughput", "tokens_s_gpu")):
        theirs = np.array([a.get(name, np.nan) for a in answers])
        measured = fitted.measured[kind][index]
        ours = fitted.predicted(kind, "model and GPU")[index] * np.exp(fitted.bands[kind].centre)
        use = np.isfinite(theirs) & np.isfinite(measured)
        if kind != "throughput":
            use &= fitted.concurrency[index] <= LOW
        for title, values in (("aiconfigurator", theirs), ("planner, left out", ours)):
            error = np.abs(values[use] / measured[use] - 1)
            print(f"  {kind}, {use.sum()} rows, {title}: {error.mean():.1%} (median {np.median(error):.1%})")


def _request(sample: Sample) -> dict[str, object] | None:
    """Return its question for a row; None for a GPU or a split that it does not have."""
    q = sample.question
    system = SYSTEMS.get(q.gpu.name)
    if system is None or q.split.pipeline > 1:
        return None
    model = q.facts.architecture
    its_name = ITS_NAMES.get(q.facts.id.split("/")[-1].lower(), q.facts.id)
    request: dict[str, object] = {
        "model_path": its_name,
        "system_name": system,
        "backend_name": q.engine,
        "isl": round(q.input_tokens),
        "osl": round(q.output_tokens),
        "batch_size": max(1, round((q.concurrency or 1) / q.split.attention_dp)),
        "tp_size": q.split.attention_tp,
        "attention_dp_size": q.split.attention_dp,
    }
    if model.moe is not None:
        request["moe_ep_size" if q.split.expert_parallel else "moe_tp_size"] = q.split.tensor
    method = model.quantization.method
    if (
        method != catalogue(q.facts.id).architecture.quantization.method or its_name != q.facts.id
    ) and method in FORMATS:
        blocks = method == "fp8" and model.moe is not None  # checkpoints of mixtures in fp8 are quantized by blocks
        request["gemm_quant_mode"] = "fp8_block" if blocks else FORMATS[method]
        if model.moe is not None:
            request["moe_quant_mode"] = request["gemm_quant_mode"]
    return request


def _ask(python: str, requests: list[dict[str, object]]) -> list[dict[str, float]]:
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    script = Path(__file__).with_name("peer_rows.py")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(  # the interpreter the user named
            [python, "-P", str(script)],
            input=lines, capture_output=True, text=True, timeout=TIMEOUT_S, check=True, cwd=folder,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
