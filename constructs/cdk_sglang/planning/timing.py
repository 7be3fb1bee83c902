"""Converts counts of work to milliseconds: a roofline with fitted efficiencies, vectorized over all rows.

One decoding step is the sum of reading and multiplying dense weights, expert weights and the cache (each the smooth
maximum of its memory and its compute time), a launch cost per layer and exchanges between GPUs; the host prepares the next
step meanwhile (the engines' overlap schedulers), so only the longer of the two counts. While a request decodes, the prompts of other
requests are prefilled between its steps: that share is added to the time per token.
The time to the first token is the request's own prefill, a launch cost per layer and the wait behind other prompts in a
closed loop.

Every efficiency is `exp` of a sum of fitted coefficients: one for the term, and small ones for the GPU generation, the
engine, the weights' format and a few shapes. None of them is specific to a model, a row or a source. The fit and its
cross-validation are in `benchmarks/planner`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cdk_sglang.spec.load import ARRIVALS

if TYPE_CHECKING:
    from collections.abc import Mapping

Column: TypeAlias = NDArray[np.float64]
Columns: TypeAlias = "Mapping[str, Column]"

MOST_WAITED = 0.55
"""Maximum share of the time of other requests' prompts that a request waits for before its first token; the rest lies between its tokens.
If all requests move in step, half of the prompts precede it on average."""
_WAITED = {"lockstep": 0.5, "independent": 0.05}
"""The same for known arrival patterns: half of all prompts in step, and almost none if lengths vary (only in the first wave)."""
_MOVED_MOST = 0.7
"""Maximum share of the time to the first token that is attributed to waiting behind other requests."""

_SHARPNESS = 3.0
"""Exponent of the smooth maximum of memory time and compute time: 2 overlaps too little, infinity is the plain roofline."""


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Prior of a coefficient: the logarithm of a factor, and its plausible deviation."""

    mean: float
    deviation: float


def priors() -> dict[str, Prior]:
    """Return every coefficient with its prior; the names are those of `coefficients.json`.

    The deviations were chosen by cross-validation that leaves out whole model and GPU combinations: efficiencies carry over between
    engines and formats almost unchanged, launch costs do not.
    """
    table: dict[str, Prior] = {}

    def factor(name: str, mean: float, deviation: float) -> None:
        table[name] = Prior(mean=float(np.log(mean)), deviation=deviation)

    def shift(term: str, flags: str, deviation: float) -> None:
        for flag in flags.split():
            table[f"{term}:{flag}"] = Prior(mean=0.0, deviation=deviation)

    for name, mean, deviation in _TERMS:
        factor(name, mean, deviation)
    for terms, flags, deviation in _SHIFTS:
        for term in terms.split():
            shift(term, flags, deviation)
    for name, mean, deviation in _WAVE:
        table[name] = Prior(mean=mean, deviation=deviation)
    return table


_WAVE = (
    ("wave", -1.5, 6.0),
    ("wave:load", 0.5, 4.0),
    ("wave:short", 0.5, 4.0),
    ("wave:vllm", 0.0, 4.0),
    ("wave:trtllm", 0.0, 4.0),
)
"""Coefficients of the share of other requests' prompts that a request waits for before its first token. They are arguments of a logistic
function, not logarithms of factors."""


_TERMS = (
    ("dense_read", 1 / 0.8, 0.2),
    ("expert_read", 1 / 0.7, 0.3),
    ("cache_read", 1 / 0.7, 0.3),
    ("dense_compute", 1 / 0.6, 0.3),
    ("expert_compute", 1 / 0.4, 0.4),
    ("attention_compute", 1 / 0.3, 0.5),
    ("layer_ms", 0.05, 0.7),
    ("expert_layer_ms", 0.03, 0.7),
    ("linear_layer_ms", 0.03, 0.5),
    ("message_ms", 0.008, 0.6),
    ("message_bytes", 1 / 0.5, 0.6),
    ("step_ms", 0.4, 0.7),
    ("request_ms", 0.01, 0.7),
    ("mixed_share", 1.0, 0.1),
    ("mixed_dense", 1 / 0.6, 0.3),
    ("mixed_expert", 1 / 0.3, 0.5),
    ("mixed_attention", 1 / 0.4, 0.5),
    ("mixed_messages", 1 / 0.5, 0.6),
    ("mixed_layer_ms", 0.15, 1.0),
    ("prompt_dense", 1 / 0.6, 0.4),
    ("prompt_expert", 1 / 0.3, 0.5),
    ("prompt_attention", 1 / 0.4, 0.6),
    ("prompt_messages", 1 / 0.5, 0.6),
    ("prompt_layer_ms", 0.2, 1.0),
    ("prompt_read", 1 / 0.7, 0.5),
    ("first_ms", 15.0, 0.8),
    ("queue_share", 0.03, 0.8),
)

_LAUNCH = "layer_ms expert_layer_ms"
_COMPUTE = "dense_compute expert_compute"
_FIRST = "prompt_dense prompt_expert prompt_layer_ms first_ms queue_share"

_SHIFTS = (
    # terms, flags, how much a flag may plausibly change a term (as a logarithm)
    (f"dense_read expert_read {_COMPUTE} cache_read mixed_dense mixed_expert", "blackwell", 0.125),
    (
        f"dense_read expert_read {_COMPUTE} {_LAUNCH} message_ms cache_read mixed_dense mixed_expert",
        "rtx ada ampere",
        0.25,
    ),
    ("dense_read expert_read cache_read mixed_dense mixed_expert", "trtllm vllm", 0.036),
    (_LAUNCH, "trtllm vllm", 0.4),
    ("step_ms request_ms", "trtllm vllm", 0.5),
    ("dense_read dense_compute mixed_dense", "fp8 nvfp4", 0.05),
    ("dense_read dense_compute mixed_dense", "emulated", 0.1),
    ("expert_read expert_compute mixed_expert expert_layer_ms", "fp8 nvfp4", 0.1),
    ("expert_compute mixed_expert", "emulated", 0.4),
    ("cache_read attention_compute mixed_attention", "latent sparse", 0.072),
    ("layer_ms", "latent", 0.15),
    ("expert_read expert_layer_ms expert_compute", "expert_parallel", 0.036),
    (_LAUNCH, "width", 0.05),
    ("expert_layer_ms", "experts", 0.025),
    ("message_ms", "gpus", 0.5),
    # GPUs without fp4 arithmetic unpack 4-bit experts: measured far from other formats' speed, so the prior is wide
    ("expert_read expert_layer_ms", "emulated", 1.5),
    ("layer_ms message_ms", "blackwell", 0.6),
    ("expert_layer_ms", "blackwell", 1.3),
    # sparse attention selects tokens in each layer before it attends: assumed to be why its models are slower
    ("layer_ms", "sparse", 2.0),
    ("message_ms message_bytes prompt_messages mixed_messages", "pcie", 0.7),
    ("layer_ms", "attention_dp", 0.1),
    (_FIRST, "blackwell rtx ada ampere", 0.175),
    (_FIRST, "trtllm vllm", 0.5),
    ("prompt_dense prompt_expert", "fp8 nvfp4 emulated", 0.25),
    ("prompt_layer_ms first_ms", "latent sparse linear experts_used", 0.175),
    ("first_ms prompt_layer_ms prompt_expert queue_share", "release", 0.3),
    ("prompt_layer_ms", "gpus", 0.2),
)


def times_ms(coefficients: Mapping[str, float], rows: Columns) -> tuple[Column, Column]:
    """Return time per output token and time to first token, both in milliseconds, for every row.

    Args:
        coefficients: By name, as in `priors`.
        rows: Columns of `features.Features`.
    """
    step, mixed = step_parts_ms(coefficients, rows)
    waited = waited_share(coefficients, rows, step=step, mixed=mixed)
    per_token = step + (1 - waited) * mixed
    factor = _Factors(coefficients, rows)
    prompt = (
        rows["prompt_dense"] * factor["prompt_dense"]
        + rows["prompt_expert"] * factor["prompt_expert"]
        + rows["prompt_attention"] * factor["prompt_attention"]
        + rows["prompt_messages"] * factor["prompt_messages"]
    )
    own = smooth_max(prompt, rows["prompt_read"] * factor["prompt_read"]) + rows["layers"] * factor["prompt_layer_ms"]
    waiting = waited * mixed * rows["osl"] + factor["queue_share"] * (rows["running"] - 1) * prompt
    return per_token, factor["first_ms"] + own + waiting + step / 2


def as_unknown(rows: Columns) -> dict[str, Column]:
    """Return the columns with unknown arrival patterns: most measurements do not state the pattern, so times are fitted without it.

    Args:
        rows: Columns of `features.Features`.
    """
    return {**rows, **{kind: np.zeros_like(rows["running"]) for kind in ARRIVALS}}


def moved_by_arrivals(
    coefficients: Mapping[str, float], rows: Columns, *, tpot: Column, ttft: Column
) -> tuple[Column, Column]:
    """Return time per output token and time to first token for a known arrival pattern.

    The pattern moves time from one to the other and leaves their sum over a request unchanged.

    Args:
        coefficients: By name, as in `priors`.
        rows: Columns of `features.Features`.
        tpot: Time per output token for the columns of `as_unknown`, corrected or not, milliseconds.
        ttft: Time to first token, the same.
    """
    unknown, known = (times_ms(coefficients, columns)[0] for columns in (as_unknown(rows), rows))
    moved = np.maximum((1 - known / unknown) * tpot, -_MOVED_MOST * ttft / rows["osl"])
    return tpot - moved, ttft + moved * rows["osl"]


def waited_share(coefficients: Mapping[str, float], rows: Columns, *, step: Column, mixed: Column) -> Column:
    """Return the share of other requests' prompts that a request waits for before its first token; the rest lies between its tokens.

    In a closed loop each prompt is computed once while a request is served, so a prompt waited for before the first token causes no wait after it.

    Args:
        coefficients: By name, as in `priors`.
        rows: Columns of `features.Features`.
        step: One decoding step, milliseconds.
        mixed: Prompts of other requests per step, milliseconds.
    """
    wave = coefficients["wave"] + coefficients["wave:load"] * np.log(np.maximum(mixed / step, 1e-6))
    wave = wave + coefficients["wave:short"] * np.log(512.0 / rows["osl"])
    wave = wave + coefficients["wave:vllm"] * rows["vllm"] + coefficients["wave:trtllm"] * rows["trtllm"]
    share: Column = MOST_WAITED / (1 + np.exp(-wave))
    for kind, known in _WAITED.items():
        share = np.where(rows[kind] > 0, known, share)
    return share


def step_parts_ms(coefficients: Mapping[str, float], rows: Columns) -> tuple[Column, Column]:
    """Return one decoding step and the share of other requests' prompts per step, in milliseconds."""
    factor = _Factors(coefficients, rows)
    step = smooth_max(rows["dense_read"] * factor["dense_read"], rows["dense_compute"] * factor["dense_compute"])
    step = step + smooth_max(
        rows["expert_read"] * factor["expert_read"], rows["expert_compute"] * factor["expert_compute"]
    )
    step = step + smooth_max(
        rows["cache_read"] * factor["cache_read"], rows["attention_compute"] * factor["attention_compute"]
    )
    step = step + rows["layers"] * factor["layer_ms"] + rows["expert_layers"] * factor["expert_layer_ms"]
    step = step + rows["linear_layers"] * factor["linear_layer_ms"]
    step = step + rows["messages"] * factor["message_ms"] + rows["message_bytes"] * factor["message_bytes"]
    step = smooth_max(step, factor["step_ms"] + factor["request_ms"] * rows["running"])
    prompt = (
        rows["prompt_dense"] * factor["mixed_dense"]
        + rows["prompt_expert"] * factor["mixed_expert"]
        + rows["prompt_attention"] * factor["mixed_attention"]
        + rows["prompt_messages"] * factor["mixed_messages"]
    )
    prompts_per_step = np.minimum((rows["running"] - 1) / rows["osl"], rows["mixed_tokens"] / rows["isl"])
    work = prompts_per_step * factor["mixed_share"] * prompt
    # assumed: SGLang interrupts decoding for prompts and launches their kernels one by one; the other engines mix them into the step
    launches = rows["sglang"] * (rows["layers"] + rows["expert_layers"]) * factor["mixed_layer_ms"]
    # prompts that arrive while others are computed are launched together, up to a chunk; a longer one takes several launches
    passes = np.maximum(step / (step + work), rows["isl"] / rows["mixed_tokens"])
    return step, work + prompts_per_step * launches * passes


def work_parts_ms(coefficients: Mapping[str, float], rows: Columns) -> tuple[Column, Column]:
    """Return one decoding step and the time of the prompts of all running requests per step, in milliseconds.

    `step_parts_ms` counts only the prompts of other requests, which a request waits for; the GPUs also compute its own prompt.
    """
    step, _ = step_parts_ms(coefficients, rows)
    _, prompts = step_parts_ms(coefficients, {**rows, "running": rows["running"] + 1})
    return step, prompts


def smooth_max(first: Column, second: Column) -> Column:
    """Return a smooth maximum: close to the larger value if they differ much, 26% above them if they are equal."""
    total: Column = (first**_SHARPNESS + second**_SHARPNESS) ** (1 / _SHARPNESS)
    return total


class _Factors:
    """`exp` of a term's coefficients, summed over the flags of each row."""

    def __init__(self, coefficients: Mapping[str, float], rows: Columns) -> None:
        self._rows = rows
        self._by_term: dict[str, list[tuple[str, float]]] = {}
        for name, value in coefficients.items():
            term, _, flag = name.partition(":")
            self._by_term.setdefault(term, []).append((flag, value))

    def __getitem__(self, term: str) -> Column:
        total: Column = np.zeros_like(self._rows["running"])
        for flag, value in self._by_term[term]:
            if not flag:
                total = total + value
            elif value:
                total = total + value * self._rows[flag]
        return np.exp(total)
