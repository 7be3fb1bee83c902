"""Time to first token and tokens per second of an answer."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from cdk_sglang.client.speed import AnswerSpeed


def chunk(usage: int | None = None, **delta: Any) -> dict[str, Any]:
    counted = {} if usage is None else {"usage": {"completion_tokens": usage}}
    return {"choices": [{"delta": delta}] if delta else [], **counted}


def timed(*chunks: dict[str, Any]) -> AnswerSpeed:
    """An answer whose parts with text come a second apart."""
    seconds = itertools.count()
    speed = AnswerSpeed(now=lambda: float(next(seconds)))
    for one in chunks:
        speed.add(one)
    return speed


def test_the_first_token_is_no_role_and_the_rate_is_that_of_the_tokens_after_it() -> None:
    text = chunk(content="a")
    speed = timed(chunk(role="assistant", content=""), text, text, text, chunk(usage=9))
    assert (speed.ttft_seconds, speed.tokens, speed.tokens_per_second) == (1, 9, pytest.approx(4))
    assert str(speed) == "TTFT 1.00 s, 4.0 tokens/s, 9 tokens"


def test_reasoning_counts_and_so_do_parts_of_an_engine_without_usage() -> None:
    speed = timed(chunk(reasoning_content="hm"), chunk(content="yes"))
    assert str(speed) == "TTFT 1.00 s, 1.0 tokens/s, 2 tokens"


@pytest.mark.parametrize(
    ("chunks", "words"), [([], "no token"), ([chunk(content="a"), chunk(usage=1)], "TTFT 1.00 s, 1 token")]
)
def test_no_rate_is_said_of_one_token_or_none(chunks: list[dict[str, Any]], words: str) -> None:
    assert str(timed(*chunks)) == words
