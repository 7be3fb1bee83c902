"""What a person knows of model and callers: asked at a terminal, given as options, checked once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import typer

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.spec.load import EXPECTED_INPUT_TOKENS, EXPECTED_OUTPUT_TOKENS

SECONDS_PER_USER: Final = 60.0
"""A user at work is taken to ask once a minute; who knows better gives the requests per second."""
_CONTEXT_FACTOR: Final = 4
"""The longest request is taken to be so many times the mean one."""
_CONTEXT_STEP: Final = 1024
_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TOKENS_MAX: Final = 10_000_000
_RATE_MAX: Final = 10_000.0
_Value = TypeVar("_Value")


@dataclass(kw_only=True)
class Answers:
    """The options as they were given; None for what was not.

    Args:
        env: Name of the environment.
        model: Id of the model.
        requests_per_second: Requests that arrive per second in the busiest hour.
        users: Users at work in the busiest hour, instead of the requests.
        input_tokens: Mean tokens of a prompt.
        output_tokens: Mean tokens of an answer.
        context_length: Tokens of the longest request, answer included.
        ttft_ms: Longest mean time to the first token.
        tpot_ms: Longest mean time per further token.
        budget: US dollars that the busiest hour may cost.
        to_zero: Whether the last copy may go when nobody asks.
        hours: Hours with callers, "HH:MM-HH:MM"; copies go to zero in the others.
        days: Days with these hours.
        time_zone: Time zone of the hours.
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
    def day_list(self) -> tuple[str, ...]:
        """The days of the hours, Monday to Friday if unspecified."""
        first, _, last = (self.days or "mon-fri").partition("-")
        start, end = DAYS.index(first), DAYS.index(last or first)
        return tuple(DAYS[(start + step) % 7] for step in range((end - start) % 7 + 1))


def ask_for_rest(answers: Answers) -> None:
    """Ask at the terminal for what no option says; an empty answer takes what is in brackets."""
    if answers.model is None:
        answers.model = _ask("Model, by its Hugging Face id", "Qwen/Qwen3-8B", str)
    if answers.env is None:
        answers.env = _ask("Name of the environment", "dev2", str)
    if answers.requests_per_second is None and answers.users is None:
        answers.users = _ask("Users at work in the busiest hour (each asks once a minute)", 60, int)
    if answers.input_tokens is None:
        answers.input_tokens = _ask("Tokens of a mean prompt", EXPECTED_INPUT_TOKENS, int)
    if answers.output_tokens is None:
        answers.output_tokens = _ask("Tokens of a mean answer", EXPECTED_OUTPUT_TOKENS, int)
    if answers.ttft_ms is None:
        answers.ttft_ms = _ask("Milliseconds to the first token, at most; 0 for any", 0, int) or None
    if answers.tpot_ms is None:
        answers.tpot_ms = _ask("Milliseconds per further token, at most; 0 for any", 0, int) or None
    if answers.budget is None:
        answers.budget = _ask("Dollars per hour, at most; 0 for any", 0, int) or None
    if answers.to_zero is None and answers.hours is None:
        answers.to_zero = typer.confirm(
            "May the last copy go when nobody asks (the next caller waits minutes)?", default=False, err=True
        )


def _ask(text: str, default: _Value, kind: Callable[[Any], _Value]) -> _Value:
    value: _Value = typer.prompt(text, default=default, type=kind, err=True)
    return value


def check(answers: Answers) -> None:
    """Refuse answers that are missing or out of range.

    Raises:
        ConfigurationError: One problem per option.
    """
    problems = []
    for option, value in (("--env", answers.env), ("--model", answers.model)):
        if not value:
            problems.append(Problem(option, "is missing, and there is no terminal to ask at; give it"))
    if answers.requests_per_second is None and answers.users is None:
        problems.append(
            Problem("--users", "is missing, and there is no terminal to ask at; give it, or --requests-per-second")
        )
    elif answers.requests_per_second is not None and answers.users is not None:
        problems.append(Problem("--users", "and --requests-per-second say the same; give one of them"))
    elif not 0 < answers.rate <= _RATE_MAX:
        option = "--users" if answers.users is not None else "--requests-per-second"
        problems.append(
            Problem(option, f"{answers.rate:g} requests per second are out of range; use more than 0 to 10,000")
        )
    for option, number, most in (
        ("--input-tokens", answers.input, _TOKENS_MAX),
        ("--output-tokens", answers.output, _TOKENS_MAX),
        ("--context-length", answers.context_length, _TOKENS_MAX),
        ("--ttft-ms", answers.ttft_ms, 600_000),
        ("--tpot-ms", answers.tpot_ms, 60_000),
        ("--budget", answers.budget, 1_000_000),
    ):
        if number is not None and not 0 < number <= most:
            problems.append(Problem(option, f"{number:g} is out of range; use more than 0 to {most:,}"))
    shortest = answers.input + answers.output
    if answers.context_length is not None and answers.context_length < shortest:
        problems.append(
            Problem(
                "--context-length",
                f"{answers.context_length} is below a mean request of {shortest:,.0f} tokens; give more",
            )
        )
    if answers.hours is not None and not _HOURS.fullmatch(answers.hours):
        problems.append(Problem("--hours", f"{answers.hours!r} is no stretch of a day; use for example 07:30-19:00"))
    if answers.hours is not None and answers.to_zero is False:
        problems.append(
            Problem("--hours", "copies go to zero outside the hours, which --no-to-zero forbids; leave one out")
        )
    if answers.days is not None:
        problems += _day_problems(answers)
    raise_if_any(problems)


def _day_problems(answers: Answers) -> list[Problem]:
    if answers.hours is None:
        return [Problem("--days", "says when --hours holds; give both")]
    try:
        assert answers.day_list
    except ValueError:
        return [Problem("--days", f"{answers.days!r} are no days; use for example mon-fri, or sat")]
    return []
