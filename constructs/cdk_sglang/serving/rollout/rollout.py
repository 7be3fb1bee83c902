"""How an update reaches the copies of a component: in steps, watched by alarms that take it back.

A policy belongs to updates: `CreateInferenceComponent` does not take one (botocore 1.44.5), and CloudFormation, which shows the
property for both, sends it with updates alone. Its alarms exist from the first deployment on, since the first update needs them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aws_cdk import aws_sagemaker as sagemaker

from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.rollout.rollback_alarms import RollbackAlarms
from cdk_sglang.serving.shared.tokens import is_token

# Bounds of DeploymentConfig and InferenceComponentDeploymentConfig: botocore 1.44.5, sagemaker UpdateEndpoint and
# UpdateInferenceComponent; the shares are in the documentation of the members.
WAIT_MAX_SECONDS: Final = 3600
TIMEOUT_MIN_SECONDS: Final = 600
TIMEOUT_MAX_SECONDS: Final = 28800
BATCH_MIN_PERCENT: Final = 5
BATCH_MAX_PERCENT: Final = 50
LINEAR_MIN_PERCENT: Final = 10
WHOLE_PERCENT: Final = 100
FEWEST_TO_SPLIT: Final = 2


@checked_fields
@dataclass(frozen=True, kw_only=True)
class BatchSize:
    """How much is replaced in one step; make one with `percent` or `copies`.

    Args:
        percent_value: Percent of the copies or instances; None if the size is a number.
        copies_value: Number of copies; None if the size is a percentage.
    """

    percent_value: int | None = None
    copies_value: int | None = None

    @staticmethod
    @checked()
    def percent(value: int) -> BatchSize:
        """So many percent of the copies or instances there are.

        Args:
            value: Percent of the copies or instances, 1 to 100; what a rollout allows is checked there.
        """
        return BatchSize(percent_value=value)

    @staticmethod
    @checked()
    def copies(value: int) -> BatchSize:
        """So many copies of a component.

        Args:
            value: Number of copies, 1 or more.
        """
        return BatchSize(copies_value=value)

    @property
    def text(self) -> str:
        """The size in words."""
        return f"{self.percent_value}%" if self.percent_value is not None else f"{self.copies_value} copies"

    def steps(self, whole: int) -> int:
        """Return how many steps so many copies take.

        Args:
            whole: Number of copies to replace; a percentage needs none.
        """
        if self.percent_value is not None:
            return math.ceil(WHOLE_PERCENT / max(self.percent_value, 1))
        return math.ceil(whole / max(self.copies_value or 1, 1))

    def render(self) -> sagemaker.CfnInferenceComponent.InferenceComponentCapacitySizeProperty:
        """Return the property of a component."""
        by_percent = self.percent_value is not None
        return sagemaker.CfnInferenceComponent.InferenceComponentCapacitySizeProperty(
            type="CAPACITY_PERCENT" if by_percent else "COPY_COUNT",
            value=self.percent_value if self.percent_value is not None else self.copies_value or 0,
        )


@checked_fields
@dataclass(frozen=True, kw_only=True)
class ComponentRollout:
    """How a new version reaches the copies of a component; make one with `rolling`.

    Without one, SageMaker brings up all new copies before the old ones go, and no alarm takes a bad version back.

    Args:
        max_batch: Share of the copies that one step replaces.
        wait_seconds: Seconds for which the alarms are watched after each step.
        rollback_batch: Share of the copies that one step of a rollback replaces; all at once if None.
        timeout_seconds: Seconds for all steps together; SageMaker's own limit if None.
        alarms: Alarms that trigger a rollback.
    """

    max_batch: BatchSize
    wait_seconds: int
    rollback_batch: BatchSize | None
    timeout_seconds: int | None
    alarms: RollbackAlarms

    @staticmethod
    @checked()
    def rolling(
        *,
        max_batch: BatchSize,
        wait_seconds: int = 300,
        rollback_batch: BatchSize | None = None,
        timeout_seconds: int | None = None,
        alarms: RollbackAlarms | None = None,
    ) -> ComponentRollout:
        """Replace some copies at a time, and go back when an alarm fires.

        Args:
            max_batch: Of the copies; 5 to 50 percent of them.
            wait_seconds: How long the alarms are watched after each step; 0 to 3600, 300 by default.
            rollback_batch: How fast it goes back; all at once by default.
            timeout_seconds: For all steps, 600 to 28800; SageMaker's own limit by default.
            alarms: What takes it back; errors and missing capacity by default.

        Raises:
            ConfigurationError: Everything that is outside what SageMaker takes.
        """
        problems = [
            *share_problems("rollout.max_batch", max_batch),
            *share_problems("rollout.rollback_batch", rollback_batch, low=1, high=WHOLE_PERCENT),
            *seconds_problems("rollout.wait_seconds", wait_seconds, 0, WAIT_MAX_SECONDS),
            *seconds_problems("rollout.timeout_seconds", timeout_seconds, TIMEOUT_MIN_SECONDS, TIMEOUT_MAX_SECONDS),
        ]
        if problems:
            raise ConfigurationError(problems)
        return ComponentRollout(
            max_batch=max_batch,
            wait_seconds=wait_seconds,
            rollback_batch=rollback_batch,
            timeout_seconds=timeout_seconds,
            alarms=alarms or RollbackAlarms(),
        )

    def problems(self, path: str, *, bounds: Sequence[tuple[int, int]]) -> list[Problem]:
        """Say what does not go together with the copies a component may have when an update comes.

        Args:
            path: Of the rollout, for messages.
            bounds: Fewest and most copies, a pair for each that can hold.
        """
        problems = self.alarms.problems(f"{path}.alarms", may_be_zero=any(low == 0 for low, _ in bounds))
        size = self.max_batch
        fewest = min(
            (max(low, 1) for low, high in bounds if high > 0), default=1
        )  # with none, there is nothing to roll
        most = max(high for _, high in bounds)
        if size.percent_value is not None and fewest < FEWEST_TO_SPLIT:
            problems.append(
                Problem(
                    f"{path}.max_batch",
                    f"{size.text} of 1 copy is no copy, and the component may have 1 when an update comes; "
                    "give it 2 or more copies at least, or leave the rollout out: SageMaker then starts the new copy before the old one goes",
                )
            )
        if size.copies_value is not None:
            highest, lowest = fewest * BATCH_MAX_PERCENT // 100, math.ceil(most * BATCH_MIN_PERCENT / 100)
            if not lowest <= size.copies_value <= highest:
                allowed = f"{lowest} to {highest}" if lowest <= highest else "no number"
                problems.append(
                    Problem(
                        f"{path}.max_batch",
                        f"{size.text} at a time is not allowed; a step is {BATCH_MIN_PERCENT} to {BATCH_MAX_PERCENT}% of the "
                        f"copies, which are {_range(fewest, most)}, so use {allowed}"
                        + ("" if lowest <= highest else "; give it as percent, or narrow the bounds of its copies"),
                    )
                )
        waits = self.wait_seconds * size.steps(most)
        if self.timeout_seconds is not None and self.timeout_seconds <= waits:
            problems.append(too_short(path, self.timeout_seconds, waits))
        return problems

    def render(
        self, alarm_names: list[str]
    ) -> sagemaker.CfnInferenceComponent.InferenceComponentDeploymentConfigProperty:
        """Return the property of the component.

        Args:
            alarm_names: Names of the CloudWatch alarms that trigger a rollback.
        """
        cfn = sagemaker.CfnInferenceComponent
        return cfn.InferenceComponentDeploymentConfigProperty(
            rolling_update_policy=cfn.InferenceComponentRollingUpdatePolicyProperty(
                maximum_batch_size=self.max_batch.render(),
                wait_interval_in_seconds=self.wait_seconds,
                rollback_maximum_batch_size=None if self.rollback_batch is None else self.rollback_batch.render(),
                maximum_execution_timeout_in_seconds=self.timeout_seconds,
            ),
            auto_rollback_configuration=cfn.AutoRollbackConfigurationProperty(
                alarms=[cfn.AlarmProperty(alarm_name=name) for name in alarm_names]
            ),
        )


def share_problems(
    path: str, size: BatchSize | None, *, low: int = BATCH_MIN_PERCENT, high: int = BATCH_MAX_PERCENT
) -> list[Problem]:
    """Say what is wrong with a step's size; percents are bounded as given."""
    if size is None:
        return []
    if (size.percent_value is None) == (size.copies_value is None):
        return [Problem(path, "give exactly one of percent and copies")]
    value = size.percent_value
    if is_token(value if value is not None else size.copies_value):
        return [Problem(path, "must be known at synth, got a token; give the number itself")]
    if value is not None and not low <= value <= high:
        return [Problem(path, f"{value}% is not allowed; use {low} to {high}")]
    if size.copies_value is not None and size.copies_value < 1:
        return [Problem(path, f"{size.copies_value} copies are not allowed; use 1 or more")]
    return []


def seconds_problems(path: str, seconds: int | None, low: int, high: int) -> list[Problem]:
    """Say what is wrong with a time that SageMaker bounds."""
    if seconds is None or is_token(seconds) or low <= seconds <= high:
        return []
    return [Problem(path, f"{seconds} is not allowed; use {low} to {high} seconds")]


def too_short(path: str, timeout: int, waits: int) -> Problem:
    """Say that all steps together wait longer than the time-out."""
    return Problem(
        f"{path}.timeout_seconds",
        f"{timeout} is not above the {waits} s that its steps wait; raise it, wait less, or take bigger steps",
    )


def _range(fewest: int, most: int) -> str:
    return str(most) if fewest == most else f"{fewest} to {most}"
