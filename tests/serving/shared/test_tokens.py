"""What is known only at deployment."""

from __future__ import annotations

import aws_cdk as cdk
import pytest

from cdk_sglang.serving.shared.tokens import is_token, token_problem


def test_finds_tokens_in_texts_numbers_and_values(stack: cdk.Stack) -> None:
    parameter = cdk.CfnParameter(stack, "Count", type="Number")
    assert is_token(parameter.value_as_number)
    assert is_token(f"a-{stack.stack_id}-b")
    assert is_token(parameter.value)


@pytest.mark.parametrize("value", ["", "plain", "${Token[TOKEN", "{Token[", -1, 0, -1.5, float("nan"), -1e300, 10**30])
def test_what_only_looks_like_a_token_is_none(value: object) -> None:
    assert not is_token(value)


def test_the_line_says_what_to_give() -> None:
    assert token_problem("copies", "a number") == "copies: must be known at synth, got a token; give a number"
