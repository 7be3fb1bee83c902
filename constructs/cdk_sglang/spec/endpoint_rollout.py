"""How an update reaches the instances of an endpoint: by a second fleet or in batches, watched by alarms that trigger a rollback."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.spec.rollback_alarms import RollbackAlarms
from cdk_sglang.spec.rollout import (
    BATCH_MAX_PERCENT,
    BATCH_MIN_PERCENT,
    FEWEST_TO_SPLIT,
    BatchSize,
    Timeout,
    Wait,
    percent_problems,
    timeout_problems,
)
from cdk_sglang.validation import Spec

_LOWEST_PERCENT: Final = {"canary": 1, "linear": 10, "rolling": BATCH_MIN_PERCENT}


class EndpointRollout(Spec):
    """How a new configuration reaches the instances of an endpoint.

    While it exists, a second fleet needs as many additional instances as the endpoint has; `rolling` needs one batch. Make one with
    `canary`, `linear`, `rolling` or `blue_green_all_at_once`.
    """

    _noun: ClassVar[str] = "rollout"

    strategy: Literal["all_at_once", "canary", "linear", "rolling"]
    """`all_at_once`, `canary` and `linear` start a second fleet and move the traffic at once, in two steps, or in equal steps; `rolling`
    replaces some instances at a time and needs the fewest additional ones."""
    percent: Annotated[int, Field(ge=1, le=BATCH_MAX_PERCENT)] | None = None
    """With canary (1 to 50), linear (10 to 50) and rolling (5 to 50): percentage that one step moves or replaces."""
    wait_seconds: Wait = 300
    """How long the alarms are watched after each step, in seconds."""
    termination_wait_seconds: Wait | None = None
    """Not with rolling: how much longer the old fleet is kept, in seconds; it is terminated at once by default."""
    rollback_percent: Annotated[int, Field(ge=BATCH_MIN_PERCENT, le=100)] | None = None
    """With rolling: percentage of the instances that one step of a rollback replaces; all at once by default."""
    timeout_seconds: Timeout | None = None
    """Maximum time for all steps, in seconds; SageMaker's own limit by default."""
    alarms: RollbackAlarms = RollbackAlarms()
    """Alarms that trigger a rollback."""

    @classmethod
    @checked()
    def blue_green_all_at_once(
        cls,
        *,
        wait_seconds: int = 300,
        termination_wait_seconds: int = 0,
        timeout_seconds: int | None = None,
        alarms: RollbackAlarms | None = None,
    ) -> EndpointRollout:
        """Start a second fleet, move all traffic, watch the alarms, and terminate the first fleet.

        Args:
            wait_seconds: Seconds for which the alarms are watched before the old fleet is terminated; 0 to 3600, 300 by default.
            termination_wait_seconds: Additional seconds for which the old fleet is kept; 0 to 3600, 0 by default.
            timeout_seconds: Maximum number of seconds for the whole rollout, 600 to 28800; SageMaker's own limit by default.
            alarms: Alarms that trigger a rollback; errors and missing capacity by default.
        """
        return cls(
            strategy="all_at_once",
            wait_seconds=wait_seconds,
            termination_wait_seconds=termination_wait_seconds,
            timeout_seconds=timeout_seconds,
            alarms=alarms or RollbackAlarms(),
        )

    @classmethod
    @checked()
    def canary(
        cls,
        *,
        percent: int,
        wait_seconds: int = 300,
        termination_wait_seconds: int = 0,
        timeout_seconds: int | None = None,
        alarms: RollbackAlarms | None = None,
    ) -> EndpointRollout:
        """Start a second fleet, move 1 to 50 percent of the traffic, watch the alarms, and move the rest.

        Args:
            percent: Share of the traffic that moves first, 1 to 50 percent.
            wait_seconds: Seconds for which the alarms are watched after each step; 0 to 3600, 300 by default.
            termination_wait_seconds: Seconds that the old fleet stays after all traffic has moved; 0 to 3600, 0 by
                default.
            timeout_seconds: Seconds for all steps together, 600 to 28800; SageMaker's own limit by default.
            alarms: Alarms that trigger a rollback; errors and missing capacity by default.
        """
        return cls(
            strategy="canary",
            percent=percent,
            wait_seconds=wait_seconds,
            termination_wait_seconds=termination_wait_seconds,
            timeout_seconds=timeout_seconds,
            alarms=alarms or RollbackAlarms(),
        )

    @classmethod
    @checked()
    def linear(
        cls,
        *,
        percent: int,
        wait_seconds: int = 300,
        termination_wait_seconds: int = 0,
        timeout_seconds: int | None = None,
        alarms: RollbackAlarms | None = None,
    ) -> EndpointRollout:
        """Start a second fleet and move the traffic in equal steps of 10 to 50 percent, watching the alarms after each.

        Args:
            percent: Share of the traffic that each step moves, 10 to 50 percent.
            wait_seconds: Seconds for which the alarms are watched after each step; 0 to 3600, 300 by default.
            termination_wait_seconds: Seconds that the old fleet stays after all traffic has moved; 0 to 3600, 0 by
                default.
            timeout_seconds: Seconds for all steps together, 600 to 28800; SageMaker's own limit by default.
            alarms: Alarms that trigger a rollback; errors and missing capacity by default.
        """
        return cls(
            strategy="linear",
            percent=percent,
            wait_seconds=wait_seconds,
            termination_wait_seconds=termination_wait_seconds,
            timeout_seconds=timeout_seconds,
            alarms=alarms or RollbackAlarms(),
        )

    @classmethod
    @checked()
    def rolling(
        cls,
        *,
        percent: int,
        wait_seconds: int = 300,
        rollback_percent: int | None = None,
        timeout_seconds: int | None = None,
        alarms: RollbackAlarms | None = None,
    ) -> EndpointRollout:
        """Replace 5 to 50 percent of the instances at a time, watching the alarms after each step.

        Args:
            percent: Percentage of the instances that one step replaces.
            wait_seconds: Seconds for which the alarms are watched after each step; 0 to 3600, 300 by default.
            rollback_percent: Percentage of the instances that one step of a rollback replaces, 5 to 100; all at once by default.
            timeout_seconds: Maximum number of seconds for all steps, 600 to 28800; SageMaker's own limit by default.
            alarms: Alarms that trigger a rollback; errors and missing capacity by default.
        """
        return cls(
            strategy="rolling",
            percent=percent,
            wait_seconds=wait_seconds,
            rollback_percent=rollback_percent,
            timeout_seconds=timeout_seconds,
            alarms=alarms or RollbackAlarms(),
        )

    @model_validator(mode="after")
    def _fields_fit_the_strategy(self) -> Self:
        problems = []
        if self.strategy == "all_at_once":
            if self.percent is not None:
                problems.append(Problem("percent", "all_at_once has no steps; remove it"))
        elif self.percent is None:
            problems.append(Problem("percent", f"missing; {self.strategy} needs it"))
        else:
            problems += percent_problems("percent", self.percent, _LOWEST_PERCENT[self.strategy])
        if self.strategy == "rolling" and self.termination_wait_seconds is not None:
            problems.append(Problem("termination_wait_seconds", "rolling has no second fleet; remove it"))
        if self.strategy != "rolling" and self.rollback_percent is not None:
            problems.append(Problem("rollback_percent", f"goes with rolling, got {self.strategy}; remove it"))
        raise_if_any(problems or self._wait_problems())
        return self

    def _wait_problems(self) -> list[Problem]:
        in_equal_steps = self.percent is not None and self.strategy in {"linear", "rolling"}
        steps = BatchSize(percent=self.percent).steps(0) if in_equal_steps else 1
        return timeout_problems(
            self.timeout_seconds, self.wait_seconds, steps=steps, last_wait=self.termination_wait_seconds or 0
        )

    def problems(self, *, min_instances: int | None) -> list[Problem]:
        """Check the rollout against the instances that an endpoint may have when an update comes.

        Args:
            min_instances: Minimum number of instances; None if unspecified.
        """
        problems = [problem.under("alarms") for problem in self.alarms.problems(may_be_zero=min_instances == 0)]
        if self.percent is not None and (min_instances or 0) < FEWEST_TO_SPLIT:
            text = (
                f"{self.percent}% of 1 instance is less than one instance, and the endpoint may have 1 when an update comes; "
                "raise min_instances to 2 or more, or move all traffic at once"
            )
            problems.append(Problem("percent", text))
        return problems
