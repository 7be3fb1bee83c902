"""When the alarms of an endpoint fire: burn rates of error budgets, and thresholds."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Self, TypeAlias

from pydantic import Field, Strict, model_validator

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.spec.kinds import Count
from cdk_sglang.validation import Spec

Severity: TypeAlias = Literal["page", "ticket"]
"""Whether an alarm wakes somebody, or waits for working hours."""

_WEEK_MINUTES: Final = 7 * 24 * 60
"""Longest window of an alarm: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html (read 2026-11)."""


class BurnRate(Spec):
    """A rule that fires when an error budget is spent too fast in a long and, still, in a short window."""

    _noun: ClassVar[str] = "burn_rate"

    budget_percent: float = Field(gt=0, le=100)
    """Share of the error budget that is gone when the long window ends, in percent."""
    long_minutes: int = Field(ge=2, le=_WEEK_MINUTES)
    """Length of the window that must have spent that share, in minutes."""
    short_minutes: int = Field(ge=1, le=_WEEK_MINUTES)
    """Length of the window that says whether it is still going on, in minutes; shorter than the long one."""
    severity: Severity = "page"
    """Whether the rule pages, or makes a ticket."""

    @model_validator(mode="after")
    def _windows_in_order(self) -> Self:
        if self.short_minutes >= self.long_minutes:
            raise_if_any(
                [
                    Problem(
                        "short_minutes",
                        f"{self.short_minutes} is not shorter than long_minutes {self.long_minutes}; swap them, or shorten it",
                    )
                ]
            )
        return self

    @checked("burn_rate.factor")
    def factor(self, window_days: int) -> float:
        """Return how much faster than evenly the budget is spent at this rate, such as 14.4.

        Args:
            window_days: Days over which the promise is counted.
        """
        return self.budget_percent / 100 * window_days * 24 * 60 / self.long_minutes


WORKBOOK: Final = (
    BurnRate(budget_percent=2, long_minutes=60, short_minutes=5),
    BurnRate(budget_percent=5, long_minutes=360, short_minutes=30),
)
"""The two paging rules of table 5-8 of Google's SRE workbook, "Alerting on SLOs" (https://sre.google/workbook/alerting-on-slos/, read 2026-11):
14.4 times in 1 h and 5 min, and 6 times in 6 h and 30 min, of a budget of 30 days. Its third rule makes a ticket and is not among the defaults:
BurnRate(budget_percent=10, long_minutes=4320, short_minutes=360, severity="ticket")."""


class AlarmRules(Spec):
    """When the alarms of an endpoint fire."""

    _noun: ClassVar[str] = "rules"

    burn_rates: Annotated[tuple[BurnRate, ...], Strict(False), Count(1, 4, "rates")] = WORKBOOK
    """Rates at which an error budget may not be spent; by default the two paging rules of Google's SRE workbook."""
    min_failures: int = Field(default=3, ge=1, le=1_000_000)
    """Failed or slow requests in the long window below which no budget counts as burning, so that one failure of a quiet night wakes nobody."""
    kv_percent: float = Field(default=95, gt=0, le=100)
    """Share of the KV cache in use for 15 minutes, in percent, while requests wait."""
    retractions_per_minute: float = Field(default=1, gt=0, le=1_000_000)
    """Requests a minute, over 15 minutes, that lost their place in a full KV cache and start again."""
    queued_requests: int = Field(default=16, ge=1, le=1_000_000)
    """Requests of a component that wait for the engine for 10 minutes without a break."""
    gpu_memory_percent: float = Field(default=98, gt=0, le=100)
    """Use of GPU memory for 15 minutes, in percent; SGLang reserves most of it from the start."""
    gpu_celsius: float = Field(default=85, ge=30, le=120)
    """Temperature of a GPU for 10 minutes, in degrees Celsius; above it GPUs begin to slow down, at a temperature that depends on the model."""
    sibling_points: float = Field(default=40, gt=0, le=100)
    """Percentage points of use between the busiest and the idlest GPU of a copy for 15 minutes."""
    plan_band: bool = False
    """Whether latency above what the plan predicts, for an hour at no more than the planned load, is an alarm."""
