"""One parameter of the serving stack changes, and the component's guarded rollout does the rest: start it, and follow it to its end."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import typer

from cdk_sglang.cli.aws import fail, failures_of
from cdk_sglang.cli.eagle.pipeline import parameters_of
from cdk_sglang.cli.eagle.show import duration

if TYPE_CHECKING:
    from cdk_sglang.cli.eagle.pipeline import Pipeline

POLL_SECONDS: Final = 15.0
_CAPABILITIES: Final = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")
_UPDATED: Final = ("UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
_ROLLED_BACK: Final = ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED")
_AT_REST: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
_REASONS_MAX: Final = 3
_sleep: Callable[[float], None] = time.sleep


def check_at_rest(pipeline: Pipeline, stack: dict[str, Any]) -> None:
    """End the command if the serving stack cannot be updated now."""
    status = str(stack["StackStatus"])
    if status.endswith("_IN_PROGRESS"):
        fail(
            f"stack {pipeline.place.stack} is {status}: another deployment or promotion; try again when it has ended",
            code=1,
        )
    if status not in _AT_REST:
        fail(
            f"stack {pipeline.place.stack} is {status}; bring it to a stable state first (cdk-sglang deploy, or CloudFormation's console)",
            code=1,
        )


def set_version(pipeline: Pipeline, value: str, *, token: str) -> None:
    """Set the parameter, and follow the update to its end; end the command if it is rolled back.

    Args:
        pipeline: The pipeline.
        value: Value of the parameter.
        token: Name of this request, which identifies its events.
    """
    place, stack = pipeline.place, pipeline.stack()
    check_at_rest(pipeline, stack)
    parameters = [
        {"ParameterKey": name, "ParameterValue": value}
        if name == place.parameter
        else {"ParameterKey": name, "UsePreviousValue": True}
        for name in parameters_of(stack)
    ]
    with failures_of(f"cloudformation:UpdateStack {place.stack}"):
        try:
            pipeline.cloudformation.update_stack(
                StackName=place.stack,
                UsePreviousTemplate=True,
                Parameters=parameters,
                Capabilities=list(_CAPABILITIES),
                ClientRequestToken=token,
            )
        except pipeline.cloudformation.exceptions.ClientError as error:
            if "no updates are to be performed" not in str(error).lower():
                raise
            typer.echo("nothing to change: the stack has this version already")
            return
    _follow(pipeline, value, token=token)


def _follow(pipeline: Pipeline, value: str, *, token: str) -> None:
    place, began, last = pipeline.place, dt.datetime.now(tz=dt.UTC), ""
    typer.echo(f"{place.stack} rolls out; copies are replaced as the component's rollout says")
    try:
        while True:
            stack = pipeline.stack()
            status = str(stack["StackStatus"])
            took = duration((dt.datetime.now(tz=dt.UTC) - began).total_seconds())
            if status != last:
                typer.echo(f"{status} after {took}")
                last = status
            if status in _UPDATED and parameters_of(stack).get(place.parameter) == value:
                return
            if status in _ROLLED_BACK:
                why = "; ".join(_reasons(pipeline, token)) or "CloudFormation gives no reason"
                fail(
                    f"the update was rolled back, and the previous version serves: {why}; fix the cause (logs of the new copies, alarms of the "
                    "rollout), and try again",
                    code=1,
                )
            if not status.endswith("_IN_PROGRESS"):
                fail(
                    f"stack {place.stack} is {status} without the version: something else has updated it; check its events",
                    code=1,
                )
            _sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        fail(
            f"stopped looking; CloudFormation goes on with {place.stack}. See it: cdk-sglang eagle status {place.options}; roll it back: "
            f"aws cloudformation cancel-update-stack --stack-name {place.stack}",
            code=1,
        )


def _reasons(pipeline: Pipeline, token: str) -> list[str]:
    """Return the first failures of an update."""
    found: list[tuple[dt.datetime, str]] = []
    with failures_of("cloudformation:DescribeStackEvents"):
        pages = pipeline.cloudformation.get_paginator("describe_stack_events").paginate(StackName=pipeline.place.stack)
        for page in pages:
            for event in page["StackEvents"]:
                reason = " ".join(str(event.get("ResourceStatusReason", "")).split())
                own = event.get("ClientRequestToken") in {None, token}
                failed = str(event.get("ResourceStatus", "")).endswith("_FAILED")
                if own and failed and reason and "cancelled" not in reason.lower():
                    found.append((event["Timestamp"], f"{event['LogicalResourceId']}: {reason}"))
    return list(dict.fromkeys(text for _, text in sorted(found)))[:_REASONS_MAX]
