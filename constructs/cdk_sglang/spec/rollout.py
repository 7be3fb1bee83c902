"""How an update reaches the copies of a component: in steps, watched by alarms that trigger a rollback."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Final, Self

from pydantic import ConfigDict, Field, model_validator

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.spec.rollback_alarms import RollbackAlarms
from cdk_sglang.tokens import OrToken, is_number_token
from cdk_sglang.validation import Spec
from cdk_sglang.wording import exactly_one

# Bounds of DeploymentConfig and InferenceComponentDeploymentConfig: botocore 1.44.5, sagemaker UpdateEndpoint and
# UpdateInferenceComponent; the percentages are stated in the documentation of the members.
BATCH_MIN_PERCENT: Final = 5
BATCH_MAX_PERCENT: Final = 50
FEWEST_TO_SPLIT: Final = 2

Wait = Annotated[int, Field(ge=0, le=3600), OrToken]
Timeout = Annotated[int, Field(ge=600, le=28800), OrToken]


class BatchSize(Spec):
    """How much one step replaces; make one with `percent` or `copies`."""

    # Without this, the JSON Schema would accept neither of them, or both.
    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["percent"]}, {"required": ["copies"]}]})

    percent_value: Annotated[int, Field(ge=1, le=100)] | None = Field(default=None, alias="percent")
    """Percentage of the copies."""
    copies_value: Annotated[int, Field(ge=1, le=1000)] | None = Field(default=None, alias="copies")
    """Number of copies."""

    @classmethod
    @checked()
    def percent(cls, value: int) -> BatchSize:
        """Return a share of the copies or instances, in percent.

        Args:
            value: Percentage of the copies or instances, 1 to 100; the rollout checks its own limits.
        """
        return cls(percent=value)

    @classmethod
    @checked()
    def copies(cls, value: int) -> BatchSize:
        """Return a number of copies of a component.

        Args:
            value: Number of copies, 1 or more.
        """
        return cls(copies=value)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        sizes = {"percent": self.percent_value, "copies": self.copies_value}
        present_names = [name for name, size in sizes.items() if size is not None]
        if len(present_names) != 1:
            raise ValueError(exactly_one(list(sizes), present_names))
        return self

    @property
    def text(self) -> str:
        """The size as text for messages."""
        return f"{self.percent_value}%" if self.percent_value is not None else f"{self.copies_value} copies"

    def steps(self, copies: int) -> int:
        """Return the number of steps in which all copies are replaced.

        Args:
            copies: Number of copies to replace; not used for a percentage.
        """
        if self.percent_value is not None:
            return math.ceil(100 / self.percent_value)
        return math.ceil(copies / (self.copies_value or 1))

    def in_one_step(self, copies: int) -> int:
        """Return the number of copies that one step starts in addition to the serving ones, rounded up.

        Args:
            copies: Number of serving copies.
        """
        if self.percent_value is not None:
            return math.ceil(copies * self.percent_value / 100)
        return self.copies_value or 0


class ComponentRollout(Spec):
    """Roll out a new version to some copies at a time, and roll it back if an alarm fires.

    Without a rollout, SageMaker starts all new copies before it removes the old ones, and no alarm rolls back a bad version.
    """

    _noun: ClassVar[str] = "rollout"

    max_batch: BatchSize
    """How much one step replaces; 5 to 50% of the copies."""
    wait_seconds: Wait = 300
    """How long the alarms are watched after each step, in seconds."""
    rollback_batch: BatchSize | None = None
    """How much one step of a rollback replaces; all copies at once by default."""
    timeout_seconds: Timeout | None = None
    """Maximum time for all steps, in seconds; SageMaker's own limit by default."""
    alarms: RollbackAlarms = RollbackAlarms()
    """Alarms that trigger a rollback."""

    @classmethod
    @checked()
    def rolling(
        cls,
        *,
        max_batch: BatchSize,
        wait_seconds: int = 300,
        rollback_batch: BatchSize | None = None,
        timeout_seconds: int | None = None,
        alarms: RollbackAlarms | None = None,
    ) -> ComponentRollout:
        """Replace some copies at a time, and roll back when an alarm fires.

        Args:
            max_batch: How much one step replaces; 5 to 50 percent of the copies.
            wait_seconds: Seconds for which the alarms are watched after each step; 0 to 3600, 300 by default.
            rollback_batch: How much one step of a rollback replaces; all copies at once by default.
            timeout_seconds: Maximum number of seconds for all steps, 600 to 28800; SageMaker's own limit by default.
            alarms: Alarms that trigger a rollback; errors and missing capacity by default.

        Raises:
            ConfigurationError: A value is outside SageMaker's limits.
        """
        return cls(
            max_batch=max_batch,
            wait_seconds=wait_seconds,
            rollback_batch=rollback_batch,
            timeout_seconds=timeout_seconds,
            alarms=alarms or RollbackAlarms(),
        )

    @model_validator(mode="after")
    def _batch_is_allowed(self) -> Self:
        percent = self.max_batch.percent_value
        if percent is not None:
            raise_if_any(percent_problems("max_batch", percent, BATCH_MIN_PERCENT))
        return self

    def problems(self, *, bounds: Sequence[tuple[int, int]]) -> list[Problem]:
        """Check the rollout against the copies that a component may have when an update comes.

        Args:
            bounds: Minimum and maximum number of copies, one pair for every period of a schedule.
        """
        may_be_zero = any(low == 0 for low, _ in bounds)
        problems = [problem.under("alarms") for problem in self.alarms.problems(may_be_zero=may_be_zero)]
        # A period without copies has nothing to roll out.
        fewest = min((max(low, 1) for low, high in bounds if high > 0), default=1)
        most = max(high for _, high in bounds)
        problems += self._batch_problems(fewest, most)
        problems += timeout_problems(self.timeout_seconds, self.wait_seconds, steps=self.max_batch.steps(most))
        return problems

    def _batch_problems(self, fewest: int, most: int) -> list[Problem]:
        size = self.max_batch
        if size.copies_value is None:
            if fewest >= FEWEST_TO_SPLIT:
                return []
            text = (
                f"{size.text} of 1 copy is less than one copy, and the component may have 1 when an update comes; "
                "give it 2 or more copies at least, or leave the rollout out: SageMaker then starts the new copy before the old one goes"
            )
            return [Problem("max_batch", text)]
        lowest, highest = math.ceil(most * BATCH_MIN_PERCENT / 100), fewest * BATCH_MAX_PERCENT // 100
        if lowest <= size.copies_value <= highest:
            return []
        copies = str(most) if fewest == most else f"{fewest} to {most}"
        advice = (
            f"use {lowest} to {highest}"
            if lowest <= highest
            else "use no number; give it as percent, or narrow the bounds of its copies"
        )
        text = (
            f"{size.text} at a time is not allowed; a step is {BATCH_MIN_PERCENT} to {BATCH_MAX_PERCENT}% of the copies, "
            f"which are {copies}, so {advice}"
        )
        return [Problem("max_batch", text)]


def percent_problems(path: str, percent: int, lowest: int) -> list[Problem]:
    """Check a share of the copies or instances that one step replaces."""
    if lowest <= percent <= BATCH_MAX_PERCENT:
        return []
    return [Problem(path, f"{percent}% is not allowed; use {lowest} to {BATCH_MAX_PERCENT}")]


def timeout_problems(timeout: int | None, wait: int, *, steps: int, last_wait: int = 0) -> list[Problem]:
    """Check that the waits of all steps end before the time-out, if they are known at synth."""
    if timeout is None or any(map(is_number_token, (timeout, wait, last_wait))):
        return []
    waits = wait * steps + last_wait
    if timeout > waits:
        return []
    text = f"{timeout} is not above the {waits} s that its steps wait; raise it, shorten the waits, or use larger steps"
    return [Problem("timeout_seconds", text)]
