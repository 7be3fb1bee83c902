"""How many requests are served at once."""

from __future__ import annotations

import pytest

from cdk_sglang.planning.memory import MemoryPlan, plan_memory
from cdk_sglang.planning.queueing import served_at_once, waiting_ms
from cdk_sglang.planning.rows import Question, read_question

ROW = {
    "model": "meta-llama/Llama-3.1-8B-Instruct", "gpu": "L4-24GB", "tp": "1", "isl": "1000", "osl": "1000",
    "concurrency": "64", "engine": "sglang", "kv_dtype": "bf16", "mem_fraction": "0.88",
}  # fmt: skip


def served(**cells: str) -> float:
    """Return the requests served at once of `ROW` with some cells changed."""
    question = read_question({**ROW, **cells})
    return served_at_once(question, _memory(question))


def _memory(question: Question) -> MemoryPlan:
    return plan_memory(
        question.facts.architecture,
        question.gpu,
        question.split,
        engine=question.engine,
        kv_dtype=question.kv_dtype,
        fraction=question.mem_fraction,
    )


def test_answers_at_all_stages_share_the_cache_unless_the_engine_keeps_room_for_whole_ones() -> None:
    tokens = _memory(read_question(ROW)).kv_tokens
    assert served() == pytest.approx(tokens / 1500, abs=1)
    whole = read_question({**ROW, "engine": "trtllm"})
    assert served(engine="trtllm") == pytest.approx(_memory(whole).kv_tokens / 2000, abs=1)


def test_a_request_longer_than_the_cache_is_not_served() -> None:
    assert served(isl="60000", osl="60000") == 0


def test_an_unknown_cache_format_beside_quantized_weights_makes_nobody_wait_who_might_not() -> None:
    fp8 = {"model": "meta-llama/Llama-3.1-8B-Instruct", "weights_dtype": "fp8"}
    assert served(**fp8, kv_dtype="") == pytest.approx(served(**fp8, kv_dtype="fp8"), abs=1)
    assert served(**fp8) < served(**fp8, kv_dtype="")
    assert served(kv_dtype="") == served()


def test_the_wait_is_what_little_says() -> None:
    question = read_question(ROW)
    assert waiting_ms(question, running=16, ttft_ms=500, tpot_ms=20) == pytest.approx(3 * (500 + 1000 * 20))
    assert waiting_ms(question, running=64, ttft_ms=500, tpot_ms=20) == 0
