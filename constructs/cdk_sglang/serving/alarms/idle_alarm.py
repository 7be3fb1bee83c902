"""An alarm on GPUs that are paid for but idle, so that a forgotten endpoint is noticed within hours and not on the bill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdk_sglang.serving.alarms.alarms import make_alarm
from cdk_sglang.serving.alarms.choice import Alarms
from cdk_sglang.serving.alarms.metrics import ENDPOINT_NAMESPACE
from cdk_sglang.spec.alarms import NoAlarms
from cdk_sglang.spec.idle_alarm import IdleAlarm

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch
    from constructs import Construct

_HOUR_SECONDS: Final = 3600


def make_idle_alarm(
    scope: Construct,
    idle: IdleAlarm,
    *,
    choice: Alarms | NoAlarms | None,
    endpoint_name: str,
    variant_name: str,
) -> cloudwatch.CfnAlarm:
    """Create the alarm; an endpoint that is scaled to zero publishes no data and never raises it.

    Args:
        scope: The endpoint.
        idle: When its GPUs count as idle.
        choice: Targets that the alarm notifies.
        endpoint_name: Name of the endpoint.
        variant_name: Name of its production variant.
    """
    return make_alarm(
        scope,
        "Idle",
        choice=choice,
        description=(
            f"GPUs of {endpoint_name} have been paid for and idle for {idle.for_hours} hours. Let its components go to zero "
            "(scaling: {min_copies: 0}), stop it at night (nightly_stop), or delete it"
        ),
        namespace=ENDPOINT_NAMESPACE,
        metric_name="GPUUtilizationNormalized",
        dimensions={"EndpointName": endpoint_name, "VariantName": variant_name},
        statistic="Maximum",
        period_seconds=_HOUR_SECONDS,
        evaluation_periods=idle.for_hours,
        threshold=idle.gpu_below_percent,
        comparison="LessThanThreshold",
        missing="notBreaching",
    )
