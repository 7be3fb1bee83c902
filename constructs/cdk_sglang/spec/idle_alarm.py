"""When the GPUs of an endpoint count as idle."""

from __future__ import annotations

from pydantic import Field

from cdk_sglang.validation import Spec


class IdleAlarm(Spec):
    """When an endpoint counts as forgotten: its GPUs are paid for but idle."""

    _noun = "idle_alarm"

    gpu_below_percent: float = Field(default=1, gt=0, le=100)
    """Combined utilisation of the endpoint's GPUs below which they count as idle, in percent."""
    # An alarm with one-hour periods can evaluate at most a week
    # (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html, read 2026-11); a delay of a day is long enough.
    for_hours: int = Field(default=3, ge=1, le=24)
    """Consecutive hours below that utilisation after which the alarm fires."""
