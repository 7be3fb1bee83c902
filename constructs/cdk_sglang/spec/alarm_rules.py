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
"""`page` for an alarm that must wake somebody, `ticket` for one that can wait for working hours."""

_WEEK_MINUTES: Final = 7 * 24 * 60
"""Longest window of an alarm: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html (read 2026-11)."""


class BurnRate(Spec):
    """A rule that fires when an error budget is spent too fast over a long window and is still being spent too fast over a short one."""

    _noun: ClassVar[str] = "burn_rate"

    budget_percent: float = Field(gt=0, le=100)
    """Share of the error budget that is spent within the long window, in percent."""
    long_minutes: int = Field(ge=2, le=_WEEK_MINUTES)
    """Length of the window in which that share must have been spent, in minutes."""
    short_minutes: int = Field(ge=1, le=_WEEK_MINUTES)
    """Length of the window that shows whether the problem persists, in minutes; shorter than the long one."""
    severity: Severity = "page"
    """Whether the rule pages or opens a ticket."""

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
        """Return how many times faster than evenly the budget is spent at this rate, such as 14.4.

        Args:
            window_days: Days over which the objective is measured.
        """
        return self.budget_percent / 100 * window_days * 24 * 60 / self.long_minutes


WORKBOOK: Final = (
    BurnRate(budget_percent=2, long_minutes=60, short_minutes=5),
    BurnRate(budget_percent=5, long_minutes=360, short_minutes=30),
)
"""The two paging rules of table 5-8 of Google's SRE workbook, "Alerting on SLOs" (https://sre.google/workbook/alerting-on-slos/, read 2026-11):
14.4 times over 1 h and 5 min, and 6 times over 6 h and 30 min, for a budget of 30 days. Its third rule opens a ticket and is not a default:
BurnRate(budget_percent=10, long_minutes=4320, short_minutes=360, severity="ticket")."""


class AlarmRules(Spec):
    """When the alarms of an endpoint fire."""

    _noun: ClassVar[str] = "rules"

    burn_rates: Annotated[tuple[BurnRate, ...], Strict(False), Count(1, 4, "rates")] = WORKBOOK
    """Burn rates at which an alarm fires; by default the two paging rules of Google's SRE workbook."""
    min_failures: int = Field(default=3, ge=1, le=1_000_000)
    """Minimum number of failed or slow requests in the long window for a burn-rate alarm to fire, so that one failure in a quiet night wakes nobody."""
    kv_percent: float = Field(default=95, gt=0, le=100)
    """Share of the KV cache in use for 15 minutes while requests wait, in percent, at which an alarm fires."""
    retractions_per_minute: float = Field(default=1, gt=0, le=1_000_000)
    """Requests per minute, over 15 minutes, that are evicted from a full KV cache and start again, at which an alarm fires."""
    queued_requests: int = Field(default=16, ge=1, le=1_000_000)
    """Number of requests of a component that are queued in the engine for 10 minutes without a break, at which an alarm fires."""
    gpu_memory_percent: float = Field(default=98, gt=0, le=100)
    """GPU memory in use for 15 minutes, in percent, at which an alarm fires. SGLang reserves most of it at start."""
    gpu_celsius: float = Field(default=85, ge=30, le=120)
    """Temperature of a GPU for 10 minutes, in degrees Celsius, at which an alarm fires. Hotter GPUs begin to throttle, at a temperature that
    depends on the GPU model."""
    sibling_points: float = Field(default=40, gt=0, le=100)
    """Difference in utilisation between the busiest and the idlest GPU of a copy for 15 minutes, in percentage points, at which an alarm fires."""
    plan_band: bool = False
    """Whether an alarm fires when latency exceeds the plan's prediction for an hour at no more than the planned load."""
