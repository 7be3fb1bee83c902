"""Alarms of an environment that are in ALARM."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from cdk_sglang.cli.status.report import FiringAlarm
from cdk_sglang.observability.alarms.catalogue import DEPLOYMENT_METRIC

if TYPE_CHECKING:
    from cdk_sglang.observability.observed_fleet import ObservedFleet

_DIMENSIONS: Final = frozenset({"EndpointName", "InferenceComponentName"})
_GENERATED: Final = r"-[A-Za-z0-9]+-[A-Za-z0-9]{8,}"
"""What CloudFormation appends to a stack's name: a logical id and random characters, neither with a hyphen in it, so that the alarms of
prod-eu are not taken for those of prod."""
_SCALING_POLICY: Final = re.compile(r"arn:[^:]*:autoscaling:[^:]*:[^:]*:scalingPolicy:")
"""Beginning of the ARN of a policy of Application Auto Scaling, as an alarm's action
(https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScalingPolicy.html, read 2026-12)."""


def firing_alarms(cloudwatch: Any, fleet: ObservedFleet) -> tuple[FiringAlarm, ...]:
    """Return the environment's alarms in ALARM: those of its stacks, and those on metrics of its endpoints and components.

    Alarms that only scale are left out: one of the two of a policy is in ALARM whenever a component could do with fewer copies.

    Args:
        cloudwatch: boto3's client of CloudWatch.
        fleet: The environment.
    """
    stacks = [re.compile(re.escape(name) + _GENERATED) for name in fleet.stack_names]
    names = {endpoint.endpoint_name for endpoint in fleet.endpoints}
    names |= {component.component_name for endpoint in fleet.endpoints for component in endpoint.components}
    pages = cloudwatch.get_paginator("describe_alarms").paginate(
        StateValue="ALARM", AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    alarms = [alarm for page in pages for alarm in (*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ()))]
    return tuple(
        FiringAlarm(
            name=alarm["AlarmName"],
            since=alarm.get("StateTransitionedTimestamp") or alarm.get("StateUpdatedTimestamp"),
            next_step=" ".join(alarm.get("AlarmDescription", "").split()),
            is_fault=alarm.get("MetricName") != DEPLOYMENT_METRIC,
        )
        for alarm in sorted(alarms, key=lambda alarm: str(alarm["AlarmName"]))
        if not _only_scales(alarm)
        and (
            any(stack.fullmatch(alarm["AlarmName"]) for stack in stacks)
            or any(name in names for name in _watched(alarm))
        )
    )


def _only_scales(alarm: dict[str, Any]) -> bool:
    actions = alarm.get("AlarmActions") or ()
    return bool(actions) and all(_SCALING_POLICY.match(action) for action in actions)


def _watched(alarm: dict[str, Any]) -> Iterator[str]:
    """Yield the endpoints and components whose metrics an alarm reads."""
    metrics = [alarm, *(one.get("MetricStat", {}).get("Metric", {}) for one in alarm.get("Metrics", ()))]
    for metric in metrics:
        for dimension in metric.get("Dimensions", ()):
            if dimension["Name"] in _DIMENSIONS:
                yield dimension["Value"]
