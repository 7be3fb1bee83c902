"""Latency objectives of a component."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import Field

from cdk_sglang.validation import Spec

AT_CONCURRENCY_MAX: Final = 4096


class Slo(Spec):
    """Latency objectives; the plan says whether they can be met, and on which instance types most cheaply."""

    _noun: ClassVar[str] = "slo"

    ttft_ms: float | None = Field(default=None, gt=0, le=600_000)
    """Mean time to the first token, in milliseconds; no objective by default."""
    tpot_ms: float | None = Field(default=None, gt=0, le=60_000)
    """Mean time per further token, in milliseconds; no objective by default."""
    at_concurrency: float = Field(default=16, gt=0, le=AT_CONCURRENCY_MAX)
    """Requests in flight per copy at which the objectives hold."""
