"""How long SageMaker waits for a new copy: time-outs derived from the size of the weights.

The planner's times are doubled: a time-out that is too short kills a copy that would have served, while one that is too long only
delays an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.spec.startup import TIMEOUT_MAX_SECONDS, StartupTimeouts

_BYTES_PER_GB: Final = 1e9


def timeouts_for_weights(weights_bytes: float | None, instances: Sequence[GpuInstance]) -> StartupTimeouts:
    """Derive both time-outs from the planner's start-up times on the slowest of the types.

    Args:
        weights_bytes: Size of the weights; if unknown, the time-outs are the longest allowed.
        instances: Types that a copy may start on.
    """
    if weights_bytes is None:
        return StartupTimeouts(download_seconds=TIMEOUT_MAX_SECONDS, health_check_seconds=TIMEOUT_MAX_SECONDS)
    from cdk_sglang.planning import start_up

    planned = [start_up(weights_bytes / _BYTES_PER_GB, instance) for instance in instances]
    return StartupTimeouts(
        download_seconds=max(times.download_timeout for times in planned),
        health_check_seconds=max(times.startup_timeout for times in planned),
    )


# Without requests, a component is back at zero copies fifteen minutes after it began to serve at the earliest (target tracking's scale-in
# alarm evaluates fifteen one-minute points). A pause as long as that would ignore the next request that should wake it.
_WAKE_PAUSE_MAX_SECONDS: Final = 840
_WAKE_PAUSE_UNKNOWN_SECONDS: Final = 600


def pause_after_waking(weights_bytes: float | None, instances: Sequence[GpuInstance]) -> int:
    """Return the seconds for which a component that was woken must not be woken again: its planned start-up time from zero.

    Callers retry while the first copy starts, and each failed request would start another copy.
    """
    if weights_bytes is None:
        return _WAKE_PAUSE_UNKNOWN_SECONDS
    from cdk_sglang.planning import start_up

    slowest = max(start_up(weights_bytes / _BYTES_PER_GB, instance).from_zero for instance in instances)
    return min(_WAKE_PAUSE_MAX_SECONDS, int(slowest))
