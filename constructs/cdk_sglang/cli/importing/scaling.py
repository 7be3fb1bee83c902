"""What scales a running component or variant, as an environment file states it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from cdk_sglang.cli.importing.notes import Notes
from cdk_sglang.cli.importing.running import Scaling, is_in_steps
from cdk_sglang.cli.importing.schedules import imported_schedules
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.spec.scaling import ComponentScaling
from cdk_sglang.spec.schedules import Bounds

_CONCURRENCY: Final = "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
_INVOCATIONS: Final = "SageMakerInferenceComponentInvocationsPerCopy"
_OF_VARIANTS: Final = {
    "SageMakerVariantInvocationsPerInstance": "invocations_per_minute",
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": "concurrency",
}
"""MetricType in botocore's model of Application Auto Scaling (1.44.5)."""
_LOW_RESOLUTION: Final = "SageMakerInferenceComponentConcurrentRequestsPerCopy"
_WAKING: Final = "NoCapacityInvocationFailures"
_DEFAULTS: Final = {"scale_out_cooldown_seconds": 60, "scale_in_cooldown_seconds": 300, "wake_after_seconds": 30}
_AWS_COOLDOWN_SECONDS: Final = 300
"""Assumed of a target-tracking policy that says none: botocore's model names a default and leaves its number to the user guide."""
_WAKE_PERIODS: Final = (10, 30, 60)

Alarms = Mapping[str, Mapping[str, Any]]


def imported_scaling(
    scaling: Scaling, alarms: Alarms, *, where: str, component_name: str, today: dt.date, notes: Notes
) -> dict[str, Any]:
    """Return the key `scaling` of a component; empty where nothing scales it.

    Args:
        scaling: What Application Auto Scaling stores for it.
        alarms: Alarms by name.
        where: Path of the component in the file.
        component_name: Its name in SageMaker.
        today: Day from which schedules count.
        notes: What a reader must know.
    """
    if scaling.target is None:
        return {}
    path = f"{where}.scaling"
    now = (scaling.target["MinCapacity"], scaling.target["MaxCapacity"])
    schedules = imported_schedules(scaling.actions, now, today=today)
    for name, why in schedules.refused.items():
        notes.lost(f"{path}.schedules", f"action {name}", f"nothing: {why}")
    low, high = schedules.own
    content: dict[str, Any] = {"min_copies": low, "max_copies": max(high, 1)}
    content |= _tracked(scaling, path=path, component_name=component_name, notes=notes)
    content |= _waking(scaling, alarms, path=path, own=schedules.own, notes=notes)
    if schedules.windows:
        if schedules.time_zone != "UTC":
            content["time_zone"] = schedules.time_zone
        content["schedules"] = schedules.windows
    content = {name: value for name, value in content.items() if _DEFAULTS.get(name) != value}
    try:
        ComponentScaling(**content)
    except ConfigurationError as error:
        reason = "; ".join(problem.text for problem in error.problems)
        if "schedules" in content:  # hours that do not exist, or bounds that contradict each other
            notes.lost(f"{path}.schedules", ", ".join(schedules.windows), f"none: {reason}")
            content = {name: value for name, value in content.items() if name not in {"schedules", "time_zone"}}
    if (
        content.keys() <= {"min_copies", "max_copies"} and low == high
    ):  # a target without a policy whose bounds are one number
        return {}
    return content


def _tracked(scaling: Scaling, *, path: str, component_name: str, notes: Notes) -> dict[str, Any]:
    """Return the target that is tracked, and its cooldowns."""
    policies = [policy for policy in scaling.policies if policy["PolicyType"] == "TargetTrackingScaling"]
    for policy in policies[1:]:
        notes.lost(path, f"a further target, policy {policy['PolicyName']}", "only the first")
    if not policies:
        if scaling.target is not None and scaling.target["MinCapacity"] != scaling.target["MaxCapacity"]:
            notes.changed(path, "bounds without a policy that follows load", "requests in flight, as planned")
        return {}
    config = policies[0]["TargetTrackingScalingPolicyConfiguration"]
    content = _target(config, path=path, component_name=component_name, notes=notes)
    for name, member in (("scale_out", "ScaleOutCooldown"), ("scale_in", "ScaleInCooldown")):
        content[f"{name}_cooldown_seconds"] = config.get(member, _AWS_COOLDOWN_SECONDS)
    if config.get("DisableScaleIn"):
        notes.lost(path, "scaling in is switched off", "copies are also removed")
    return content


def _target(config: Mapping[str, Any], *, path: str, component_name: str, notes: Notes) -> dict[str, Any]:
    value = _plain(config["TargetValue"])
    predefined = (config.get("PredefinedMetricSpecification") or {}).get("PredefinedMetricType", "")
    if predefined == _CONCURRENCY:
        return {"concurrency": value}
    if predefined == _INVOCATIONS:
        return {"invocations_per_minute": value}
    if predefined == _LOW_RESOLUTION:
        notes.changed(path, "requests in flight in 1-minute points", "in 10-second points")
        return {"concurrency": value}
    if predefined in _OF_VARIANTS:
        return {_OF_VARIANTS[predefined]: value}
    custom = config.get("CustomizedMetricSpecification") or {}
    metric = _formula(custom, value, component_name=component_name)
    if metric is None:
        notes.lost(path, predefined or "a metric that no formula expresses", "requests in flight, as planned")
        return {}
    return {"metric": metric}


def _formula(custom: Mapping[str, Any], target: float, *, component_name: str) -> dict[str, Any] | None:
    own = {"InferenceComponentName": component_name}

    def metric(described: Mapping[str, Any], statistic: str) -> dict[str, Any]:
        dimensions = {one["Name"]: one["Value"] for one in described.get("Dimensions", ())}
        found = {"name": described["MetricName"], "statistic": statistic}
        if described["Namespace"] != "AWS/SageMaker":
            found["namespace"] = described["Namespace"]
        return found if dimensions == own else {**found, "dimensions": dimensions}

    queries = custom.get("Metrics")
    if not queries:
        if "MetricName" not in custom:
            return None
        return {"expression": "m1", "metrics": {"m1": metric(custom, custom["Statistic"])}, "target": target}
    stats = {
        query["Id"]: metric(query["MetricStat"]["Metric"], query["MetricStat"]["Stat"])
        for query in queries
        if "MetricStat" in query
    }
    whole = [query for query in queries if query.get("ReturnData", True)]
    if len(whole) != 1 or len(stats) + ("Expression" in whole[0]) != len(queries):
        return None  # expressions of expressions
    return {"expression": whole[0].get("Expression", whole[0]["Id"]), "metrics": stats, "target": target}


def _waking(scaling: Scaling, alarms: Alarms, *, path: str, own: Bounds, notes: Notes) -> dict[str, Any]:
    """Return how soon a component at zero is woken, and note which step policies are something else."""
    content: dict[str, Any] = {}
    woken = False
    for policy in scaling.policies:
        if not is_in_steps(policy):
            continue
        watched = [alarm for alarm in alarms.values() if policy["PolicyARN"] in alarm.get("AlarmActions", ())]
        waking = next((alarm for alarm in watched if alarm.get("MetricName") == _WAKING), None)
        if waking is None and (watched or not policy["PolicyName"].endswith("-wake")):
            notes.lost(path, f"policy in steps {policy['PolicyName']}", "none; the target alone is followed")
            continue
        woken = True
        seconds = 30 if waking is None else waking.get("Period", 30)
        content["wake_after_seconds"] = min(_WAKE_PERIODS, key=lambda known: abs(known - seconds))
    if not woken and own[0] == 0 < own[1]:
        notes.changed(path, "nothing starts the first copy", "a request that finds none starts one")
    return content


def _plain(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value
