"""Calibrates the planner with the user's own measurements: predictions for similar configurations follow them, all others stay unchanged."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cdk_sglang.planning.calibration import Calibration, calibration
from cdk_sglang.planning.predict import predict_times, prepare
from cdk_sglang.planning.queueing import waiting_ms
from cdk_sglang.planning.residual_model import OwnResiduals, ResidualModel
from cdk_sglang.planning.speculation import token_times

if TYPE_CHECKING:
    from cdk_sglang.planning.rows import Question
    from cdk_sglang.planning.timing import Column

OWN_NOISE: Final = 0.05
"""Standard deviation, as a logarithm, between runs of the same fleet on different days. An assumption until the history of a fleet shows otherwise."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A measured configuration under one load.

    Args:
        question: The configuration and the load.
        ttft_ms: Mean time to the first token; None if it was not measured.
        tpot_ms: Mean time per further token; None if it was not measured.
    """

    question: Question
    ttft_ms: float | None
    tpot_ms: float | None


def calibrated(measured: Sequence[Measured], *, base: Calibration | None = None) -> Calibration:
    """Return a calibration corrected by the user's own measurements.

    Rows with speculative decoding correct only predictions with it; rows without it correct all predictions.

    Args:
        measured: The measurements; without any, the calibration stays unchanged.
        base: Calibration to start from; the package's by default.
    """
    plain = _with_plain(measured, base or calibration())
    return _with_drafted(measured, plain)


def _with_plain(measured: Sequence[Measured], fitted: Calibration) -> Calibration:
    kept = [one for one in measured if one.question.accept_len is None]
    questions = [one.question for one in kept]
    _, timed, table = prepare(questions)
    if not timed:
        return fitted
    times = predict_times(fitted, table)
    residuals: dict[str, list[tuple[int, float]]] = {"ttft": [], "tpot": []}
    for position, (index, load) in enumerate(timed):
        ttft, tpot = float(times.ttft[position]), float(times.tpot[position])
        waiting = waiting_ms(questions[index], running=load.running, ttft_ms=ttft, tpot_ms=tpot)
        own = kept[index]
        if own.tpot_ms is not None and own.tpot_ms > 0:
            residuals["tpot"].append((position, math.log(own.tpot_ms / tpot)))
        if own.ttft_ms is not None and own.ttft_ms > waiting:
            residuals["ttft"].append((position, math.log((own.ttft_ms - waiting) / ttft)))
    return dataclasses.replace(
        fitted,
        ttft=_corrected(fitted.ttft, table, residuals["ttft"]),
        tpot=_corrected(fitted.tpot, table, residuals["tpot"]),
    )


def _with_drafted(measured: Sequence[Measured], fitted: Calibration) -> Calibration:
    kept = [one for one in measured if one.question.accept_len is not None and one.tpot_ms]
    questions = [one.question for one in kept]
    _, timed, table = prepare(questions)
    if not timed:
        return fitted
    times = predict_times(fitted, table)
    residuals = []
    for position, (index, load) in enumerate(timed):
        question, tpot_ms = questions[index], kept[index].tpot_ms
        assert question.accept_len is not None
        assert tpot_ms is not None
        found = token_times(question, [load], fitted, accept_length=question.accept_len)
        predicted = float(times.tpot[position]) * float(found.drafted[0] / found.plain[0])
        residuals.append(math.log(tpot_ms / predicted))
    left = np.array(residuals, dtype=np.float64)
    own = OwnResiduals.fitted(table, left, noise=OWN_NOISE, deviations=fitted.tpot.deviations)
    return dataclasses.replace(fitted, drafted=own)


def _corrected(model: ResidualModel, table: Mapping[str, Column], found: Sequence[tuple[int, float]]) -> ResidualModel:
    if not found:
        return model
    positions = [position for position, _ in found]
    rows = {name: values[positions] for name, values in table.items()}
    left = np.array([residual for _, residual in found], dtype=np.float64)
    own = OwnResiduals.fitted(rows, left, noise=OWN_NOISE, deviations=model.deviations)
    return dataclasses.replace(model, own=own)
