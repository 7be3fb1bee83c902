"""How long SageMaker waits for a new copy: time-outs derived from the weight of the weights.

The planner's times are doubled, since a time-out that is too short kills a copy that would have served, while one that is too
long only delays an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.serving.shared.tokens import is_token

# StartupParameters of an inference component: botocore 1.44.5, sagemaker CreateInferenceComponent.
TIMEOUT_MIN_SECONDS: Final = 60
TIMEOUT_MAX_SECONDS: Final = 3600

_BYTES_PER_GB: Final = 1e9


@checked_fields
@dataclass(frozen=True, kw_only=True)
class StartupTimeouts:
    """What SageMaker allows a new copy before it gives up.

    Args:
        download_seconds: For the weights to come from S3; 60 to 3,600.
        health_check_seconds: From the container's start to its first successful `/ping`; 60 to 3,600.
    """

    download_seconds: int
    health_check_seconds: int

    def __post_init__(self) -> None:
        problems = [
            Problem(f"startup.{name}", f"{value} is not allowed; use {TIMEOUT_MIN_SECONDS} to {TIMEOUT_MAX_SECONDS}")
            for name, value in (
                ("download_seconds", self.download_seconds),
                ("health_check_seconds", self.health_check_seconds),
            )
            if not TIMEOUT_MIN_SECONDS <= value <= TIMEOUT_MAX_SECONDS and not is_token(value)
        ]
        if problems:
            raise ConfigurationError(problems)

    @staticmethod
    @checked()
    def for_weights(weights_bytes: float | None, instances: Sequence[GpuInstance]) -> StartupTimeouts:
        """Derive both from the planner's start-up times on the slowest of the types; unknown size gives the longest allowed.

        Args:
            weights_bytes: Size of the weights in bytes; None if unknown.
            instances: Instance types that a copy may start on.
        """
        if weights_bytes is None:
            return StartupTimeouts(download_seconds=TIMEOUT_MAX_SECONDS, health_check_seconds=TIMEOUT_MAX_SECONDS)
        from cdk_sglang.planning import start_up  # noqa: PLC0415  loads numpy, a quarter of a second

        planned = [start_up(weights_bytes / _BYTES_PER_GB, instance) for instance in instances]
        return StartupTimeouts(
            download_seconds=max(times.download_timeout for times in planned),
            health_check_seconds=max(times.startup_timeout for times in planned),
        )


# A component that nobody asks is at zero fifteen minutes after it began to serve at the earliest (target tracking's scale-in alarm looks at
# fifteen one-minute points): a pause as long as that would swallow the next request that is to wake it.
_WAKE_PAUSE_MAX_SECONDS: Final = 840
_WAKE_PAUSE_UNKNOWN_SECONDS: Final = 600


def pause_after_waking(weights_bytes: float | None, instances: Sequence[GpuInstance]) -> int:
    """Return the seconds in which a component that was woken must not be woken again: its planned start from nothing.

    Callers keep trying while the first copy starts, and each failed try is a reason for another copy.
    """
    if weights_bytes is None:
        return _WAKE_PAUSE_UNKNOWN_SECONDS
    from cdk_sglang.planning import start_up  # noqa: PLC0415  loads numpy, a quarter of a second

    slowest = max(start_up(weights_bytes / _BYTES_PER_GB, instance).from_zero for instance in instances)
    return min(_WAKE_PAUSE_MAX_SECONDS, int(slowest))
