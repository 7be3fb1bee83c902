"""The columns that `timing` and `residual_model` use: ideal milliseconds, counts and flags of one configuration under load."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cdk_sglang.planning.formats import as_loaded
from cdk_sglang.planning.static_fraction import prefill_chunk
from cdk_sglang.planning.work import decode_work, prefill_work
from cdk_sglang.spec.load import ARRIVALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdk_sglang.hardware import Gpu
    from cdk_sglang.models.architecture import ModelArchitecture
    from cdk_sglang.planning.parallel import Parallelism
    from cdk_sglang.planning.rows import Question
    from cdk_sglang.planning.timing import Column

ENGINES = ("sglang", "vllm", "trtllm")


MIXED_TOKENS = 8192.0
"""Maximum number of prompt tokens that vLLM and TensorRT-LLM mix into one step: their default token budgets."""


def mixed_tokens(question: Question) -> float:
    """Return the maximum number of prompt tokens that the question's engine mixes into one step."""
    if question.engine != "sglang":
        return MIXED_TOKENS
    return float(prefill_chunk(question.facts.architecture, question.gpu, question.split, question.options))


@dataclass(frozen=True, kw_only=True)
class Load:
    """The load on one copy.

    Args:
        input_tokens: Mean prompt length.
        output_tokens: Mean answer length.
        running: Requests that are served at the same time, without those that wait.
        tokens_per_step: Tokens verified per request and step; 1 without speculative decoding.
        arrivals: How requests come (`ARRIVALS`); empty when unknown.
        mixed_tokens: Maximum number of prompt tokens that the engine mixes into one step.
        encoder_tflop: Operations of the image encoder per request, 10^12.
    """

    input_tokens: float
    output_tokens: float
    running: float
    tokens_per_step: float = 1.0
    arrivals: str = ""
    mixed_tokens: float = MIXED_TOKENS
    encoder_tflop: float = 0.0


def generation(gpu: Gpu) -> str:
    """Return the generation whose fitted efficiencies a GPU shares: ampere, ada, hopper, blackwell or rtx."""
    major, _, minor = gpu.compute_capability.partition(".")
    if major == "8":
        return "ada" if minor == "9" else "ampere"
    return {"9": "hopper", "10": "blackwell", "12": "rtx"}.get(major, "blackwell")


def peak_tflops(gpu: Gpu, method: str) -> float:
    """Return the peak throughput for weights of that format: that of the fastest units that their kernels can use."""
    if method in {"fp8", "int8"}:
        return gpu.fp8_tflops or gpu.bf16_tflops
    if method == "nvfp4":
        return gpu.fp4_tflops or gpu.bf16_tflops
    if method == "mxfp4":
        return (gpu.fp8_tflops if gpu.fp4_tflops else None) or gpu.bf16_tflops
    return gpu.bf16_tflops


def is_emulated(gpu: Gpu, method: str) -> bool:
    """Return whether weights are unpacked to bfloat16 before each multiplication on this GPU."""
    if method in {"nvfp4", "mxfp4"}:
        return gpu.fp4_tflops is None
    return method == "int4" or (method == "fp8" and gpu.fp8_tflops is None)


def _kernels(gpu: Gpu, method: str) -> str:
    """Return the format whose kernels process these weights: GPUs with fp4 arithmetic run mxfp4 on the units for nvfp4."""
    return "nvfp4" if method == "mxfp4" and gpu.fp4_tflops is not None else method


_RELEASE = {"sglang": (8.0, 3.0), "vllm": (15.0, 4.0), "trtllm": (1.0, 1.0)}
"""Origin and unit of the scale of releases: SGLang 0.5.x, vLLM 0.x, TensorRT-LLM 1.x."""


def release(engine: str, version: str) -> float:
    """Return how new an engine's release is, between -1 and 1; 0 if the version is unknown or not a release.

    Engines get faster: launch costs fall from release to release. Nothing is extrapolated beyond the newest measured release.
    """
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version)
    if found is None:
        return 0.0
    major, minor, patch = (int(part or 0) for part in found.groups())
    number = {"sglang": patch + 10 * (minor - 5), "vllm": minor + 100 * major, "trtllm": minor + 2 * (major - 1)}[
        engine
    ]
    middle, scale = _RELEASE[engine]
    return max(-1.0, min(1.0, (number - middle) / scale))


def features(
    model: ModelArchitecture,
    gpu: Gpu,
    split: Parallelism,
    load: Load,
    *,
    engine: str,
    kv_dtype: str,
    engine_version: str = "",
) -> dict[str, float]:
    """Return one row of columns. Times are ideal: at the GPU's full bandwidth and peak."""
    method = model.quantization.method
    dense_method = model.quantization.rest if model.quantization.experts_only else method
    bytes_per_ms = gpu.bandwidth_gb_s * 1e6
    dense_peak, expert_peak, plain_peak = (peak_tflops(gpu, m) / 1e3 for m in (dense_method, method, "bf16"))
    link = gpu.link_gb_s / 1e3
    context = load.input_tokens + load.output_tokens / 2
    cached = decode_work(model, split, requests=load.running, context=context, kv_dtype=kv_dtype)
    step = cached
    if load.tokens_per_step > 1:
        step = decode_work(
            model, split, requests=load.running * load.tokens_per_step, context=context, kv_dtype=kv_dtype
        )
    prompt = prefill_work(model, split, tokens=load.input_tokens)
    # encoders stay in 16 bits and are sharded like attention
    encoder = load.encoder_tflop / split.attention_tp / plain_peak
    kind = generation(gpu)
    return {
        "dense_read": step.dense_bytes / bytes_per_ms,
        "expert_read": step.expert_bytes / bytes_per_ms,
        "cache_read": cached.kv_bytes / bytes_per_ms,
        "dense_compute": step.dense_tflop / dense_peak,
        "expert_compute": step.expert_tflop / expert_peak,
        "attention_compute": step.attention_tflop / plain_peak,
        "messages": step.messages,
        "message_bytes": step.message_gb / link,
        "layers": float(model.attention_layers),
        "expert_layers": float(model.moe.layers if model.moe else 0),
        "linear_layers": float(model.linear_layers),
        "prompt_dense": prompt.dense_tflop / dense_peak + encoder,
        "prompt_expert": prompt.expert_tflop / expert_peak,
        "prompt_attention": prompt.attention_tflop / plain_peak,
        "prompt_messages": prompt.message_gb / link,
        "prompt_read": (prompt.expert_bytes + prompt.dense_bytes) / bytes_per_ms,
        "running": load.running,
        "mixed_tokens": load.mixed_tokens,
        **{kind: float(load.arrivals == kind) for kind in ARRIVALS},
        "isl": load.input_tokens,
        "osl": load.output_tokens,
        "gpus": math.log(split.tensor / 4),
        "tensor": float(split.tensor),
        **{flag: float(engine == flag) for flag in ENGINES},
        **{flag: float(kind == flag) for flag in ("ampere", "ada", "hopper", "blackwell", "rtx")},
        **{flag: float(_kernels(gpu, method) == flag) for flag in ("bf16", "fp8", "nvfp4", "mxfp4", "int4")},
        "emulated": float(is_emulated(gpu, method)),
        "latent": float(model.mla is not None),
        "sparse": float(model.mla is not None and model.mla.index_head_dim is not None),
        "linear": float(model.linear is not None),
        "experts_used": float(model.moe is not None),
        "expert_parallel": float(split.expert_parallel and model.moe is not None),
        "attention_dp": float(split.attention_dp > 1),
        "pcie": float(gpu.nvlink_gb_s is None),
        "release": release(engine, engine_version),
        "width": math.log(model.hidden_size / 5000),
        "experts": math.log(model.moe.experts / 128) if model.moe else 0.0,
        "log_hidden": math.log(model.hidden_size),
        "log_layers": math.log(max(1, model.attention_layers)),
        "log_active": math.log(model.active_parameters),
        "log_total": math.log(model.parameters),
        "log_bandwidth": math.log(gpu.bandwidth_gb_s),
    }


def question_features(question: Question, load: Load) -> dict[str, float]:
    """Return one row of columns for a question under a load."""
    return features(
        as_loaded(question.facts.architecture, question.gpu, question.split, question.engine),
        question.gpu,
        question.split,
        load,
        engine=question.engine,
        kv_dtype=question.kv_dtype,
        engine_version=question.engine_version,
    )


def columns(rows: Sequence[dict[str, float]]) -> dict[str, Column]:
    """Return rows as columns."""
    return {name: np.array([row[name] for row in rows], dtype=np.float64) for name in rows[0]}
