"""Answers that are missing, out of range, or that contradict each other: one problem per option."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from cdk_sglang.checks import raise_if_any
from cdk_sglang.cli.init.answers import Answers
from cdk_sglang.errors import Problem
from cdk_sglang.spec.model import hub_problems

_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_TOKENS_MAX: Final = 10_000_000
_RATE_MAX: Final = 10_000.0
_ADAPTERS_MAX: Final = 1000
_RANK_MAX: Final = 512


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
        ("--adapters", answers.adapters, _ADAPTERS_MAX),
        ("--adapter-rank", answers.adapter_rank, _RANK_MAX),
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
        problems.append(
            Problem("--hours", f"{answers.hours!r} is not a period of the day; use for example 07:30-19:00")
        )
    if answers.hours is not None and answers.to_zero is False:
        problems.append(
            Problem("--hours", "copies go to zero outside the hours, which --no-to-zero forbids; leave one out")
        )
    if answers.days is not None:
        problems += _day_problems(answers)
    raise_if_any([*problems, *_weight_problems(answers), *_instance_problems(answers)])


def _day_problems(answers: Answers) -> list[Problem]:
    if answers.hours is None:
        return [Problem("--days", "says when --hours holds; give both")]
    try:
        assert answers.day_list
    except ValueError:
        return [Problem("--days", f"{answers.days!r} is not a list of days; use for example mon-fri, or sat")]
    return []


def _weight_problems(answers: Answers) -> Iterator[Problem]:
    if answers.revision is not None and answers.model:
        for problem in hub_problems(answers.model, answers.revision):
            yield Problem("--revision" if problem.path == "revision" else "--model", problem.text)
    if answers.token_secret is not None and answers.revision is None:
        yield Problem("--token-secret", "is for the copy from Hugging Face; give its --revision too")
    if answers.adapter_rank is not None and answers.adapters is None:
        yield Problem("--adapter-rank", "is that of --adapters; give both")


def _instance_problems(answers: Answers) -> Iterator[Problem]:
    named = {"--instance": answers.instance, "--count": answers.count, "--until": answers.until}
    if answers.training_plan is None:
        for option in ("--count", "--until"):
            if named[option] is not None:
                yield Problem(option, "is that of --training-plan; give both")
        return
    missing = [option for option, value in named.items() if value is None]
    if missing:
        yield Problem("--training-plan", f"comes with its instance type, count and last day; give {', '.join(missing)}")
    if answers.pool:
        yield Problem("--pool", "a training plan has one instance type; leave out --pool or --training-plan")
    if answers.budget is not None:
        yield Problem(
            "--budget",
            "a training plan is paid up front, whatever an hour costs; leave out --budget or --training-plan",
        )
