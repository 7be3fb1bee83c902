"""The requests that callers are expected to send."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from pydantic import Field

from cdk_sglang.validation import Spec

EXPECTED_INPUT_TOKENS: Final = 1024
EXPECTED_OUTPUT_TOKENS: Final = 256
"""Mean prompt and answer if unspecified: the planner's own assumption."""

Tokens = Annotated[float, Field(gt=0, le=10_000_000)]


class Load(Spec):
    """Requests that callers are expected to send; the plan and the scaling target follow from them."""

    _noun: ClassVar[str] = "load"

    input_tokens: Tokens = EXPECTED_INPUT_TOKENS
    """Mean number of tokens in a prompt."""
    output_tokens: Tokens = EXPECTED_OUTPUT_TOKENS
    """Mean number of tokens in an answer."""
