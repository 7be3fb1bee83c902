"""Own measurements as calibration: held-out rows near them are predicted better and with narrower bands, and nothing far away changes."""

from __future__ import annotations

import io

import pytest

from cdk_sglang.cli.predict import predict_table
from cdk_sglang.planning import Answer, answer
from cdk_sglang.planning.measured import Measured, calibrated
from cdk_sglang.planning.rows import Question, read_question

SLOWER = 1.4


def asked(
    concurrency: int, *, model: str = "Qwen/Qwen3-8B", gpu: str = "L40S-48GB", version: str = "0.5.20", osl: int = 256
) -> Question:
    return read_question(
        {
            "model": model, "gpu": gpu, "n_gpus": "1", "tp": "1", "engine": "sglang", "engine_version": version,
            "isl": "1024", "osl": str(osl), "concurrency": str(concurrency),
        }
    )  # fmt: skip


def times(found: Answer) -> tuple[float, float]:
    assert found.ttft_ms is not None
    assert found.tpot_ms is not None
    return found.ttft_ms.value, found.tpot_ms.value


def width(found: Answer, kind: str) -> float:
    band = found.ttft_ms if kind == "ttft" else found.tpot_ms
    assert band is not None
    return band.high / band.low


def measured(*levels: int) -> list[Measured]:
    """A fleet that is slower than predicted by the same factor at every load."""
    found = answer([asked(level) for level in levels])
    return [
        Measured(question=asked(level), ttft_ms=SLOWER * times(one)[0], tpot_ms=SLOWER * times(one)[1])
        for level, one in zip(levels, found, strict=True)
    ]


@pytest.mark.parametrize("held_out", [2, 8, 16])
def test_a_held_out_load_is_predicted_better_and_with_narrower_bands(held_out: int) -> None:
    learned = calibrated([one for one in measured(1, 4, 12, 32) if one.question.concurrency != held_out])
    (before,), (after,) = answer([asked(held_out)]), answer([asked(held_out)], using=learned)
    for index, kind in enumerate(("ttft", "tpot")):
        actual = SLOWER * times(before)[index]
        assert abs(times(before)[index] / actual - 1) > 0.25
        assert abs(times(after)[index] / actual - 1) < 0.1
        assert width(after, kind) < width(before, kind)


def test_another_length_of_answers_near_by_follows_too() -> None:
    (before,), (after,) = answer([asked(8, osl=512)]), answer([asked(8, osl=512)], using=calibrated(measured(4, 16)))
    assert times(after)[1] / times(before)[1] == pytest.approx(SLOWER, rel=0.1)


@pytest.mark.parametrize(
    "far",
    [
        {"gpu": "H100-SXM-80GB"},
        {"gpu": "A100-SXM-80GB", "version": "0.5.10"},
        {"model": "meta-llama/Llama-3.2-1B-Instruct"},
    ],
)
def test_far_away_nothing_changes(far: dict[str, str]) -> None:
    learned = calibrated(measured(1, 4, 16))
    (before,), (after,) = answer([asked(8, **far)]), answer([asked(8, **far)], using=learned)
    for index, kind in enumerate(("ttft", "tpot")):
        assert times(after)[index] == pytest.approx(times(before)[index], rel=5e-3)
        assert width(after, kind) == pytest.approx(width(before, kind), rel=5e-3)


def test_without_measurements_the_calibration_is_that_of_the_package() -> None:
    (before,), (after,) = answer([asked(8)]), answer([asked(8)], using=calibrated([]))
    assert after == before


def test_a_table_is_predicted_with_what_was_learned() -> None:
    text = "model,gpu,n_gpus,tp,engine,engine_version,isl,osl,concurrency\nQwen/Qwen3-8B,L40S-48GB,1,1,sglang,0.5.20,1024,256,8\n"
    tables = []
    for using in (None, calibrated(measured(4, 16))):
        target = io.StringIO()
        predict_table(io.StringIO(text), target, using=using)
        tables.append(target.getvalue().splitlines()[1].split(","))
    before, after = (float(cells[8]) for cells in tables)
    assert after / before == pytest.approx(SLOWER, rel=0.1)
