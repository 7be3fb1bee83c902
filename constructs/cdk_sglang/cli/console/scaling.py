"""What Application Auto Scaling may do with the components, and what it has decided, with its reason."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

_SERVICE: Final = "sagemaker"
_KIND: Final = "inference-component/"
_DIMENSION: Final = "sagemaker:inference-component:DesiredCopyCount"
DECISIONS_MAX: Final = 20
_PAGE: Final = 50
_AFTER: Final = re.compile(r"\bto (\d+)\b")
"""The new number in `Setting desired copy count to 3.`, AWS's words for other services too
(https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DescribeScalingActivities.html, read 2026-11)."""
_SUSPENDED: Final = {
    "DynamicScalingInSuspended": "scaling in",
    "DynamicScalingOutSuspended": "scaling out",
    "ScheduledScalingSuspended": "schedules",
}


def read_decisions(scaling: Any, components: Collection[str]) -> list[dict[str, Any]]:
    """Return the newest activities of components, those that changed nothing included.

    Args:
        scaling: Client of Application Auto Scaling.
        components: Names of the components.
    """
    found: list[Mapping[str, Any]] = []
    for component in sorted(components):  # of the whole account, other fleets could crowd these out
        found += scaling.describe_scaling_activities(
            ServiceNamespace=_SERVICE,
            ResourceId=f"{_KIND}{component}",
            ScalableDimension=_DIMENSION,
            IncludeNotScaledActivities=True,
            MaxResults=_PAGE,
        )["ScalingActivities"]
    found.sort(key=lambda one: one["StartTime"], reverse=True)
    return [_decision(one, _before(one, found[number + 1 :])) for number, one in enumerate(found[:DECISIONS_MAX])]


def _decision(one: Mapping[str, Any], before: int | None) -> dict[str, Any]:
    reasons = one.get("NotScaledReasons") or []
    after = before if reasons else _after(one)
    ended = one.get("EndTime")
    return {
        "time": one["StartTime"].timestamp(),
        "ended": None if ended is None else ended.timestamp(),
        "component": _component(one["ResourceId"]),
        "before": before,
        "after": after,
        "cause": one.get("Cause") or one.get("Description", ""),
        "figures": "",
        "status": reasons[0]["Code"] if reasons else one["StatusCode"],
        "message": one.get("StatusMessage", ""),
    }


def _before(one: Mapping[str, Any], older: list[Mapping[str, Any]]) -> int | None:
    """Copies before an activity: AWS tells them where nothing was scaled; else they are those of the activity before, if it is known."""
    for reason in one.get("NotScaledReasons") or []:
        if reason.get("CurrentCapacity") is not None:
            return int(reason["CurrentCapacity"])
    scaled = (
        other for other in older if other["ResourceId"] == one["ResourceId"] and not other.get("NotScaledReasons")
    )
    return next((_after(other) for other in scaled), None)


def _after(one: Mapping[str, Any]) -> int | None:
    match = _AFTER.search(one.get("Description", ""))
    return int(match[1]) if match else None


def read_bounds(scaling: Any, components: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return bounds and policies of components that scale.

    Args:
        scaling: Client of Application Auto Scaling.
        components: Names of the components.

    Returns:
        By component: ``least`` and ``most`` copies, ``policies`` in words, and ``suspended``, what is suspended of it.
    """
    targets = scaling.get_paginator("describe_scalable_targets").paginate(ServiceNamespace=_SERVICE)
    found = {
        _component(one["ResourceId"]): {
            "least": one["MinCapacity"],
            "most": one["MaxCapacity"],
            "policies": [],
            "suspended": ", ".join(
                words for key, words in _SUSPENDED.items() if (one.get("SuspendedState") or {}).get(key)
            ),
        }
        for page in targets
        for one in page["ScalableTargets"]
        if _component(one["ResourceId"]) in components
    }
    if not found:
        return found
    for page in scaling.get_paginator("describe_scaling_policies").paginate(ServiceNamespace=_SERVICE):
        for one in page["ScalingPolicies"]:
            if (name := _component(one["ResourceId"])) in found:
                found[name]["policies"].append(_policy(one))
    return found


def _policy(one: Mapping[str, Any]) -> str:
    tracking = one.get("TargetTrackingScalingPolicyConfiguration")
    if tracking is None:
        alarms = ", ".join(alarm["AlarmName"] for alarm in one.get("Alarms", ()))
        return f"in steps, by the alarm {alarms}" if alarms else "in steps, by no alarm"
    predefined = tracking.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
    custom = tracking.get("CustomizedMetricSpecification", {})
    metric = (predefined or "").removeprefix("SageMakerInferenceComponent") or custom.get("MetricName") or "metric math"
    only_out = ", scale-out only" if tracking.get("DisableScaleIn") else ""
    return f"keeps {metric} at {tracking['TargetValue']:g}{only_out}"


def _component(resource: str) -> str:
    return resource.removeprefix(_KIND) if resource.startswith(_KIND) else ""
