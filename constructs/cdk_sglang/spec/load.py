"""The requests that callers are expected to send."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, get_args

from pydantic import Field

from cdk_sglang.validation import Spec

EXPECTED_INPUT_TOKENS: Final = 1024
EXPECTED_OUTPUT_TOKENS: Final = 256
"""Mean prompt and answer if unspecified: the planner's own assumption."""

Arrivals = Literal["independent", "lockstep"]
ARRIVALS: Final[tuple[str, ...]] = get_args(Arrivals)
"""How requests come: each in its own time, as users' do, or all at once with equal lengths, as a benchmark's, so that they move in step."""

Tokens = Annotated[float, Field(gt=0, le=10_000_000)]


class Load(Spec):
    """Requests that callers are expected to send; the plan and the scaling target follow from them."""

    _noun: ClassVar[str] = "load"

    input_tokens: Tokens = EXPECTED_INPUT_TOKENS
    """Mean number of tokens in a prompt."""
    output_tokens: Tokens = EXPECTED_OUTPUT_TOKENS
    """Mean number of tokens in an answer."""
    arrivals: Arrivals = "independent"
    """How requests come: each in its own time, or all at once and of equal length, as in many benchmarks."""
