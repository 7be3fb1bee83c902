"""Answers questions about configurations: whether they fit, what is cached, and how fast they are, with a band on every time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.planning.calibration import Calibration, Saturation, calibration, spread_columns
from cdk_sglang.planning.digits import significant
from cdk_sglang.planning.features import Load, columns, mixed_tokens, question_features
from cdk_sglang.planning.formats import format_notes
from cdk_sglang.planning.memory import MemoryPlan, plan_memory
from cdk_sglang.planning.queueing import served_at_once, waiting_ms
from cdk_sglang.planning.refusals import split_problems
from cdk_sglang.planning.speculation import faster_or_slower, speedup_range, token_times
from cdk_sglang.planning.timing import as_unknown, moved_by_arrivals, times_ms, work_parts_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdk_sglang.planning.rows import Question
    from cdk_sglang.planning.timing import Column

MAX_RUNNING = {"sglang": 2048, "vllm": 1024, "trtllm": 2048}
"""Default maximum of requests served at once: vLLM's max_num_seqs on data-centre GPUs, TensorRT-LLM's max_batch_size, SGLang's cap."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """A predicted number with a range that contains the measured value in at least 85 % of previously unmeasured configurations.

    Args:
        value: The prediction.
        low: Lower bound.
        high: Upper bound.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The prediction for one question; None for values that cannot be predicted.

    Args:
        fits: Whether the model and one request fit and the engine accepts the split.
        memory: Memory plan of the fullest GPU.
        running: Requests served at the same time.
        ttft_ms: Mean time to the first token.
        tpot_ms: Mean time per further token.
        output_tok_s_per_gpu: Output tokens per second and per GPU of the copy.
        prompt_share: Share of the GPUs' time that prompts take; decode steps take the rest.
        problems: Why it does not fit or cannot run.
        notes: Assumptions, and reasons for missing numbers.
    """

    fits: bool
    memory: MemoryPlan
    running: float | None = None
    ttft_ms: Band | None = None
    tpot_ms: Band | None = None
    output_tok_s_per_gpu: Band | None = None
    prompt_share: float | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def answer(questions: Sequence[Question], *, using: Calibration | None = None) -> list[Answer]:
    """Return one answer per question, in their order; all times are computed together.

    Args:
        questions: Configurations to predict.
        using: Calibration to predict with; the package's if None.
    """
    fitted = calibration() if using is None else using
    answers, timed, table = prepare(questions)
    if not timed:
        return answers
    predicted = predict_times(fitted, table)
    for position, (index, load) in enumerate(timed):
        answers[index] = _timed(
            question=questions[index],
            base_answer=answers[index],
            load=load,
            fitted=fitted,
            predicted=predicted,
            position=position,
        )
    return answers


def prepare(questions: Sequence[Question]) -> tuple[list[Answer], list[tuple[int, Load]], dict[str, Column]]:
    """Return the answers without times, the questions that can be timed with their loads, and the columns of those questions.

    Args:
        questions: Configurations to predict.
    """
    prepared = [_prepare(question) for question in questions]
    timed = [(index, load) for index, (_, load) in enumerate(prepared) if load is not None]
    answers = [base_answer for base_answer, _ in prepared]
    return (
        answers,
        timed,
        columns([question_features(questions[index], load) for index, load in timed]) if timed else {},
    )


@dataclass(frozen=True, kw_only=True)
class Times:
    """Predicted times of every row in milliseconds, and, by kind, the ends of each band as logarithmic distances from them.

    `narrowing` is the factor by which the user's own measurements narrow a band; the reported value moves towards the band's middle with it.
    `step` and `prompts` are the parts of the time: one decode step, and the prompts per step. `drafting` is the logarithmic distance of the
    user's own measurements with speculative decoding from the prediction.
    """

    tpot: Column
    ttft: Column
    ends: Mapping[str, tuple[Column, Column]]
    step: Column
    prompts: Column
    drafting: Column
    narrowing: Mapping[str, Column]


def predict_times(fitted: Calibration, table: dict[str, Column]) -> Times:
    """Return the times of every row and their bands; the ends of bands are relative to these times."""
    tpot, ttft = times_ms(fitted.coefficients, as_unknown(table))
    tpot_shift, tpot_sd = fitted.tpot.correct(table)
    ttft_shift, ttft_sd = fitted.ttft.correct(table)
    tpot, ttft = moved_by_arrivals(
        fitted.coefficients, table, tpot=tpot * np.exp(tpot_shift), ttft=ttft * np.exp(ttft_shift)
    )
    per_token, first = spread_columns(table, tpot_sd), spread_columns(table, ttft_sd)
    step, prompts = work_parts_ms(fitted.coefficients, table)
    nothing = np.zeros_like(tpot)
    drafting = nothing if fitted.drafted is None else fitted.drafted.correct(table, nothing, tpot_sd)[0]
    narrowing = {"ttft": fitted.ttft.narrowing(table), "tpot": fitted.tpot.narrowing(table)}
    return Times(
        tpot=tpot,
        ttft=ttft,
        ends={kind: band.ends(first if kind == "ttft" else per_token) for kind, band in fitted.bands.items()},
        step=step,
        prompts=prompts,
        drafting=drafting,
        narrowing={**narrowing, "throughput": narrowing["tpot"]},
    )


@cache
def most_gpus() -> int:
    """Return the number of GPUs of the largest instance type, since a copy of a model never spans instances."""
    return max(instance.gpu_count for instance in GpuInstance.all())


def _prepare(question: Question) -> tuple[Answer, Load | None]:
    model = question.facts.architecture
    memory = plan_memory(
        model,
        question.gpu,
        question.split,
        engine=question.engine,
        kv_dtype=question.kv_dtype,
        fraction=question.mem_fraction,
        options=question.options,
        speculation=question.speculation,
    )
    problems = split_problems(model, question.gpu, question.split, question.options)
    notes = [*question.notes, *format_notes(model, question.gpu, question.split, question.engine)]
    if question.engine == "sglang" and question.options.release_note:
        notes.append(question.options.release_note)
    length = question.input_tokens + question.output_tokens
    longest_tokens = max(length, question.context_len or 0.0)
    limit = model.max_position_embeddings
    if limit and longest_tokens > limit:
        notes.append(f"context {longest_tokens:g} is beyond the model's {limit}")
        if (question.context_len or question.input_tokens) > 2 * limit:
            problems.append(
                f"context {longest_tokens:g} is beyond the model's {limit}; shorten it, or set a rope scaling factor"
            )
    most = max(most_gpus(), question.instance_gpus)
    if question.split.gpus > most:
        problems.append(
            f"{question.split.gpus} GPUs are more than one instance has, and a copy never spans instances; use {most} at most: "
            "a smaller format, GPUs with more memory or pipeline stages inside one instance"
        )
        return Answer(fits=False, memory=memory, problems=tuple(problems), notes=tuple(notes)), None
    if not model.kv_known:
        return Answer(fits=False, memory=memory, problems=(question.facts.note,), notes=tuple(notes)), None
    short = memory.shortfall_gib(longest_tokens)
    if memory.cache_gib <= 0 or short > 0:
        missing = max(short, -memory.cache_gib)
        longest = (
            f" for a request of {longest_tokens:g} tokens" if question.context_len and memory.cache_gib > 0 else ""
        )
        problems.append(
            f"does not fit: {memory.weights_gib:.1f} GiB of weights on {memory.total_gib:.1f} GiB GPUs leave {memory.cache_gib:.1f} GiB "
            f"of cache ({memory.kv_tokens} tokens), {missing:.1f} GiB short per GPU{longest}; use more GPUs, a smaller format or a larger "
            f"mem_fraction than {memory.fraction:.3g}"
        )
    capacity = 0.0 if memory.shortfall_gib(length) else served_at_once(question, memory)
    running_limit = float(MAX_RUNNING[question.engine])
    if memory.running_limit is not None:
        running_limit = min(running_limit, float(memory.running_limit * question.split.attention_dp))
        if min(capacity, question.concurrency or 0.0) > running_limit:
            notes.append(_limit_note(question, memory, running_limit))
        capacity = min(capacity, running_limit)
    if question.concurrency is None:
        running = max(1.0, min(capacity or 1.0, running_limit))
        notes.append(f"concurrency assumed {running:.4g}, what the cache holds")
    else:
        running = min(question.concurrency, capacity) if capacity >= 1 else question.concurrency
        if running < question.concurrency:
            notes.append(f"cache holds {running:.4g} of {question.concurrency:g} requests; the rest waits")
    load = Load(
        input_tokens=question.input_tokens,
        output_tokens=question.output_tokens,
        running=max(1.0, running),
        arrivals=question.arrivals,
        mixed_tokens=mixed_tokens(question),
        encoder_tflop=question.encoder_tflop,
    )
    return Answer(fits=not problems, memory=memory, running=running, problems=tuple(problems), notes=tuple(notes)), load


def _limit_note(question: Question, memory: MemoryPlan, limit: float) -> str:
    """Return in words what limits the requests at once if the cache would hold more."""
    if memory.state is not None and memory.state.running == memory.running_limit:
        slots = f"{memory.state.slots} slots for recurrent state, {memory.state.per_request} per request"
        return f"SGLang serves {limit:g} requests at once ({slots})"
    speculates = question.options.max_running_requests is None and question.speculation is not None
    return f"{'with speculation ' if speculates else ''}SGLang serves {limit:g} requests at once (max_running_requests)"


def _timed(
    *,
    question: Question,
    base_answer: Answer,
    load: Load,
    fitted: Calibration,
    predicted: Times,
    position: int,
) -> Answer:
    tpot, ttft = float(predicted.tpot[position]), float(predicted.ttft[position])
    notes = list(base_answer.notes)
    steps, prompts = float(predicted.step[position]), float(predicted.prompts[position])
    if question.accept_len is not None:
        times = token_times(question, [load], fitted, accept_length=question.accept_len)
        learned = math.exp(float(predicted.drafting[position]))
        change = float(times.plain[0] / times.drafted[0]) / learned
        tpot /= change
        steps = float(times.cycle[0]) / question.accept_len
        low, high = (end / learned for end in speedup_range(question, load, fitted))
        notes.append(
            f"speculation: {faster_or_slower(low, high)}, {change:.2f}x of plain decoding ({low:.2f} to {high:.2f})"
        )
    waiting = waiting_ms(question, running=load.running, ttft_ms=ttft, tpot_ms=tpot)
    queued = Saturation() if question.concurrency else fitted.saturation.get(question.engine, Saturation())
    tpot *= queued.factor
    total_ms = ttft + max(0.0, question.output_tokens - 1) * tpot
    throughput = 1000 * load.running * question.output_tokens / total_ms / question.split.gpus

    def band(kind: str, middle: float) -> Band:
        low, high = (float(end[position]) for end in predicted.ends[kind])
        low, high = min(low, -queued.spread), max(high, queued.spread)
        centre = (
            fitted.bands[kind].centre * float(predicted.narrowing[kind][position]) ** 2
        )  # minimizes the mean relative error: by variance
        centre = min(max(centre, low), high)
        low, value, high = (significant(middle * math.exp(end)) for end in (low, centre, high))
        return Band(value=value, low=low, high=high)

    return Answer(
        fits=base_answer.fits,
        memory=base_answer.memory,
        running=base_answer.running,
        ttft_ms=band("ttft", ttft + waiting),
        tpot_ms=band("tpot", tpot),
        output_tok_s_per_gpu=band("throughput", throughput),
        prompt_share=significant(prompts / (prompts + steps)),
        problems=base_answer.problems,
        notes=tuple(notes),
    )
