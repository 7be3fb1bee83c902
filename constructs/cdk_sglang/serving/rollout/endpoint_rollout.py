"""How an update reaches the instances of an endpoint: a second fleet or in batches, watched by alarms that take it back."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_sagemaker as sagemaker

from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.rollout.rollback_alarms import RollbackAlarms
from cdk_sglang.serving.rollout.rollout import (
    BATCH_MIN_PERCENT,
    FEWEST_TO_SPLIT,
    LINEAR_MIN_PERCENT,
    TIMEOUT_MAX_SECONDS,
    TIMEOUT_MIN_SECONDS,
    WAIT_MAX_SECONDS,
    WHOLE_PERCENT,
    BatchSize,
    seconds_problems,
    share_problems,
    too_short,
)


@checked_fields
@dataclass(frozen=True, kw_only=True)
class EndpointRollout:
    """How a new configuration reaches the instances of an endpoint; make one with a static method.

    Blue/green needs as many further instances as there are while it lasts; rolling needs one batch.

    Args:
        kind: SageMaker's name of the strategy: ALL_AT_ONCE, CANARY, LINEAR or ROLLING.
        step_percent: Share of instances or traffic that one step moves; None for all at once.
        wait_seconds: Seconds for which the alarms are watched after each step.
        termination_wait_seconds: Seconds that the old fleet stays after all traffic has moved; 0 when rolling.
        rollback_percent: Share of instances that one step of a rollback replaces; all at once if None.
        timeout_seconds: Seconds for all steps together; SageMaker's own limit if None.
        alarms: Alarms that trigger a rollback.
    """

    kind: str
    step_percent: int | None
    wait_seconds: int
    termination_wait_seconds: int
    rollback_percent: int | None
    timeout_seconds: int | None
    alarms: RollbackAlarms

    @staticmethod
    @checked()
    def blue_green_all_at_once(
        *,
        wait_seconds: int = 300,
        termination_wait_seconds: int = 0,
        timeout_seconds: int | None = None,
        alarms: RollbackAlarms | None = None,
    ) -> EndpointRollout:
        """Start a second fleet, move all traffic, watch, and end the first.

        Args:
            wait_seconds: How long the alarms are watched before the old fleet goes; 0 to 3600, 300 by default.
            termination_wait_seconds: How much longer the old fleet stays; 0 to 3600, 0 by default.
            timeout_seconds: For all of it, 600 to 28800; SageMaker's own limit by default.
            alarms: What takes it back; errors and missing capacity by default.
        """
        return EndpointRollout._checked(
            "ALL_AT_ONCE", None, wait_seconds, termination_wait_seconds, timeout_seconds, alarms
        )

    @staticmethod
    @checked()
    def canary(
        *,
        percent: int,
        wait_seconds: int = 300,
        termination_wait_seconds: int = 0,
        timeout_seconds: int | None = None,
        alarms: RollbackAlarms | None = None,
    ) -> EndpointRollout:
        """Start a second fleet, move some traffic, watch, and move the rest; `percent` is 1 to 50.

        Args:
            percent: Share of the traffic that moves first, 1 to 50 percent.
            wait_seconds: Seconds for which the alarms are watched after each step; 0 to 3600, 300 by default.
            termination_wait_seconds: Seconds that the old fleet stays after all traffic has moved; 0 to 3600, 0 by
                default.
            timeout_seconds: Seconds for all steps together, 600 to 28800; SageMaker's own limit by default.
            alarms: Alarms that trigger a rollback; errors and missing capacity by default.
        """
        return EndpointRollout._checked(
            "CANARY", percent, wait_seconds, termination_wait_seconds, timeout_seconds, alarms
        )

    @staticmethod
    @checked()
    def linear(
        *,
        percent: int,
        wait_seconds: int = 300,
        termination_wait_seconds: int = 0,
        timeout_seconds: int | None = None,
        alarms: RollbackAlarms | None = None,
    ) -> EndpointRollout:
        """Start a second fleet and move the traffic in equal steps, watching after each; `percent` is 10 to 50.

        Args:
            percent: Share of the traffic that each step moves, 10 to 50 percent.
            wait_seconds: Seconds for which the alarms are watched after each step; 0 to 3600, 300 by default.
            termination_wait_seconds: Seconds that the old fleet stays after all traffic has moved; 0 to 3600, 0 by
                default.
            timeout_seconds: Seconds for all steps together, 600 to 28800; SageMaker's own limit by default.
            alarms: Alarms that trigger a rollback; errors and missing capacity by default.
        """
        return EndpointRollout._checked(
            "LINEAR", percent, wait_seconds, termination_wait_seconds, timeout_seconds, alarms
        )

    @staticmethod
    @checked()
    def rolling(
        *,
        percent: int,
        wait_seconds: int = 300,
        rollback_percent: int | None = None,
        timeout_seconds: int | None = None,
        alarms: RollbackAlarms | None = None,
    ) -> EndpointRollout:
        """Replace some instances at a time, watching after each step; `percent` is 5 to 50.

        Args:
            percent: Of the instances.
            wait_seconds: How long the alarms are watched after each step; 0 to 3600, 300 by default.
            rollback_percent: How many go back at a time; all at once by default.
            timeout_seconds: For all steps, 600 to 28800; SageMaker's own limit by default.
            alarms: What takes it back; errors and missing capacity by default.
        """
        return EndpointRollout._checked("ROLLING", percent, wait_seconds, 0, timeout_seconds, alarms, rollback_percent)

    @staticmethod
    def _checked(  # noqa: PLR0917  four callers, all above
        kind: str,
        percent: int | None,
        wait_seconds: int,
        termination_wait_seconds: int,
        timeout_seconds: int | None,
        alarms: RollbackAlarms | None,
        rollback_percent: int | None = None,
    ) -> EndpointRollout:
        lowest = {"CANARY": 1, "LINEAR": LINEAR_MIN_PERCENT}.get(kind, BATCH_MIN_PERCENT)
        step = None if percent is None else BatchSize.percent(percent)
        back = None if rollback_percent is None else BatchSize.percent(rollback_percent)
        problems = [
            *share_problems("rollout.percent", step, low=lowest),
            *share_problems("rollout.rollback_percent", back, low=BATCH_MIN_PERCENT, high=WHOLE_PERCENT),
            *seconds_problems("rollout.wait_seconds", wait_seconds, 0, WAIT_MAX_SECONDS),
            *seconds_problems("rollout.termination_wait_seconds", termination_wait_seconds, 0, WAIT_MAX_SECONDS),
            *seconds_problems("rollout.timeout_seconds", timeout_seconds, TIMEOUT_MIN_SECONDS, TIMEOUT_MAX_SECONDS),
        ]
        steps = 1 if kind in {"ALL_AT_ONCE", "CANARY"} or step is None else step.steps(0)
        waits = wait_seconds * steps + termination_wait_seconds
        if not problems and timeout_seconds is not None and timeout_seconds <= waits:
            problems.append(too_short("rollout", timeout_seconds, waits))
        if problems:
            raise ConfigurationError(problems)
        return EndpointRollout(
            kind=kind,
            step_percent=percent,
            wait_seconds=wait_seconds,
            termination_wait_seconds=termination_wait_seconds,
            rollback_percent=rollback_percent,
            timeout_seconds=timeout_seconds,
            alarms=alarms or RollbackAlarms(),
        )

    def problems(self, path: str, *, min_instances: int | None) -> list[Problem]:
        """Say what does not go together with the instances an endpoint may have when an update comes; None is not stated.

        Args:
            path: Path of the settings, for messages.
            min_instances: Fewest instances of the endpoint; None if unspecified.
        """
        problems = self.alarms.problems(f"{path}.alarms", may_be_zero=min_instances == 0)
        if self.step_percent is not None and (min_instances or 0) < FEWEST_TO_SPLIT:
            problems.append(
                Problem(
                    f"{path}.percent",
                    f"{self.step_percent}% of 1 instance is no instance, and the endpoint may have 1 when an update comes; "
                    "raise min_instances to 2 or more, or move all traffic at once",
                )
            )
        return problems

    def render(self, alarm_names: list[str]) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
        """Return the property of the endpoint.

        Args:
            alarm_names: Names of the CloudWatch alarms that trigger a rollback.
        """
        cfn = sagemaker.CfnEndpoint

        def percent(value: int | None) -> sagemaker.CfnEndpoint.CapacitySizeProperty | None:
            return None if value is None else cfn.CapacitySizeProperty(type="CAPACITY_PERCENT", value=value)

        rollback = cfn.AutoRollbackConfigProperty(alarms=[cfn.AlarmProperty(alarm_name=name) for name in alarm_names])
        step = percent(self.step_percent)
        if self.kind == "ROLLING":
            assert step is not None
            return cfn.DeploymentConfigProperty(
                rolling_update_policy=cfn.RollingUpdatePolicyProperty(
                    maximum_batch_size=step,
                    wait_interval_in_seconds=self.wait_seconds,
                    rollback_maximum_batch_size=percent(self.rollback_percent),
                    maximum_execution_timeout_in_seconds=self.timeout_seconds,
                ),
                auto_rollback_configuration=rollback,
            )
        return cfn.DeploymentConfigProperty(
            blue_green_update_policy=cfn.BlueGreenUpdatePolicyProperty(
                traffic_routing_configuration=cfn.TrafficRoutingConfigProperty(
                    type=self.kind,
                    wait_interval_in_seconds=self.wait_seconds,
                    canary_size=step if self.kind == "CANARY" else None,
                    linear_step_size=step if self.kind == "LINEAR" else None,
                ),
                termination_wait_in_seconds=self.termination_wait_seconds,
                maximum_execution_timeout_in_seconds=self.timeout_seconds,
            ),
            auto_rollback_configuration=rollback,
        )
