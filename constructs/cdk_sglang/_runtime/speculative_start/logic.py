"""Names of runs, and the start of one."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import Any


def run_name(now: dt.datetime, event_id: str) -> str:
    """Return the name of a run: its time, and four hexadecimal digits of the event that starts it.

    Args:
        now: Time of the start.
        event_id: Distinguishes two events of the same second.
    """
    digits = hashlib.sha256(event_id.encode()).hexdigest()[:4]
    return f"r{now.astimezone(dt.UTC):%Y%m%dT%H%M%S}-{digits}"


def start(client: Any, *, state_machine: str, run: str, reason: str) -> bool:
    """Start an execution with the name of its run; False if one is running already.

    Args:
        client: boto3's client of Step Functions.
        state_machine: ARN of the state machine.
        run: Name of the run.
        reason: What started it: schedule or alarm.
    """
    running = client.list_executions(stateMachineArn=state_machine, statusFilter="RUNNING", maxResults=1)
    if running["executions"]:
        return False
    client.start_execution(
        stateMachineArn=state_machine, name=run, input=json.dumps({"run": run, "reason": reason}, sort_keys=True)
    )
    return True
