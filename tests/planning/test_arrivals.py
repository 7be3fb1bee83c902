"""How requests come, and what that does to the wait for the first token and the time between tokens."""

from __future__ import annotations

import pytest

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.planning.calibration import calibration
from cdk_sglang.planning.features import columns, question_features
from cdk_sglang.planning.predict import answer, prepare
from cdk_sglang.planning.rows import read_question
from cdk_sglang.planning.timing import as_unknown, moved_by_arrivals, step_parts_ms, times_ms

ROW = {
    "model": "Qwen/Qwen3-32B", "gpu": "H100-SXM-80GB", "tp": "2", "engine": "sglang", "isl": "4000", "osl": "256", "concurrency": "32",
}  # fmt: skip


def test_prompts_of_others_are_waited_for_once_before_the_first_token_or_between_tokens() -> None:
    questions = [read_question({**ROW, "arrivals": arrivals}) for arrivals in ("", "independent", "lockstep")]
    _, timed, table = prepare(questions)
    assert len(timed) == 3
    per_token, first = times_ms(calibration().coefficients, table)
    whole = first + table["osl"] * per_token
    assert whole[1] == pytest.approx(whole[0], rel=1e-6)
    assert whole[2] == pytest.approx(whole[0], rel=1e-6)
    step, mixed = step_parts_ms(calibration().coefficients, table)
    assert per_token[2] == pytest.approx(step[2] + 0.5 * mixed[2])
    assert per_token[1] == pytest.approx(step[1] + 0.95 * mixed[1])


def test_requests_in_step_wait_longer_for_the_first_token_and_less_between_tokens() -> None:
    independent, lockstep = answer([read_question({**ROW, "arrivals": one}) for one in ("independent", "lockstep")])
    assert independent.ttft_ms is not None
    assert independent.tpot_ms is not None
    assert lockstep.ttft_ms is not None
    assert lockstep.tpot_ms is not None
    assert lockstep.ttft_ms.value > 1.5 * independent.ttft_ms.value
    assert lockstep.tpot_ms.value < independent.tpot_ms.value
    assert independent.output_tok_s_per_gpu is not None
    assert lockstep.output_tok_s_per_gpu is not None
    assert lockstep.output_tok_s_per_gpu.value == pytest.approx(independent.output_tok_s_per_gpu.value, rel=0.1)


def test_a_mean_length_that_is_no_whole_number_says_that_requests_are_independent() -> None:
    mixed = read_question({**ROW, "isl": "4000.5"})
    assert mixed.arrivals == "independent"
    assert any("arrivals assumed independent" in note for note in mixed.notes)
    for row in ({**ROW, "isl": "4000.0"}, {**ROW, "isl": ""}):
        assert read_question(row).arrivals == ""
    question = read_question({**ROW, "osl": "256.5", "arrivals": "lockstep"})
    assert question.arrivals == "lockstep"
    assert not any("arrivals" in note for note in question.notes)


def test_what_is_known_of_arrivals_moves_time_and_leaves_the_sum() -> None:
    questions = [read_question({**ROW, "arrivals": arrivals}) for arrivals in ("", "independent", "lockstep")]
    _, _, table = prepare(questions)
    coefficients = calibration().coefficients
    tpot, ttft = (1.3 * time for time in times_ms(coefficients, as_unknown(table)))
    moved_tpot, moved_ttft = moved_by_arrivals(coefficients, table, tpot=tpot, ttft=ttft)
    assert moved_ttft + table["osl"] * moved_tpot == pytest.approx(ttft + table["osl"] * tpot)
    assert moved_tpot[0] == pytest.approx(tpot[0])
    assert moved_tpot[1] > tpot[1]
    assert moved_tpot[2] < tpot[2]
    assert (moved_ttft > 0).all()


def test_unknown_arrivals_are_refused_with_what_is_allowed() -> None:
    with pytest.raises(
        ConfigurationError, match="arrivals: unknown 'poisson'; use independent or lockstep, or leave it empty"
    ):
        read_question({**ROW, "arrivals": "poisson"})


@pytest.mark.parametrize(
    ("gpu", "chunk_option", "chunk"),
    [
        ("L4-24GB", "", 4096),
        ("H100-SXM-80GB", "", 8192),
        ("B200-SXM-180GB", "", 16384),
        ("B200-SXM-180GB", "2048", 2048),
    ],
)
def test_a_step_mixes_in_as_many_prompt_tokens_as_the_gpu_takes(gpu: str, chunk_option: str, chunk: int) -> None:
    question = read_question(
        {**ROW, "model": "Qwen/Qwen3-0.6B", "gpu": gpu, "tp": "1", "chunked_prefill_size": chunk_option}
    )
    _, timed, table = prepare([question])
    assert timed[0][1].mixed_tokens == chunk
    assert table["mixed_tokens"][0] == chunk
    assert columns([question_features(question, timed[0][1])])["mixed_tokens"][0] == chunk


def prompt_ms(**cells: str) -> float:
    """Time that one prompt takes between the steps of SGLang."""
    _, _, table = prepare([read_question({**ROW, **cells})])
    _, mixed = step_parts_ms(calibration().coefficients, table)
    return float(mixed[0] * table["osl"][0] / (table["running"][0] - 1))


def test_prompts_that_arrive_while_others_are_computed_are_launched_together() -> None:
    calm, busy = (prompt_ms(isl="256", osl="64", concurrency=one) for one in ("2", "64"))
    assert busy < 0.8 * calm
    assert prompt_ms(isl="256", osl="64", concurrency="64", engine="vllm") == pytest.approx(
        prompt_ms(isl="256", osl="64", concurrency="2", engine="vllm")
    )


def test_a_prompt_beyond_a_chunk_is_launched_several_times() -> None:
    whole, in_chunks = (prompt_ms(isl="8192", concurrency="2", chunked_prefill_size=one) for one in ("8192", "1024"))
    assert in_chunks > 1.2 * whole
