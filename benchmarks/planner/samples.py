"""Reads the measured rows and says which of them a calibration may learn from."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.planning.features import Load, columns, features, mixed_tokens
from cdk_sglang.planning.memory import plan_memory
from cdk_sglang.planning.predict import MAX_RUNNING, most_gpus
from cdk_sglang.planning.queueing import served_at_once
from cdk_sglang.planning.rows import INPUT_COLUMNS, Question, read_question

DATA = Path(__file__).parent / "data"


@dataclass(kw_only=True)
class Sample:
    """One measured row: the question it answers, what was measured (NaN where it was not), and why it is out of scope."""

    row: dict[str, str]
    question: Question
    features: dict[str, float] = field(repr=False)
    ttft_ms: float
    tpot_ms: float
    output_tok_s_per_gpu: float
    combination: str
    cell: str
    outside: str = ""


def measured_rows() -> list[dict[str, str]]:
    """Return every row, low-trust ones included."""
    with (DATA / "throughput.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def question_of(row: dict[str, str]) -> Question:
    """Return the question a measured row answers."""
    return read_question({name: row.get(name, "") for name in INPUT_COLUMNS})


def closed_loop_samples(*, trusted: bool = True) -> list[Sample]:
    """Return rows with a known number of requests in flight, without speculation or adapters.

    Args:
        trusted: Leave out rows marked as of low trust.
    """
    samples = []
    for row in measured_rows():
        if trusted and row["split"] != "calibration":
            continue
        speculative = row["spec_decode"] not in {"none", "none recorded", "none stated", ""}
        if (
            speculative
            or "LoRA" in row["model"]
            or row["request_rate"] not in {"", "inf"}
            or not row["isl"]
            or not row["osl"]
        ):
            continue
        try:
            question = question_of(row)
        except ConfigurationError:
            continue
        if question.concurrency is None or not question.facts.architecture.kv_known:
            continue
        samples.append(_sample(row, question))
    _mark_outside(samples)
    return samples


def saturated_samples() -> list[Sample]:
    """Return offline rows: every request queued at once."""
    samples = []
    for row in measured_rows():
        queued = row["concurrency"].startswith("max") or "all prompts" in row["quality_flag"]
        if row["split"] != "calibration" or not queued or not row["isl"] or not row["osl"]:
            continue
        try:
            question = question_of({**row, "concurrency": ""})
        except ConfigurationError:
            continue
        samples.append(_sample(row, question))
    return samples


COPY, NODES = "numbers of another row", "more GPUs than one instance has"


def _mark_outside(samples: list[Sample]) -> None:
    """Mark rows that tell nothing of a planner's accuracy, by rules that know no model and no source.

    A copy of a model never spans instances, and every figure of one row being that of another under a different model's
    name is one measurement printed twice: the second says nothing of its model. It is left out together with the first.
    """
    first_by_figures: dict[tuple[str, ...], Sample] = {}
    for sample in samples:
        if sample.question.split.gpus > most_gpus():
            sample.outside = NODES
        figures = tuple(sample.row[name] for name in _FIGURES)
        first = first_by_figures.setdefault(figures, sample)
        if first.question.facts.id != sample.question.facts.id:
            sample.outside, sample.combination = COPY, first.combination


_FIGURES = (
    "gpu",
    "n_gpus",
    "engine",
    "isl",
    "osl",
    "concurrency",
    "ttft_ms",
    "tpot_ms",
    "output_tok_s",
    "output_tok_s_per_gpu",
)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _sample(row: dict[str, str], question: Question) -> Sample:
    model = question.facts.architecture
    memory = plan_memory(
        model,
        question.gpu,
        question.split,
        engine=question.engine,
        kv_dtype=question.kv_dtype,
        fraction=question.mem_fraction,
        options=question.options,
    )
    capacity = served_at_once(question, memory)
    concurrency = question.concurrency or MAX_RUNNING[question.engine]
    running = (
        min(concurrency, capacity) if capacity >= 1 else concurrency
    )  # it was measured, so at least one was served
    load = Load(
        input_tokens=question.input_tokens,
        output_tokens=question.output_tokens,
        running=max(1.0, running),
        arrivals=question.arrivals,
        mixed_tokens=mixed_tokens(question),
    )
    queued = "all prompts" in row["quality_flag"]
    per_gpu = _number(row["output_tok_s_per_gpu"])
    if np.isnan(per_gpu):
        per_gpu = _number(row["output_tok_s"]) / question.split.gpus
    name = question.facts.id.split("/")[-1].removesuffix("-FP8").removesuffix("-NVFP4").removesuffix("-0528")
    return Sample(
        row=row,
        question=question,
        features=features(
            model,
            question.gpu,
            question.split,
            load,
            engine=question.engine,
            kv_dtype=question.kv_dtype,
            engine_version=question.engine_version,
        ),
        ttft_ms=float("nan") if queued else _number(row["ttft_ms"]),
        tpot_ms=float("nan") if queued else _number(row["tpot_ms"]),
        output_tok_s_per_gpu=per_gpu,
        combination=f"{name} on {question.gpu.name}",
        cell=f"{question.facts.id}|{question.gpu.name}|{question.engine}|{model.quantization.method}",
    )


def table(samples: list[Sample]) -> dict[str, np.ndarray]:
    """Return the features of samples as columns."""
    return columns([sample.features for sample in samples])
