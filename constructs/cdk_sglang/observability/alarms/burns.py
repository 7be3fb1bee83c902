"""Which share of bad requests burns an error budget too fast: rates of a promise, as thresholds. No CDK."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.spec.alarm_rules import BurnRate

_MINUTES_PER_HOUR = 60


@dataclass(frozen=True, kw_only=True)
class Burn:
    """A rate at which a budget is spent, as a threshold of both of its windows.

    Attributes:
        rule: The rate and its windows.
        factor: How much faster than evenly the budget is spent, such as 14.4.
        threshold: Share of requests that fail at that rate, 0 to 1.
    """

    rule: BurnRate
    factor: float
    threshold: float


def burns(promised: float, *, window_days: int, rules: Sequence[BurnRate], path: str) -> tuple[Burn, ...]:
    """Return the rates that a promise can be broken at; one that even failure of every request does not reach is left out.

    Args:
        promised: Share of requests that must be good, 0 to 1.
        window_days: Days over which the promise is counted.
        rules: Rates to watch.
        path: Place of the promise, for errors.

    Raises:
        ConfigurationError: No rate can be reached.
    """
    found = []
    for rule in rules:
        factor = rule.factor(window_days)
        threshold = round(factor * (1 - promised), 9)
        if threshold < 1:
            found.append(Burn(rule=rule, factor=factor, threshold=threshold))
    if not found:
        least = min(rule.factor(window_days) for rule in rules)
        raise_if_any(
            [
                Problem(
                    path,
                    f"{promised * 100:g} cannot be watched: even if every request fails, its budget is not spent {least:g} times as fast as "
                    f"evenly; promise more than {100 * (1 - 1 / least):.4g}, or watch a lower rate (rules.burn_rates)",
                )
            ]
        )
    return tuple(found)


def span(minutes: int) -> str:
    """Return a length of time as PromQL and people write it: 5m or 6h."""
    hours, rest = divmod(minutes, _MINUTES_PER_HOUR)
    return f"{minutes}m" if rest else f"{hours}h"
