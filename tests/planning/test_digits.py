"""Figures of a plan are the same on every processor: numpy's last digits are not."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from cdk_sglang.planning import predict
from cdk_sglang.planning.digits import significant
from cdk_sglang.planning.rows import read_question

_ROW = {"model": "Qwen/Qwen3-32B", "engine": "sglang", "isl": "4000", "osl": "256"}
_ROWS = [
    {**_ROW, "gpu": gpu, "tp": tp, "concurrency": concurrency}
    for gpu in ("H100-SXM-80GB", "L40S-48GB")
    for tp in ("2", "4")
    for concurrency in ("1", "8", "32", "")
]


def _as_on_another_processor(value: Any) -> Any:
    """Move each array by a few units of its last place, as another vector instruction does."""
    if isinstance(value, np.ndarray):
        return value * (1 + 4 * np.finfo(float).eps)
    if isinstance(value, dict):
        return {key: _as_on_another_processor(part) for key, part in value.items()}
    return tuple(_as_on_another_processor(part) for part in value) if isinstance(value, tuple) else value


def test_an_answer_is_the_same_on_another_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    questions = [read_question(row) for row in _ROWS]
    here = predict.answer(questions)
    predict_times = predict.predict_times

    def elsewhere(*arguments: Any) -> predict.Times:
        times = predict_times(*arguments)
        moved = {
            field.name: _as_on_another_processor(getattr(times, field.name)) for field in dataclasses.fields(times)
        }
        assert moved["tpot"][0] != times.tpot[0]
        return dataclasses.replace(times, **moved)

    monkeypatch.setattr(predict, "predict_times", elsewhere)
    assert [one.ttft_ms is not None for one in here] == [True] * len(here)
    assert predict.answer(questions) == here


@pytest.mark.parametrize(
    ("value", "kept"), [(0.22297904842237254, 0.222979), (123456.7, 123457.0), (0.0, 0.0), (2.0, 2.0)]
)
def test_six_digits_are_kept(value: float, kept: float) -> None:
    assert significant(value) == kept
