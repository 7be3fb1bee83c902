"""When the GPUs of an endpoint count as idle."""

from __future__ import annotations

from pydantic import Field

from cdk_sglang.validation import Spec


class IdleAlarm(Spec):
    """When an endpoint counts as forgotten: its GPUs are paid for and do nothing."""

    _noun = "idle_alarm"

    gpu_below_percent: float = Field(default=1, gt=0, le=100)
    """Utilisation in percent that the endpoint's GPUs together never reached."""
    # An alarm with periods of an hour looks back a week at most
    # (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html, read 2026-11); a day late is late enough.
    for_hours: int = Field(default=3, ge=1, le=24)
    """Hours in a row without reaching it."""
