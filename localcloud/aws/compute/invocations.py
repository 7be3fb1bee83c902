"""Asynchronous invocations of Lambda functions: a failed event is retried twice, then sent to the dead-letter queue."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.awslambda.models import LambdaFunction, lambda_backends
from moto.awslambda.utils import get_backend
from moto.core.exceptions import ServiceException
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from werkzeug.exceptions import HTTPException

from localcloud.aws import faults
from localcloud.aws.clock import clock

_RETRY_AFTER_S = (60, 120)
"""Lambda waits a minute before the first retry and two before the second (invocation-async page, read 2026-11-26)."""
_lock = threading.Lock()


@dataclass(kw_only=True)
class _Event:
    function: Any
    payload: str
    due: float
    attempt: int = 0


class InvokeError(Exception):
    """Invoke itself failed: the function does not exist, or the call was not permitted or throttled."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def find(account: str, region: str, name: str) -> Any:
    """Find a function.

    Raises:
        InvokeError: The function does not exist, or an injected fault refuses the call.
    """
    for fault, code in (("throttling", "TooManyRequestsException"), ("access-denied", "AccessDeniedException")):
        if faults.strikes(fault, "Invoke") or faults.strikes(fault, "lambda:InvokeFunction"):
            raise InvokeError(code, f"{code} (injected fault)")
    try:
        return get_backend(account, region).get_function(name)
    except (HTTPException, ServiceException, ValueError) as error:
        raise InvokeError("ResourceNotFoundException", f"Function not found: {name}") from error


def submit(function: Any, payload: str) -> None:
    """Queue an event for a function; it runs on the next tick of the clock."""
    _queue(_Event(function=function, payload=payload, due=clock().now()))


def _queue(event: _Event) -> None:
    """Keep the event in moto's backend, so that a reset of moto forgets it."""
    with _lock:
        backend = lambda_backends[event.function.account_id][event.function.region]
        backend.__dict__.setdefault("waiting", []).append(event)


def tick() -> None:
    """Run every event that is due."""
    now, due = clock().now(), []
    with _lock:
        for _, _, backend in list(lambda_backends.iter_backends()):
            if waiting := backend.__dict__.get("waiting"):
                due += [event for event in waiting if event.due <= now]
                waiting[:] = [event for event in waiting if event.due > now]
    for event in due:
        background(functools.partial(_run, event))


def background(work: Callable[[], None]) -> None:
    """Do the work in a thread of its own; on a driven clock it runs before this returns, unless it waits, so that a test sees the result."""
    clock().background(work, name="localcloud-invocation")


def _run(event: _Event) -> None:
    result, failed, _ = event.function._invoke_lambda(json.loads(event.payload))
    if not failed:
        return
    config = event.function.event_invoke_config[-1].config if event.function.event_invoke_config else {}
    event.attempt += 1
    if event.attempt <= int(config.get("MaximumRetryAttempts", len(_RETRY_AFTER_S))):
        event.due = clock().now() + _RETRY_AFTER_S[event.attempt - 1]
        _queue(event)
        return
    attributes = {"ErrorCode": "200", "ErrorMessage": json.loads(result).get("errorMessage", "")}
    if arn := getattr(event.function, "dead_letter_arn", None):
        send(event.function.account_id, arn, event.payload, attributes)
    if arn := config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"):
        context = {"functionArn": event.function.function_arn, "condition": "RetriesExhausted"}
        context |= {"approximateInvokeCount": event.attempt}
        record = {"version": "1.0", "timestamp": clock().utc().isoformat(), "requestContext": context}
        record |= {"requestPayload": json.loads(event.payload), "responsePayload": json.loads(result)}
        send(event.function.account_id, arn, json.dumps(record), {})


def send(account: str, arn: str, body: str, attributes: dict[str, str]) -> None:
    """Send a message to an SQS queue or an SNS topic; raises moto's exception if that does not exist."""
    service, region = arn.split(":")[2:4]
    typed = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value}
    if service == "sns":
        sns_backends[account][region].publish(body, arn=arn)
    else:
        sqs_backends[account][region].send_message(arn.rsplit(":", 1)[1], body, message_attributes=typed)


def _function(self: Any, account_id: str, spec: dict[str, Any], *args: Any, **options: Any) -> None:
    """Keep the dead-letter queue and the log group of a function, which moto drops."""
    _moto_function(self, account_id, spec, *args, **options)
    self.dead_letter_arn = spec.get("DeadLetterConfig", {}).get("TargetArn")
    self.logs_group_name = spec.get("LoggingConfig", {}).get("LogGroup") or self.logs_group_name


def _function_of_template(
    cls: type[Any],
    /,
    resource_name: str,
    cloudformation_json: dict[str, Any],
    account_id: str,
    region_name: str,
    **options: Any,
) -> Any:
    function = _moto_function_of_template(cls, resource_name, cloudformation_json, account_id, region_name, **options)
    properties = cloudformation_json["Properties"]
    kept = get_backend(account_id, region_name).get_function(function.function_name)
    kept.dead_letter_arn = properties.get("DeadLetterConfig", {}).get("TargetArn")
    kept.logs_group_name = properties.get("LoggingConfig", {}).get("LogGroup") or kept.logs_group_name
    return function


_moto_function = LambdaFunction.__init__
_moto_function_of_template = LambdaFunction.create_from_cloudformation_json.__func__


def install() -> None:
    """Add dead-letter queues and log groups to moto's functions."""
    LambdaFunction.__init__ = _function
    LambdaFunction.create_from_cloudformation_json = classmethod(_function_of_template)
