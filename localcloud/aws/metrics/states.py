"""State changes of alarms of any kind."""

from __future__ import annotations

from typing import Any

from localcloud.aws.clock import clock
from localcloud.aws.hosting.store import Store
from localcloud.aws.metrics import notifications

_REASON_MAX = 1023  # StateReason (botocore 1.44.5)


def move(state: Store, alarm: Any, new: str, reason: str, *, acts: bool = True) -> bool:
    """Set the state of an alarm, and notify its topics unless `acts` is off; return whether the state has changed."""
    old = alarm.state_value
    if new == old:
        return False
    alarm.update_state(reason[:_REASON_MAX], "{}", new)
    if new == "ALARM":
        alarm.alarmed_at = clock().now()
    alarm.state_updated_timestamp = alarm.state_transitioned_timestamp = clock().utc().replace(tzinfo=None)
    if acts:
        notifications.alarm_changed(state.account, state.region, alarm, old)
    return True
