"""Start a run of a pipeline under its own name: EventBridge would give the execution a name that is not a run's."""

from __future__ import annotations

import datetime as dt
import functools
import json
import logging
import os
from typing import Any

import boto3
from botocore.config import Config

from .logic import run_name, start

_log = logging.getLogger()
_log.setLevel(logging.INFO)


@functools.cache
def _client() -> Any:
    return boto3.client(
        "stepfunctions", config=Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=5)
    )


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Start a run, unless one is running.

    Args:
        event: `{"reason": "schedule" | "alarm", "id": ...}`; the same id is the same run, however often the event is delivered.
        context: Lambda's; not used.
    """
    del context
    run = run_name(dt.datetime.now(tz=dt.UTC), str(event.get("id") or os.urandom(8).hex()))
    started = start(
        _client(), state_machine=os.environ["STATE_MACHINE"], run=run, reason=str(event.get("reason") or "start")
    )
    _log.info(json.dumps({"run": run, "started": started, "reason": event.get("reason")}))
    return {"run": run if started else None, "started": started}
