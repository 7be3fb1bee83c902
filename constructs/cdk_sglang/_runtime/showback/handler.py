"""Entry point of the showback function: EventBridge Scheduler calls it every few minutes and once a day, `cdk-sglang costs --today` on demand."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from . import logic
from .store import Store

_log = logging.getLogger()
_log.setLevel(logging.INFO)
_config = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=5, read_timeout=20)


@cache
def _aws() -> logic.Aws:
    session = boto3.Session()
    return logic.Aws(
        sagemaker=session.client("sagemaker", config=_config),
        cloudwatch=session.client("cloudwatch", config=_config),
        session=session,
        scaling=session.client("application-autoscaling", config=_config),
        store=Store(s3=session.client("s3", config=_config), bucket=os.environ["BUCKET"]),
    )


@cache
def _settings(bucket: str, key: str) -> dict[str, Any]:
    body = _aws().store.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    settings: dict[str, Any] = json.loads(body)
    return settings


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do one of the jobs; Lambda retries twice after an exception, and then sends the event to the queue."""
    settings = _settings(os.environ["SETTINGS_BUCKET"], os.environ["SETTINGS_KEY"])
    now = dt.datetime.now(tz=dt.UTC)
    due = dt.datetime.fromisoformat(event["time"]) if event.get("time") else now
    now = max(now, due)  # a slow clock must not date a sample before its scheduled time

    def seconds_left() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000

    match event["do"]:
        case "sample":
            result = logic.sample(_aws(), settings, due=due, now=now, seconds_left=seconds_left)
        case "report":
            result = logic.report_days(_aws(), settings, today=due.date(), seconds_left=seconds_left)
        case "today":
            return logic.running_day(_aws(), settings, now=now)
        case other:
            raise ValueError(f"unknown job {other!r}")
    _log.info(json.dumps({"did": event["do"], **result}))
    return result
