"""EventBridge: events of AWS services on the default bus, sent to the Lambda, SQS and SNS targets of the rules that match."""

from __future__ import annotations

import json
import uuid
from datetime import UTC
from typing import Any

from jsonpath_ng.parser import JsonPathParser
from moto.core.exceptions import ServiceException
from moto.events.models import events_backends
from moto.events.utils import EventTemplateParser
from werkzeug.exceptions import HTTPException

from localcloud.aws.clock import clock
from localcloud.aws.compute import invocations


def publish(
    account: str, region: str, *, source: str, detail_type: str, resources: list[str], detail: dict[str, Any]
) -> None:
    """Send an event of a service to the targets of every enabled rule of the default bus that matches it."""
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": account,
        "time": clock().utc().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": resources,
        "detail": detail,
    }
    for rule in list(events_backends[account][region].event_buses["default"].rules.values()):
        if rule.state == "ENABLED" and rule.event_pattern.get_pattern() and rule.event_pattern.matches_event(event):
            for target in rule.targets:
                _deliver(account, target, _input(target, event))


def _input(target: dict[str, Any], event: dict[str, Any]) -> str:
    """Text that a target gets: the event, a part of it, a constant or a template."""
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        found = JsonPathParser().parse(target["InputPath"]).find(event)
        return json.dumps(found[0].value if found else None)
    if transformer := target.get("InputTransformer"):
        timed = event | {"ingestion-time": event["time"]}
        paths = transformer.get("InputPathsMap", {})
        return json.dumps(EventTemplateParser.parse(transformer["InputTemplate"], paths, timed))
    return json.dumps(event)


def _deliver(account: str, target: dict[str, Any], payload: str) -> None:
    arn = target["Arn"]
    service, region = arn.split(":")[2:4]
    try:
        if service == "lambda":
            invocations.submit(invocations.find(account, region, arn), payload)
        elif service in ("sqs", "sns"):
            invocations.send(account, arn, payload, {})
    except (invocations.InvokeError, HTTPException, ServiceException) as error:
        if queue := target.get("DeadLetterConfig", {}).get("Arn"):
            attributes = {"ERROR_CODE": type(error).__name__, "ERROR_MESSAGE": str(error), "TARGET_ARN": arn}
            invocations.send(account, queue, payload, attributes)
