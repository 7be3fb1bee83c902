"""Events of the last deployment: of each stack, what CloudFormation did since it last began."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

EVENTS_MAX: Final = 40
_BEGINS: Final = {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS"}
"""States of a stack with which an operation begins; a rollback belongs to the one that failed
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html, read 2026-11)."""
_STACK: Final = "AWS::CloudFormation::Stack"


def read_events(cloudformation: Any, stacks: Sequence[str]) -> list[dict[str, Any]]:
    """Return the events of the last operation of each stack, the newest first; failures before those that only fill the list.

    Args:
        cloudformation: Client of CloudFormation.
        stacks: Names of the stacks; one that does not exist has no events.
    """
    found = [event for stack in stacks for event in _last_operation(_events(cloudformation, stack))]
    found.sort(key=lambda event: event["Timestamp"], reverse=True)
    failed = [event for event in found if "FAILED" in event["ResourceStatus"] or event["ResourceType"] == _STACK]
    kept = set(list(dict.fromkeys(map(id, [*failed, *found])))[:EVENTS_MAX])
    return [_content(event) for event in found if id(event) in kept]


def _events(cloudformation: Any, stack: str) -> list[Mapping[str, Any]]:
    """The newest events of a stack: one page, of which AWS decides the length."""
    try:
        found: list[Mapping[str, Any]] = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    except ClientError as error:
        if "does not exist" in str(error):
            return []
        raise
    return found


def _last_operation(events: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for event in events:
        yield event
        of_stack = event["ResourceType"] == _STACK and event["LogicalResourceId"] == event["StackName"]
        if of_stack and event["ResourceStatus"] in _BEGINS:
            return


def _content(event: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "time": event["Timestamp"].timestamp(),
        "what": f"{event['StackName']} {event['LogicalResourceId']} ({event['ResourceType']})",
        "state": event["ResourceStatus"],
        "reason": event.get("ResourceStatusReason", ""),
    }
