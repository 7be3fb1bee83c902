"""Outcome of a repeat, and whether its figures count: those of a partial, throttled or failing repeat say nothing about the component."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from cdk_sglang.benchmarking.aiperf.process import INTERRUPTED, Ended
from cdk_sglang.benchmarking.result import Figures, Measurement, Outcome
from cdk_sglang.spec.workload import MAX_ERROR_RATE

Found = tuple[Outcome, str]
"""An outcome, and its reason in words."""
THROTTLED_SHARE: Final = 0.01
"""Share of throttled requests above which a step measures SageMaker's quota instead of the model."""
OF_ONE_LOAD: Final = (Outcome.TOO_MANY_ERRORS, Outcome.NO_SUCCESSES)
"""Outcomes that say nothing of lower loads."""
_THROTTLES: Final = ("429", "Throttl", "TooManyRequests", "RequestLimitExceeded")
_KINDS_SHOWN: Final = 3
PARTIAL: Final = "partial"
THROTTLED: Final = "throttled"
FAILING: Final = "failing"
"""Reasons for which a repeat's figures do not count: it was cut short, SageMaker throttled it, or too many of its requests failed."""


def outcome_of(
    figures: Figures, ended: Ended, has_ended: Callable[[], str | None], *, load: str, max_error_rate: float
) -> Found | None:
    """Return the outcome of an abnormal repeat; a reason that explains others comes first. None for a normal repeat.

    Args:
        figures: What was measured.
        ended: How the tool ended.
        has_ended: Returns in words that endpoint or component are gone; None while they serve.
        load: The load in words.
        max_error_rate: Share of failed requests above which the figures do not count.
    """
    if ended.reason is not None:
        outcome = Outcome.INTERRUPTED if ended.reason == INTERRUPTED else Outcome.CEILING_REACHED
        outcome = Outcome.TOOL_FAILED if ended.hung else outcome
        return outcome, f"{ended.reason}; what was measured until then is kept and marked as partial"
    total = figures.requests + figures.failed
    if total == 0:
        return Outcome.TOOL_FAILED, f"AIPerf ended with exit code {ended.code} and no request; it wrote:\n{ended.log}"
    gone = has_ended() if figures.failed else None
    if gone is not None:
        return Outcome.ENDPOINT_ENDED, f"{gone}: {figures.failed} of {total} requests failed"
    throttled = _throttled(figures)
    if throttled > THROTTLED_SHARE * total:
        advice = "raise the account's quota of InvokeEndpoint, or lower the load"
        return Outcome.THROTTLED, f"{throttled} of {total} requests were throttled; {advice}"
    return _failing(figures, load=load, max_error_rate=max_error_rate)


def _failing(figures: Figures, *, load: str, max_error_rate: float) -> Found | None:
    """Return why failed requests invalidate the figures of a repeat; None if the figures count."""
    total = figures.requests + figures.failed
    if figures.requests == 0:
        return Outcome.NO_SUCCESSES, f"no request of {total} was answered: {error_words(figures.errors)}"
    if error_rate(figures) > max_error_rate:
        text = (
            f"{figures.failed} of {total} requests failed at {load} ({error_rate(figures):.1%}; max_error_rate is {max_error_rate:.1%}): "
            f"{error_words(figures.errors)}; its figures do not count, and neither it nor higher loads are measured again"
        )
        return Outcome.TOO_MANY_ERRORS, text
    return None


def error_rate(figures: Figures) -> float:
    """Return the share of requests that failed; 0 without requests."""
    total = figures.requests + figures.failed
    return figures.failed / total if total else 0.0


def error_words(errors: Mapping[str, int]) -> str:
    """Return the most common kinds of errors, such as "4 x 500 InternalServerError, 1 x TimeoutError"; empty without an error.

    A kind consists of a status and the name of an error, and contains no text of prompts or answers.

    Args:
        errors: Failed requests by kind.
    """
    kinds = sorted(errors.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{count} x {kind}" for kind, count in kinds[:_KINDS_SHOWN]]
    more = len(kinds) - len(shown)
    return ", ".join(shown) + (f", and {more} more kinds" if more else "")


def flaw_of(one: Measurement) -> str | None:
    """Return why the figures of a repeat do not count, in words: partial, throttled, failing; None for figures that count."""
    if one.is_partial:
        return PARTIAL
    total = one.figures.requests + one.figures.failed
    if _throttled(one.figures) > THROTTLED_SHARE * total:
        return THROTTLED
    bound = MAX_ERROR_RATE if one.max_error_rate is None else one.max_error_rate
    if error_rate(one.figures) > bound or not one.figures.requests:
        return FAILING
    return None


def counted(repeats: Sequence[Measurement]) -> list[Measurement]:
    """Return the repeats whose figures count; an empty list if none does."""
    return [one for one in repeats if flaw_of(one) is None]


def flaws_of(repeats: Sequence[Measurement]) -> dict[str, int]:
    """Return how many repeats do not count, by reason in words."""
    found: dict[str, int] = {}
    for flaw in map(flaw_of, repeats):
        if flaw is not None:
            found[flaw] = found.get(flaw, 0) + 1
    return found


def _throttled(figures: Figures) -> int:
    return sum(count for kind, count in figures.errors.items() if _is_throttle(kind))


def _is_throttle(kind: str) -> bool:
    return any(word.lower() in kind.lower() for word in _THROTTLES)
