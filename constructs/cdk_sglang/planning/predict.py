"""Answers questions: does it fit, what is cached, how fast, at what price; with a band on every time."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cdk_sglang.planning.features import Load, columns, features
from cdk_sglang.planning.memory import MemoryPlan, plan_memory, split_problems
from cdk_sglang.planning.nearby import Nearby
from cdk_sglang.planning.timing import times_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdk_sglang.planning.rows import Question
    from cdk_sglang.planning.timing import Column

MAX_RUNNING = {"sglang": 2048, "vllm": 1024, "trtllm": 2048}
"""Most requests an engine serves at once unless told: vLLM's max_num_seqs on data-centre GPUs, TensorRT-LLM's max_batch_size, SGLang's cap."""
DRAFT_TOKENS_BEYOND_ACCEPTED = 1.5
DRAFT_STEP_SHARE = 0.04
"""One draft step against one step of the model: an EAGLE draft is one layer and the output projection."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """A number and the range that holds the measured value in at least 80% of configurations never measured."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is predicted for one question; None where nothing can be said.

    Args:
        fits: Whether the model and one request fit and the engine accepts the split.
        memory: Memory of the fullest GPU.
        running: Requests served at the same time.
        ttft_ms: Mean time to the first token.
        tpot_ms: Mean time per further token.
        output_tok_s_per_gpu: Output tokens per second and GPU of the copy.
        problems: Why it does not fit or cannot run.
        notes: What was assumed, or why a number is missing.
    """

    fits: bool
    memory: MemoryPlan
    running: float | None = None
    ttft_ms: Band | None = None
    tpot_ms: Band | None = None
    output_tok_s_per_gpu: Band | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Width:
    """How wide a band is: a share that no measurement nearby removes, and the interpolation's own uncertainty.

    Args:
        floor: Deviation of a configuration that was measured, as a logarithm.
        factor: Deviations on either side that held the wanted share of configurations left out.
    """

    floor: float
    factor: float

    def half_width(self, deviation: Column) -> Column:
        """Return half the band's width as a logarithm."""
        width: Column = self.factor * np.sqrt(deviation**2 + self.floor**2)
        return width


@dataclass(frozen=True)
class Calibration:
    """Fitted coefficients, measured residuals and band widths."""

    coefficients: dict[str, float]
    ttft: Nearby
    tpot: Nearby
    band_tpot: Width
    band_ttft: Width
    band_throughput: Width
    saturation: dict[str, float]


@cache
def calibration() -> Calibration:
    """Return the calibration this version carries (made by `benchmarks/planner/calibrate.py`)."""
    return read_calibration(
        json.loads((Path(__file__).parent / "data" / "calibration.json").read_text(encoding="utf-8"))
    )


def read_calibration(content: dict[str, object]) -> Calibration:
    """Return a calibration from its JSON form."""
    data: dict = content  # type: ignore[type-arg]
    points = {name: np.array(values, dtype=np.float64) for name, values in data["nearby"]["points"].items()}

    def nearby(kind: str) -> Nearby:
        part = data["nearby"][kind]
        keep = np.array([value is not None for value in part["residuals"]])
        return Nearby(
            points={name: values[keep] for name, values in points.items()},
            residuals=np.array([value for value in part["residuals"] if value is not None]),
            noise=np.array(part["noise"])[keep],
            config_sd=part["config_sd"],
            load_sd=part["load_sd"],
        )

    return Calibration(
        coefficients=data["coefficients"],
        ttft=nearby("ttft"),
        tpot=nearby("tpot"),
        band_tpot=Width(**data["bands"]["tpot"]),
        band_ttft=Width(**data["bands"]["ttft"]),
        band_throughput=Width(**data["bands"]["throughput"]),
        saturation=data["saturation"],
    )


def answer(questions: Sequence[Question], *, using: Calibration | None = None) -> list[Answer]:
    """Return one answer per question, in their order; all times are computed together."""
    fitted = calibration() if using is None else using
    prepared = [_prepare(question) for question in questions]
    timed = [(index, load) for index, (_, load) in enumerate(prepared) if load is not None]
    answers = [given for given, _ in prepared]
    if not timed:
        return answers
    table = columns([_features(questions[index], load) for index, load in timed])
    predicted = predict_times(fitted, table)
    for position, (index, load) in enumerate(timed):
        answers[index] = _timed(
            question=questions[index],
            given=answers[index],
            load=load,
            fitted=fitted,
            predicted=predicted,
            position=position,
        )
    return answers


def predict_times(fitted: Calibration, table: dict[str, Column]) -> tuple[Column, Column, Column, Column]:
    """Return time per token, its log deviation, time to first token and its log deviation, for every row."""
    tpot, ttft = times_ms(fitted.coefficients, table)
    tpot_shift, tpot_sd = fitted.tpot.correct(table)
    ttft_shift, ttft_sd = fitted.ttft.correct(table)
    return tpot * np.exp(tpot_shift), tpot_sd, ttft * np.exp(ttft_shift), ttft_sd


def _features(question: Question, load: Load) -> dict[str, float]:
    return features(
        question.facts.architecture,
        question.gpu,
        question.split,
        load,
        engine=question.engine,
        kv_dtype=question.kv_dtype,
        engine_version=question.engine_version,
    )


def _prepare(question: Question) -> tuple[Answer, Load | None]:
    model = question.facts.architecture
    memory = plan_memory(
        model,
        question.gpu,
        question.split,
        engine=question.engine,
        kv_dtype=question.kv_dtype,
        fraction=question.mem_fraction,
        mtp=question.accept_len is not None,
    )
    problems = split_problems(model, question.gpu, question.split)
    notes = list(question.notes)
    length = question.input_tokens + question.output_tokens
    asked = max(length, question.context_len or 0.0)
    limit = model.max_position_embeddings
    if limit and asked > limit:
        notes.append(f"context {asked:g} is beyond the model's {limit}")
        if (question.context_len or question.input_tokens) > 2 * limit:
            problems.append(
                f"context {asked:g} is beyond the model's {limit}; shorten it, or set a rope scaling factor"
            )
    if not model.kv_known:
        return Answer(fits=False, memory=memory, problems=(question.facts.note,), notes=tuple(notes)), None
    short = memory.shortfall_gib(length)
    if memory.cache_gib <= 0 or short > 0:
        missing = max(short, -memory.cache_gib)
        problems.append(
            f"does not fit: {memory.weights_gib:.1f} GiB of weights on {memory.total_gib:.1f} GiB GPUs leave {memory.cache_gib:.1f} GiB "
            f"of cache, {missing:.1f} GiB short per GPU; use more GPUs, a smaller format or a larger mem_fraction"
        )
    capacity = float(memory.requests(length)) * question.split.attention_dp if not short else 0.0
    most = MAX_RUNNING[question.engine]
    if question.concurrency is None:
        running = max(1.0, min(capacity or 1.0, most))
        notes.append(f"concurrency assumed {running:g}, what the cache holds")
    else:
        running = min(question.concurrency, capacity) if capacity >= 1 else question.concurrency
        if running < question.concurrency:
            notes.append(f"cache holds {running:g} of {question.concurrency:g} requests; the rest waits")
    steps = 1.0
    if question.accept_len is not None:
        steps = math.ceil(question.accept_len + DRAFT_TOKENS_BEYOND_ACCEPTED)
    load = Load(
        input_tokens=question.input_tokens,
        output_tokens=question.output_tokens,
        running=max(1.0, running),
        tokens_per_step=steps,
    )
    return Answer(fits=not problems, memory=memory, running=running, problems=tuple(problems), notes=tuple(notes)), load


def _timed(
    *,
    question: Question,
    given: Answer,
    load: Load,
    fitted: Calibration,
    predicted: tuple[Column, Column, Column, Column],
    position: int,
) -> Answer:
    tpot, tpot_sd, ttft, ttft_sd = (float(column[position]) for column in predicted)
    notes = list(given.notes)
    if question.accept_len is not None:
        plain = float(
            times_ms(
                fitted.coefficients,
                columns(
                    [
                        _features(
                            question,
                            Load(
                                input_tokens=load.input_tokens, output_tokens=load.output_tokens, running=load.running
                            ),
                        )
                    ]
                ),
            )[0][0]
        )
        drafted = tpot * (1 + DRAFT_STEP_SHARE * load.tokens_per_step)
        tpot = drafted / question.accept_len
        change = plain / tpot
        notes.append(f"speculation: {change:.2f}x of plain decoding" + (", slower" if change < 1 else ""))
    waiting = 0.0
    if question.concurrency and load.running < question.concurrency:
        rounds = question.concurrency / load.running - 1
        waiting = rounds * (ttft + question.output_tokens * tpot)
    if question.concurrency is None:
        saturated = fitted.saturation.get(question.engine, 1.0)
        tpot *= saturated
    total_ms = ttft + max(0.0, question.output_tokens - 1) * tpot
    throughput = 1000 * load.running * question.output_tokens / total_ms / question.split.gpus
    return Answer(
        fits=given.fits,
        memory=given.memory,
        running=given.running,
        ttft_ms=_band(ttft + waiting, float(fitted.band_ttft.half_width(np.array(ttft_sd)))),
        tpot_ms=_band(tpot, float(fitted.band_tpot.half_width(np.array(tpot_sd)))),
        output_tok_s_per_gpu=_band(throughput, float(fitted.band_throughput.half_width(np.array(tpot_sd)))),
        problems=given.problems,
        notes=tuple(notes),
    )


def _band(value: float, log_width: float) -> Band:
    return Band(value=value, low=value * math.exp(-log_width), high=value * math.exp(log_width))
