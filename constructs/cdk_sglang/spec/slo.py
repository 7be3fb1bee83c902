"""Service level objectives of a component: latency, availability, and the days over which they are measured."""

from __future__ import annotations

from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.validation import Spec

AT_CONCURRENCY: Final = 16
"""Requests in flight per copy if unspecified."""
AT_CONCURRENCY_MAX: Final = 4096
WITHIN_PERCENT: Final = 99.0
"""Share of requests that must meet a latency objective if unspecified."""
_OBJECTIVES: Final = ("ttft_ms", "tpot_ms", "availability_percent", "accept_length")


class Slo(Spec):
    """Service level objectives of the component. The plan says whether the latency can be met; alarms warn before an objective is missed.

    `ttft_ms` and `tpot_ms` are used in two ways. The planner compares its predicted mean with them. Alarms count the requests that took longer:
    at most 100 minus `within_percent` percent of them may.
    """

    _noun: ClassVar[str] = "slo"

    ttft_ms: float | None = Field(default=None, gt=0, le=600_000)
    """Time to the first token, in milliseconds. The plan's mean and `within_percent` of the requests must be below it; no objective by default."""
    tpot_ms: float | None = Field(default=None, gt=0, le=60_000)
    """Time per output token after the first, in milliseconds. The plan's mean and `within_percent` of the requests must be below it; no objective
    by default."""
    at_concurrency: float = Field(default=AT_CONCURRENCY, gt=0, le=AT_CONCURRENCY_MAX)
    """Requests in flight per copy at which the plan compares the latency with the objectives."""
    availability_percent: float | None = Field(default=None, ge=90, lt=100)
    """Share of requests that are answered, in percent, such as 99.9: without a server-side failure or an interrupted stream; no objective by
    default."""
    within_percent: float | None = Field(default=None, ge=90, lt=100)
    """Share of requests that must meet `ttft_ms` and `tpot_ms`, in percent, for alarms; 99 by default."""
    accept_length: float | None = Field(default=None, gt=1, le=64)
    """Minimum number of tokens per verification step of speculative decoding, such as the value with which a draft model was promoted; no
    objective by default."""
    window_days: Literal[28, 30] = 30
    """Days over which the objectives are measured; the error budget applies to this period."""

    @model_validator(mode="after")
    def _promises_something(self) -> Self:
        problems = []
        if all(getattr(self, name) is None for name in _OBJECTIVES):
            problems.append(
                Problem("", f"has no objective; give at least one of {', '.join(_OBJECTIVES)}, or leave the slo out")
            )
        if self.within_percent is not None and not self.has_latency:
            problems.append(
                Problem(
                    "within_percent",
                    f"got {self.within_percent:g} without a latency objective; give ttft_ms or tpot_ms",
                )
            )
        raise_if_any(problems)
        return self

    @property
    def has_latency(self) -> bool:
        """Whether there is a latency objective."""
        return self.ttft_ms is not None or self.tpot_ms is not None

    @property
    def latency_share(self) -> float:
        """Share of requests that must meet the latency objectives, 0 to 1."""
        return (WITHIN_PERCENT if self.within_percent is None else self.within_percent) / 100
