"""What a person knows about model and callers: asked for at a terminal, or given as options."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import typer

from cdk_sglang.spec.load import EXPECTED_INPUT_TOKENS, EXPECTED_OUTPUT_TOKENS

SECONDS_PER_USER: Final = 60.0
"""Assumed requests of an active user: one a minute; if you know better, give the requests per second."""
_CONTEXT_FACTOR: Final = 4
"""The longest request is assumed to be this many times the mean one."""
_CONTEXT_STEP: Final = 1024
DEFAULT_REGION: Final = "us-east-1"
_ALL_HOURS: Final = "-"
_SLOTS: Final = 8
"""SGLang's own max_loras_per_batch (0.5.23)."""
_RANK: Final = 16
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_Value = TypeVar("_Value")


@dataclass(kw_only=True)
class Answers:
    """The options as they were given; None for what was not.

    Args:
        env: Name of the environment.
        model: Id of the model.
        requests_per_second: Requests that arrive per second in the busiest hour.
        users: Active users in the busiest hour, instead of the requests.
        input_tokens: Mean tokens of a prompt.
        output_tokens: Mean tokens of an answer.
        context_length: Tokens of the longest request, answer included.
        ttft_ms: Longest mean time to the first token.
        tpot_ms: Longest mean time per further token.
        budget: US dollars that the busiest hour may cost.
        to_zero: Whether the last copy may be removed when there are no requests.
        hours: Hours with callers, "HH:MM-HH:MM"; copies go to zero in the others.
        days: Days with these hours.
        time_zone: Time zone of the hours.
        region: Region of the fleet.
        revision: Commit of the model on Hugging Face that the first deployment copies; None for files that the user uploads.
        token_secret: Secret with a token for that copy.
        instance: The only instance type to propose.
        pool: Whether further instance types are used when the first has no capacity.
        training_plan: ARN of a training plan whose instances are used.
        count: Instances of the plan.
        until: Day that the plan must last to, "2027-03-01".
        adapters: LoRA adapters that callers choose among; None if there are none.
        adapter_rank: Largest rank of an adapter.
    """

    env: str | None = None
    model: str | None = None
    requests_per_second: float | None = None
    users: int | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    context_length: int | None = None
    ttft_ms: float | None = None
    tpot_ms: float | None = None
    budget: float | None = None
    to_zero: bool | None = None
    hours: str | None = None
    days: str | None = None
    time_zone: str = "UTC"
    region: str | None = None
    revision: str | None = None
    token_secret: str | None = None
    instance: str | None = None
    pool: bool = False
    training_plan: str | None = None
    count: int | None = None
    until: str | None = None
    adapters: int | None = None
    adapter_rank: int | None = None

    @property
    def rate(self) -> float:
        """Requests per second in the busiest hour."""
        if self.requests_per_second is not None:
            return self.requests_per_second
        return (self.users or 0) / SECONDS_PER_USER

    @property
    def input(self) -> float:
        """Mean tokens of a prompt."""
        return EXPECTED_INPUT_TOKENS if self.input_tokens is None else self.input_tokens

    @property
    def output(self) -> float:
        """Mean tokens of an answer."""
        return EXPECTED_OUTPUT_TOKENS if self.output_tokens is None else self.output_tokens

    def context(self, limit: int | None) -> int:
        """Tokens of the longest request: as given, else four times the mean one, in steps of 1,024, within the model's limit."""
        if self.context_length is not None:
            return self.context_length
        length = math.ceil(_CONTEXT_FACTOR * (self.input + self.output) / _CONTEXT_STEP) * _CONTEXT_STEP
        return length if limit is None else min(length, limit)

    @property
    def adapter_slots(self) -> int:
        """Adapters in one running batch, the base model counted as one; 0 without adapters."""
        return 0 if self.adapters is None else min(self.adapters + 1, _SLOTS)

    @property
    def rank(self) -> int:
        """Largest rank of an adapter."""
        return _RANK if self.adapter_rank is None else self.adapter_rank

    @property
    def day_list(self) -> tuple[str, ...]:
        """The days of the hours, Monday to Friday if unspecified."""
        first, _, last = (self.days or "mon-fri").partition("-")
        start, end = DAYS.index(first), DAYS.index(last or first)
        return tuple(DAYS[(start + step) % 7] for step in range((end - start) % 7 + 1))


def ask_for_rest(answers: Answers) -> None:
    """Ask at the terminal for what no option says; an empty answer takes the value in brackets."""
    if answers.model is None:
        answers.model = _ask("Model, by its Hugging Face id", "Qwen/Qwen3-8B", str)
    if answers.env is None:
        answers.env = _ask("Name of the environment", "dev2", str)
    if answers.requests_per_second is None and answers.users is None:
        answers.users = _ask("Active users in the busiest hour (each sends one request a minute)", 60, int)
    if answers.input_tokens is None:
        answers.input_tokens = _ask("Mean tokens of a prompt", EXPECTED_INPUT_TOKENS, int)
    if answers.output_tokens is None:
        answers.output_tokens = _ask("Mean tokens of an answer", EXPECTED_OUTPUT_TOKENS, int)
    if answers.ttft_ms is None:
        answers.ttft_ms = _ask("Milliseconds to the first token, at most; 0 for any", 0, int) or None
    if answers.tpot_ms is None:
        answers.tpot_ms = _ask("Milliseconds per further token, at most; 0 for any", 0, int) or None
    if answers.budget is None:
        answers.budget = _ask("Dollars per hour, at most; 0 for any", 0, int) or None
    if answers.region is None:
        answers.region = _ask("Region", DEFAULT_REGION, str)
    if answers.hours is None and answers.to_zero is None:
        hours = _ask("Hours with callers from Monday to Friday, such as 07:30-19:00; - for all", _ALL_HOURS, str)
        if hours != _ALL_HOURS:
            answers.hours, answers.time_zone = hours, _ask("Time zone of the hours", answers.time_zone, str)
    if answers.to_zero is None and answers.hours is None:
        answers.to_zero = typer.confirm(
            "Remove the last copy when there are no requests (the next caller waits minutes)?", default=False, err=True
        )


def _ask(text: str, default: _Value, kind: Callable[[Any], _Value]) -> _Value:
    value: _Value = typer.prompt(text, default=default, type=kind, err=True)
    return value
