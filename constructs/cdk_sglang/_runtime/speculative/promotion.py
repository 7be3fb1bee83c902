"""Promotion: one parameter of the serving stack changes, and the component's guarded rollout does the rest, or CloudFormation rolls it back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from . import registry
from .base_model import current_files, live_model, serves_base
from .clients import Aws
from .config import BASE_VALUE, Config
from .copying import RECORD
from .ends import (
    BASE_CHANGED,
    FAILED,
    PROMOTION_ROLLED_BACK,
    EndError,
    Throttled,
    answered,
    code_of,
    is_throttle,
    message_of,
)
from .event import Event
from .store import content_hash, read

WAIT_SECONDS = 60
BUSY_MAX = 4 * 3600.0
"""Seconds within which another deployment of the stack has to end."""
UPDATE_MAX = 12 * 3600.0
_CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")
_UPDATED = ("UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
_ROLLED_BACK = ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED")
_AGAIN = "start again, for the model as it is now: cdk-sglang eagle start"
_REASONS_MAX = 3
_REASON_MAX = 300


def promote(
    aws: Aws, config: Config, event: Event, now: dt.datetime, seconds_left: Callable[[], float]
) -> dict[str, Any]:
    """Start the update of the serving stack; another deployment in progress is waited for.

    Raises:
        EndError: The base model has changed, or the stack cannot be updated.
        Throttled: CloudFormation throttles requests.
    """
    del seconds_left
    before = event.result("promotion")
    value = event.result("verdict")["value"]
    request_time = before.get("asked") or now.isoformat()
    running = {
        "state": "running",
        "wait_seconds": WAIT_SECONDS,
        "value": value,
        "asked": request_time,
        "started": False,
    }
    stack = stack_of(aws, config)
    if stack is None:
        raise EndError(FAILED, f"stack {config.stack} does not exist", "deploy the environment, and start again")
    parameters = parameters_of(stack)
    if config.parameter not in parameters:
        raise EndError(
            BASE_CHANGED,
            f"stack {config.stack} has no parameter {config.parameter} any more: the component has another base model",
            _AGAIN,
        )
    status = stack["StackStatus"]
    if status.endswith("_IN_PROGRESS"):
        if parameters[config.parameter] == value:
            return {**running, "started": True}
        waited = (now - dt.datetime.fromisoformat(request_time)).total_seconds()
        if waited > BUSY_MAX:
            raise EndError(
                FAILED,
                f"stack {config.stack} has been {status} for {waited / 3600:.1f} h",
                f"when it has ended: cdk-sglang eagle promote --run {event.run}",
            )
        return running
    if parameters[config.parameter] == value and status in _UPDATED:
        return {**running, "state": "done", "started": True}
    _same_base(aws, config, event)
    arn = event.result("verdict")["model_package_arn"]
    registry.decide(aws.sagemaker, arn, registry.APPROVED, f"gate passed; promoted by run {event.run}")
    before_value = parameters[config.parameter]
    request = {
        "StackName": config.stack,
        "UsePreviousTemplate": True,
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": value}
            if name == config.parameter
            else {"ParameterKey": name, "UsePreviousValue": True}
            for name in parameters
        ],
        "Capabilities": list(_CAPABILITIES),
        "ClientRequestToken": event.run,
    }
    try:
        aws.cloudformation.update_stack(**request)
    except ClientError as error:
        text = message_of(error)
        if is_throttle(error):
            raise Throttled(f"UpdateStack: {code_of(error)}") from error
        if "no updates are to be performed" in text.lower():
            return {**running, "state": "done", "started": True}
        if code_of(error) != "TokenAlreadyExistsException":  # a call whose response was lost has started it
            reason = f"CloudFormation refuses the update of {config.stack}: {code_of(error)}: {text}"
            registry.decide(aws.sagemaker, arn, registry.REJECTED, reason)
            raise EndError(FAILED, reason, "fix the stack (cdk-sglang deploy), and start again") from error
    return {**running, "started": True, "before": before_value}


def watch(
    aws: Aws, config: Config, event: Event, now: dt.datetime, seconds_left: Callable[[], float]
) -> dict[str, Any]:
    """Check the update once.

    Raises:
        EndError: CloudFormation rolled it back, or the stack was changed by someone else meanwhile.
    """
    before = event.result("promotion")
    if not before.get("started"):
        return promote(aws, config, event, now, seconds_left)
    stack = stack_of(aws, config)
    value, arn = before["value"], event.result("verdict")["model_package_arn"]
    status = "deleted" if stack is None else stack["StackStatus"]
    serving = "" if stack is None else parameters_of(stack).get(config.parameter, "")
    if status in _UPDATED and serving == value:
        return {**before, "state": "done"}
    if status in _ROLLED_BACK:
        why = reasons(aws, config, event.run) or "CloudFormation gives no reason"
        reason = f"the rollout of {event.run} was rolled back: {why}"
        registry.decide(aws.sagemaker, arn, registry.REJECTED, reason)
        step = "the version before serves; see the new copies' logs and the alarms of the rollout, fix the cause, and start again"
        if status == "UPDATE_ROLLBACK_FAILED":
            step = f"the roll-back itself failed: continue it in CloudFormation (aws cloudformation continue-update-rollback --stack-name {config.stack})"
        raise EndError(PROMOTION_ROLLED_BACK, reason, step)
    waited = (now - dt.datetime.fromisoformat(before["asked"])).total_seconds()
    if status.endswith("_IN_PROGRESS") and waited <= UPDATE_MAX:
        return {**before, "state": "running", "wait_seconds": WAIT_SECONDS}
    reason = f"stack {config.stack} is {status} with {serving or 'no value'} instead of {event.run} after {waited / 3600:.1f} h"
    registry.decide(aws.sagemaker, arn, registry.REJECTED, reason)
    raise EndError(
        FAILED, reason, "see the stack's events: somebody else has deployed it; start again when it is at rest"
    )


def stack_of(aws: Aws, config: Config) -> dict[str, Any] | None:
    """Return the serving stack; None if it does not exist."""
    found = answered(aws.cloudformation.describe_stacks, StackName=config.stack)
    return None if found is None else dict(found["Stacks"][0])


def parameters_of(stack: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of a stack's parameters by name."""
    return {one["ParameterKey"]: one.get("ParameterValue", "") for one in stack.get("Parameters", ())}


def serving_run(aws: Aws, config: Config) -> str:
    """Return the run whose version the stack serves; empty while the base serves alone."""
    stack = stack_of(aws, config)
    value = BASE_VALUE if stack is None else parameters_of(stack).get(config.parameter, BASE_VALUE)
    version = value.partition(",")[0]
    return "" if version == "base" else version


def reasons(aws: Aws, config: Config, run: str) -> str:
    """Return why an update was rolled back: the first failures of its events, those of the update's own token where events have one."""
    found: list[tuple[dt.datetime, str]] = []
    for page in aws.cloudformation.get_paginator("describe_stack_events").paginate(StackName=config.stack):
        for item in page["StackEvents"]:
            token = item.get("ClientRequestToken")
            if token not in {None, run}:
                continue
            text = " ".join(str(item.get("ResourceStatusReason", "")).split())
            if str(item.get("ResourceStatus", "")).endswith("_FAILED") and text and "cancelled" not in text.lower():
                found.append((item["Timestamp"], f"{item['LogicalResourceId']}: {text[:_REASON_MAX]}"))
    return "; ".join(dict.fromkeys(text for _, text in sorted(found)[:_REASONS_MAX]))


def _same_base(aws: Aws, config: Config, event: Event) -> None:
    """Reject a draft for a base that is no longer the component's, and an incomplete version."""
    live = live_model(aws, config)
    if live is None or not serves_base(config, live[1]):
        raise EndError(
            BASE_CHANGED, f"component {config.component} serves another model than {config.base.uri} by now", _AGAIN
        )
    if content_hash(current_files(aws.s3, config)) != event.result("inputs")["base"]["hash"]:
        raise EndError(
            BASE_CHANGED,
            f"the base model below {config.base.uri} has changed since the run began; the draft is for the earlier one",
            _AGAIN,
        )
    if config.kind in {"eagle", "draft"}:
        key = f"{config.version_prefix(event.run)}{RECORD}"
        if read(aws.s3, config.bucket, key) is None:
            raise EndError(FAILED, f"version {event.run} is not whole: s3://{config.bucket}/{key} is missing", _AGAIN)
