"""Entry point of the function that publishes whether a deployment is running, called by EventBridge Scheduler every minute."""

from __future__ import annotations

import json
import logging
import os
from typing import Any

import boto3
from botocore.config import Config

from . import logic

_log = logging.getLogger()
_log.setLevel(logging.INFO)
_config = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=3, read_timeout=10)


def look(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Check the stacks once; after an exception the next minute's call checks again."""
    watched = json.loads(os.environ["WATCHED"])
    running = logic.any_runs(boto3.client("cloudformation", config=_config), watched["stacks"])
    logic.publish(
        boto3.client("cloudwatch", config=_config),
        namespace=watched["namespace"],
        endpoint=watched["endpoint"],
        running=running,
    )
    if running:
        _log.info(json.dumps({"endpoint": watched["endpoint"], "running": running}))
    return {"running": running}
