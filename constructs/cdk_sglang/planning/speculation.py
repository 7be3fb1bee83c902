"""Predicts whether drafting is faster: compares the time of a draft-and-verify cycle per accepted token with a plain decode step.

    cycle = step(requests x verified tokens) + steps x (launch + reads of the draft) + fixed cost;  time per token = cycle / accept length

A step that verifies many tokens costs more if it multiplies more (many requests) or reads more experts (a mixture of experts), so
drafting pays off with few requests and not with many. Prompts of other requests take the same time whatever is accepted.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cdk_sglang.models.architecture import bytes_per_weight
from cdk_sglang.planning.drafts import DraftKind, Speculation, draft_layers, layer_parameters
from cdk_sglang.planning.features import columns, question_features
from cdk_sglang.planning.timing import step_parts_ms, waited_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdk_sglang.hardware import Gpu
    from cdk_sglang.models.architecture import ModelArchitecture
    from cdk_sglang.planning.calibration import Calibration
    from cdk_sglang.planning.features import Load
    from cdk_sglang.planning.parallel import Parallelism
    from cdk_sglang.planning.rows import Question
    from cdk_sglang.planning.timing import Column

DRAFT_LAUNCH_MS: Final = 0.4
"""Time of a draft step in addition to its reads: launches of one layer, of the output projection and of token selection."""
LOOKUP_MS: Final = 0.5
"""Time of NGRAM's text search on the CPU. An assumption: no figure is published."""
_READ_SHARE: Final = 0.8
"""Share of a GPU's bandwidth that a draft's reads reach, as for the dense layers of a model."""
_OVERLAPPED_FROM: Final = (0, 5, 14)
"""First release in which SGLang prepares the next cycle while the GPU works, for every kind of draft: the old workers were removed in June 2026
(sglang#25464, #27964), and 0.5.14 is of July."""
FIXED_MS: Final = {"sglang": 2.0, "vllm": 1.0, "trtllm": 1.0}
"""Time of a cycle in addition to its steps: tree, sampling, bookkeeping. The value for SGLang with overlap is an assumption between
vLLM's value and that of SGLang before the overlap: no source publishes both speeds and the accept length for such a release."""
FIXED_RANGE_MS: Final = (0.5, 5.0)
"""Assumed range of the fixed cost of SGLang with overlap."""
SPREAD: Final = 1.15
"""Factor within which four of five measured speed-ups agree with their prediction (`tests/planning/speculation_measured.csv`)."""
FIXED_BEFORE_OVERLAP_MS: Final = 5.0
"""The same for SGLang before the overlap, from the measurements in `tests/planning/speculation_measured.csv`."""


def fixed_ms(engine: str, version: str) -> float:
    """Return the fixed cost of a cycle.

    Args:
        engine: `sglang`, `vllm` or `trtllm`.
        version: Its release; the newest if empty.
    """
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    if engine == "sglang" and found is not None and tuple(map(int, found.groups())) < _OVERLAPPED_FROM:
        return FIXED_BEFORE_OVERLAP_MS
    return FIXED_MS[engine]


def drafting_ms(model: ModelArchitecture, gpu: Gpu, split: Parallelism, speculation: Speculation) -> float:
    """Return the milliseconds of drafting in a cycle.

    Args:
        model: The target.
        gpu: Type of each GPU.
        split: How one copy is spread over GPUs.
        speculation: How it drafts.
    """
    if speculation.kind is DraftKind.LOOKUP:
        return LOOKUP_MS
    steps, _ = speculation.options(model)
    reads = _read_bytes(model, split, speculation) / (gpu.bandwidth_gb_s * 1e6 * _READ_SHARE)
    return steps * (DRAFT_LAUNCH_MS + reads)


def _read_bytes(model: ModelArchitecture, split: Parallelism, speculation: Speculation) -> float:
    """Return the bytes that one draft step reads on a GPU; for a mixture of experts, only the experts of one token."""
    plain = model.quantization.plain_bytes
    if speculation.kind is DraftKind.HEAD:
        words = speculation.vocabulary or model.vocab_size
        layers = speculation.layers * layer_parameters(model, split, speculation)
        return (layers + words * model.hidden_size / split.tensor) * plain
    projection = model.vocab_size * model.hidden_size / split.tensor * plain
    if not draft_layers(model, speculation):
        return projection
    active = model.mtp_parameters / model.mtp_layers
    if model.moe is not None:
        active -= (model.moe.experts - model.moe.top_k) * model.expert_size
    method = model.quantization
    size = plain if method.method == "bf16" else bytes_per_weight(method.method, block=method.block, group=method.group)
    return max(0.0, active) * size / split.tensor + projection


@dataclass(frozen=True, kw_only=True)
class TokenTimes:
    """Milliseconds per output token of a request at each of several loads.

    Args:
        plain: Time without drafting.
        drafted: Time with drafting.
        cycle: Time of a whole draft-and-verify cycle.
        others: Part of the cycle that prompts of other requests take, whatever is accepted.
    """

    plain: Column
    drafted: Column
    cycle: Column
    others: Column


def token_times(
    question: Question,
    loads: Sequence[Load],
    fitted: Calibration,
    *,
    accept_length: float,
    fixed: float | None = None,
) -> TokenTimes:
    """Return the times per token with and without drafting.

    Args:
        question: The configuration; its `speculation` says how it drafts.
        loads: Loads on one copy, without verified tokens.
        fitted: Calibration to predict with.
        accept_length: Tokens per verification step.
        fixed: Fixed cost of a cycle, milliseconds; by default that of the engine's release.
    """
    speculation, model = question.speculation or Speculation(kind=DraftKind.HEAD), question.facts.architecture
    _, verified = speculation.options(model)
    verifying = [dataclasses.replace(load, tokens_per_step=float(verified)) for load in loads]
    table = columns([question_features(question, load) for load in (*loads, *verifying)])
    step, others = step_parts_ms(fitted.coefficients, table)
    count = len(loads)
    drafting = drafting_ms(model, question.gpu, question.split, speculation)
    others = others * (1 - waited_share(fitted.coefficients, table, step=step, mixed=others))
    cycle = step[count:] + drafting + (fixed_ms(question.engine, question.engine_version) if fixed is None else fixed)
    return TokenTimes(
        plain=step[:count] + others[:count],
        drafted=cycle / accept_length + others[:count],
        cycle=cycle,
        others=others[:count],
    )


def speedup_range(question: Question, load: Load, fitted: Calibration) -> tuple[float, float]:
    """Return the range of a speed-up, from the uncertainty of the accept length, the cycle's fixed cost if assumed, and the prediction.

    Args:
        question: The configuration; its `speculation` says how it drafts.
        load: Load on one copy, without verified tokens.
        fitted: Calibration to predict with.
    """
    speculation = question.speculation or Speculation(kind=DraftKind.HEAD)
    least, _, most = speculation.accept_lengths
    cheap, expensive = FIXED_RANGE_MS
    usual = fixed_ms(question.engine, question.engine_version)
    if usual != FIXED_MS["sglang"] or question.engine != "sglang":
        cheap = expensive = usual
    slow = token_times(question, [load], fitted, accept_length=least, fixed=expensive)
    fast = token_times(question, [load], fitted, accept_length=most, fixed=cheap)
    return float(slow.plain[0] / slow.drafted[0]) / SPREAD, float(fast.plain[0] / fast.drafted[0]) * SPREAD


def faster_or_slower(low: float, high: float) -> str:
    """Return `faster`, `slower`, or `unsure` if a range of speed-ups includes both."""
    return "faster" if low >= 1 else "slower" if high < 1 else "unsure"
