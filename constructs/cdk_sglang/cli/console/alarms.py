"""The environment's alarms with their states: those of its stacks, those of its scaling policies, and others in alarm on its metrics."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from cdk_sglang.cli.status.firing import firing_alarms

if TYPE_CHECKING:
    from cdk_sglang.observability.observed_fleet import ObservedFleet

_ORDER: Final = {"ALARM": 0, "INSUFFICIENT_DATA": 1, "OK": 2}
_SCALING: Final = "TargetTracking-"
"""Beginning of the names of alarms that a scaling policy creates, before the resource
(https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html, read 2026-11)."""
_ADDRESS: Final = re.compile(r"https?://[^\s)\"'<>]+")
_TYPES: Final = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
_AT_ONCE: Final = 100
"""Names of one DescribeAlarms
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html, read 2026-11)."""
_LIST_S: Final = 300.0
"""Seconds for which the list of a stack's alarms is kept, which only a deployment changes."""


class AlarmReader:
    """Reads the alarms of an environment, as often as it is asked to.

    Args:
        fleet: The environment.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, fleet: ObservedFleet, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fleet = fleet
        self._clock = clock
        self._names: list[str] = []
        self._listed = float("-inf")

    def read(self, cloudwatch: Any, cloudformation: Any) -> list[dict[str, Any]]:
        """Return the environment's alarms: those in ALARM first, those of scaling policies last.

        Args:
            cloudwatch: Client of CloudWatch.
            cloudformation: Client of CloudFormation.
        """
        if self._clock() - self._listed >= _LIST_S:
            self._names = [name for stack in self._fleet.stack_names for name in _alarms_of(cloudformation, stack)]
            self._listed = self._clock()
        found = {alarm["AlarmName"]: _content(alarm) for alarm in self._described(cloudwatch)}
        for firing in firing_alarms(cloudwatch, self._fleet):
            if firing.name not in found:
                since = 0.0 if firing.since is None else firing.since.timestamp()
                found[firing.name] = _row(name=firing.name, state="ALARM", since=since, description=firing.next_step)
        order = len(_ORDER)
        return sorted(found.values(), key=lambda one: (one["scaling"], _ORDER.get(one["state"], order), one["name"]))

    def _described(self, cloudwatch: Any) -> Iterator[Mapping[str, Any]]:
        for first in range(0, len(self._names), _AT_ONCE):
            yield from _pages(cloudwatch, AlarmNames=self._names[first : first + _AT_ONCE])
        for endpoint in self._fleet.endpoints:
            components = {one.component_name for one in endpoint.components}
            prefix = f"{_SCALING}inference-component/{endpoint.endpoint_name}-"
            for alarm in _pages(cloudwatch, AlarmNamePrefix=prefix):
                if _component_of(alarm["AlarmName"]) in components:
                    yield alarm


def _pages(cloudwatch: Any, **which: Any) -> Iterator[Mapping[str, Any]]:
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm", "CompositeAlarm"], **which)
    for page in pages:
        yield from (*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ()))


def _alarms_of(cloudformation: Any, stack: str) -> list[str]:
    """Names of a stack's alarms; none of a stack that does not exist."""
    try:
        pages = list(cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack))
    except ClientError as error:
        if "does not exist" in str(error):
            return []
        raise
    resources = [one for page in pages for one in page["StackResourceSummaries"]]
    return [
        one["PhysicalResourceId"]
        for one in resources
        if one["ResourceType"] in _TYPES and one.get("PhysicalResourceId")
    ]


def _component_of(name: str) -> str:
    """Component of an alarm `TargetTracking-inference-component/<component>-AlarmHigh-<id>`."""
    return name.partition("/")[2].partition("-Alarm")[0]


def _content(alarm: Mapping[str, Any]) -> dict[str, Any]:
    since = alarm.get("StateTransitionedTimestamp") or alarm.get("StateUpdatedTimestamp")
    return _row(
        name=alarm["AlarmName"],
        state=alarm["StateValue"],
        since=0.0 if since is None else since.timestamp(),
        description=alarm.get("AlarmDescription", ""),
        arn=alarm["AlarmArn"],
        silent=not alarm.get("ActionsEnabled", True),
        reason=alarm.get("StateReason", ""),
    )


def _row(
    *, name: str, state: str, since: float, description: str, arn: str = "", silent: bool = False, reason: str = ""
) -> dict[str, Any]:
    address = _ADDRESS.search(description)
    return {
        "name": name,
        "arn": arn,
        "state": state,
        "reason": reason,
        "since": since,
        "description": description,
        "runbook": address[0].rstrip(".,;") if address else "",
        "scaling": name.startswith(_SCALING),
        "silent": silent,
    }
