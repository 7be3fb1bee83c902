"""GPUs that are paid for and do nothing: an alarm, so that a forgotten endpoint is noticed in hours and not on the bill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cdk_sglang.arguments import checked_fields
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.alarms.alarms import make_alarm
from cdk_sglang.serving.alarms.metrics import ENDPOINT_NAMESPACE

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch

    from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint

_HOUR_SECONDS: Final = 3600
_HOURS_MAX: Final = 24
"""An alarm with periods of an hour looks back a week at most
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html, read 2026-11); a day late is late enough."""
_PERCENT_MAX: Final = 100


@checked_fields
@dataclass(frozen=True, kw_only=True)
class IdleAlarm:
    """When an endpoint counts as forgotten.

    Args:
        gpu_below_percent: Its GPUs together were never busier than this, above 0, up to 100; 1 by default.
        for_hours: For so many hours on end, 1 to 24; 3 by default.

    Raises:
        ConfigurationError: A value is not allowed.
    """

    gpu_below_percent: float = 1
    for_hours: int = 3

    def __post_init__(self) -> None:
        problems = []
        if not 0 < self.gpu_below_percent <= _PERCENT_MAX:
            problems.append(
                Problem("idle_alarm.gpu_below_percent", f"{self.gpu_below_percent} is not allowed; use above 0, to 100")
            )
        if not 1 <= self.for_hours <= _HOURS_MAX:
            problems.append(Problem("idle_alarm.for_hours", f"{self.for_hours} is not allowed; use 1 to {_HOURS_MAX}"))
        if problems:
            raise ConfigurationError(problems)


def make_idle_alarm(endpoint: InferenceEndpoint, idle: IdleAlarm) -> cloudwatch.CfnAlarm:
    """Create the alarm; an endpoint scaled to zero publishes nothing, which is as it should be."""
    return make_alarm(
        endpoint,
        "Idle",
        choice=endpoint.alarms,
        description=(
            f"GPUs of {endpoint.endpoint_name} have been paid for and idle for {idle.for_hours} hours. Let its components go to zero "
            "(scaling: {min_copies: 0}), stop it at night (nightly_stop), or delete it"
        ),
        namespace=ENDPOINT_NAMESPACE,
        metric_name="GPUUtilizationNormalized",
        dimensions={"EndpointName": endpoint.endpoint_name, "VariantName": endpoint.variant_name},
        statistic="Maximum",
        period_seconds=_HOUR_SECONDS,
        evaluation_periods=idle.for_hours,
        threshold=idle.gpu_below_percent,
        comparison="LessThanThreshold",
        missing="notBreaching",
    )
