"""Alarms that SageMaker watches while it rolls out an update, and that make it roll the update back."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.tokens import OrToken
from cdk_sglang.validation import Spec

RequestsPerMinute = Annotated[int, Field(ge=1, le=1_000_000), OrToken]


class RollbackAlarms(Spec):
    """Alarms that trigger a rollback; null disables a rule, and at least one rule must remain.

    Each alarm watches the metrics of the endpoint or component that is updated, old and new copies together: SageMaker publishes no others.
    """

    _noun: ClassVar[str] = "rollout.alarms"

    server_errors: RequestsPerMinute | None = 5
    """Server-side failures per minute at which the update is rolled back."""
    model_errors: RequestsPerMinute | None = 5
    """Requests per minute without a successful answer from the model at which the update is rolled back."""
    p99_latency_ms: Annotated[float, Field(gt=0, le=3_600_000)] | None = None
    """99th percentile of the time in the container for the whole answer, in milliseconds, at which the update is rolled back;
    not watched by default, because callers choose the length of answers."""
    no_capacity: RequestsPerMinute | None = 1
    """Requests per minute that find no copy at which the update is rolled back. Never watched if there may be zero copies, because such a
    request then wakes one."""
    minutes: Annotated[int, Field(ge=1, le=60), OrToken] = 1
    """Consecutive minutes for which a threshold must be reached; keep this below the wait after a step."""

    @model_validator(mode="after")
    def _some_rule_remains(self) -> Self:
        raise_if_any(self.problems(may_be_zero=False))
        return self

    def problems(self, *, may_be_zero: bool) -> list[Problem]:
        """Check that a rule remains.

        Args:
            may_be_zero: Whether the component may have zero copies, or the endpoint zero instances.
        """
        if self.thresholds(may_be_zero=may_be_zero):
            return []
        return [
            Problem(
                "",
                "alarms missing for rollback; without one SageMaker finishes every update, however bad: "
                "give server_errors, model_errors or p99_latency_ms",
            )
        ]

    def thresholds(self, *, may_be_zero: bool) -> dict[str, float]:
        """Return the threshold of every active rule, by the name of its field.

        Args:
            may_be_zero: Whether the component may have zero copies, or the endpoint zero instances.
        """
        thresholds = {
            "server_errors": self.server_errors,
            "model_errors": self.model_errors,
            "p99_latency_ms": self.p99_latency_ms,
            "no_capacity": None if may_be_zero else self.no_capacity,
        }
        return {rule: threshold for rule, threshold in thresholds.items() if threshold is not None}
