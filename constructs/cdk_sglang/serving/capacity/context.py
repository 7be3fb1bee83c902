"""The endpoint as the guard of its reservation sees it."""

from __future__ import annotations

from dataclasses import dataclass

from cdk_sglang.serving.alarms.choice import Alarms
from cdk_sglang.serving.shared.log_options import LogOptions
from cdk_sglang.spec.alarms import NoAlarms
from cdk_sglang.spec.reservation import OnDemandMove, Reservation


@dataclass(frozen=True, kw_only=True)
class ReservedEndpoint:
    """An endpoint on reserved capacity, by its names and options.

    Args:
        name: Name of the endpoint.
        reservation: Training plan it runs on.
        move: Move to on-demand instances before the plan ends; None if only alarms announce the end.
        role_arn: ARN of the execution role, which a config copy of the move passes to SageMaker.
        alarms: Targets that the alarms notify; None if unspecified.
        log_options: Retention, key and removal of the functions' logs.
    """

    name: str
    reservation: Reservation
    move: OnDemandMove | None
    role_arn: str
    alarms: Alarms | NoAlarms | None
    log_options: LogOptions
