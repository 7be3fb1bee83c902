"""Alarms on the findings of a reservation's guard: days left, an endpoint that runs on demand, a move that failed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from cdk_sglang.serving.alarms.alarms import Comparison, make_alarm
from cdk_sglang.serving.capacity.context import ReservedEndpoint

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch
    from constructs import Construct

METRIC_NAMESPACE: Final = "cdk-sglang/Reservations"
ALARM_DAYS: Final = (14, 3, 1)
_HOUR_SECONDS: Final = 3600


def make_reservation_alarms(guard: Construct, endpoint: ReservedEndpoint) -> None:
    """Create the alarms of an endpoint on reserved capacity.

    Args:
        guard: Parent of the alarms.
        endpoint: The endpoint, with its plan and the targets that its alarms notify.
    """
    make = partial(_make, guard, endpoint)
    name, move = endpoint.name, endpoint.move
    plan = endpoint.reservation.training_plan.rpartition("/")[2]
    after = (
        f"it moves to on-demand instances {move.hours_before} hours before the end, and costs on-demand prices from then on"
        if move is not None
        else "it loses its instances 30 minutes before the end; change its capacity before, see docs/capacity.md"
    )
    for days in ALARM_DAYS:
        make(
            f"DaysLeft{days}",
            metric="DaysLeft",
            statistic="Minimum",
            threshold=days,
            comparison="LessThanOrEqualToThreshold",
            description=f"{name}: training plan {plan} ends within {days} days; {after}. Without data: nobody looks at the plan.",
            without_data=days == ALARM_DAYS[0],  # missing data means that the guard does not work
        )
    make(
        "RunsOnDemand",
        metric="OnDemand",
        description=(
            f"{name} does not run on training plan {plan} (any more) and costs on-demand prices: take `reserved` out of its capacity, or "
            "name another plan, and deploy"
        ),
    )
    if move is not None:
        make(
            "MoveFailed",
            metric="MoveFailed",
            description=(
                f"{name} is to leave training plan {plan} and could not; the next attempt is within the hour, the reason in the log "
                "of its function"
            ),
        )


def _make(
    guard: Construct,
    endpoint: ReservedEndpoint,
    construct_id: str,
    *,
    metric: str,
    description: str,
    statistic: str = "Maximum",
    threshold: float = 1,
    comparison: Comparison = "GreaterThanOrEqualToThreshold",
    without_data: bool = False,
) -> cloudwatch.CfnAlarm:
    return make_alarm(
        guard,
        construct_id,
        choice=endpoint.alarms,
        description=description,
        namespace=METRIC_NAMESPACE,
        metric_name=metric,
        dimensions={"EndpointName": endpoint.name},
        statistic=statistic,
        period_seconds=_HOUR_SECONDS,
        evaluation_periods=2,  # the hours of the schedule are not aligned with clock hours
        datapoints_to_alarm=1,
        threshold=threshold,
        comparison=comparison,
        missing="missing",
        without_data=without_data,
    )
