"""Application Auto Scaling for component copies: alarms are evaluated on the clock, and their policies act.

A target-tracking policy makes the two alarms AWS makes for it, so alarms are the only thing that triggers anything.
"""

from __future__ import annotations

import enum
import math
from datetime import UTC
from typing import Any

from moto.applicationautoscaling import models, responses
from moto.cloudwatch.models import cloudwatch_backends
from moto.sagemaker.exceptions import SagemakerClientError

from localcloud.clock import clock
from localcloud.operations import call
from localcloud.store import LOCK, Component, Store, stores

DIMENSION = "sagemaker:inference-component:DesiredCopyCount"
_EVALUATION_S = 10
_COOLDOWN_S = 300
"""Default of both target-tracking cooldowns for inference components (TargetTrackingScalingPolicyConfiguration)."""
_HIGH_POINTS, _LOW_POINTS = 3, 15
_LOW_SHARE = 0.9
"""AWS's alarms for target tracking: 3 points above the target, 15 one-minute points below 90 % of it."""
_PREDEFINED = {
    "SageMakerInferenceComponentInvocationsPerCopy": ("InvocationsPerCopy", "Sum", 60),
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": ("ConcurrentRequestsPerCopy", "Maximum", 10),
}
_STATISTICS: dict[str, Any] = {
    "Sum": sum,
    "Average": lambda values: sum(values) / len(values),
    "Minimum": min,
    "Maximum": max,
    "SampleCount": len,
}
_COMPARE: dict[str, Any] = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


def tick() -> None:
    """Evaluate every alarm, act on those that are in ALARM, keep copies within the targets' bounds."""
    with LOCK:
        for state in stores():
            if clock().now() - state.last_alarms < _EVALUATION_S:
                continue
            state.last_alarms = clock().now()
            _bounds(state)
            backend = models.applicationautoscaling_backends[state.account][state.region]
            policies = {policy.policy_arn: policy for policy in backend.policies.values()}
            for alarm in list(cloudwatch_backends[state.account][state.region].alarms.values()):
                value = _evaluate(state, alarm)
                if alarm.state_value == "ALARM" and alarm.actions_enabled and value is not None:
                    for action in alarm.alarm_actions or []:
                        if action in policies:
                            _act(state, policies[action], alarm, value)


def _points(state: Store, alarm: Any) -> list[float | None]:
    """The alarm's last periods, newest first; None where there is no data."""
    period, now = int(alarm.period), clock().now()
    wanted = {(dimension.name, dimension.value) for dimension in alarm.dimensions}
    periods: list[list[float]] = [[] for _ in range(int(alarm.evaluation_periods))]
    for datum in cloudwatch_backends[state.account][state.region].metric_data:
        if (datum.namespace, datum.name) != (alarm.namespace, alarm.metric_name):
            continue
        if {(dimension.name, dimension.value) for dimension in datum.dimensions} != wanted:
            continue
        stamp = datum.timestamp if datum.timestamp.tzinfo else datum.timestamp.replace(tzinfo=UTC)
        age = math.floor((now - stamp.timestamp()) / period)
        if 0 <= age < len(periods):
            periods[age].append(datum.value if hasattr(datum, "value") else datum.sum)
    statistic = _percentile(alarm.extended_statistic) if alarm.extended_statistic else _STATISTICS[alarm.statistic]
    return [float(statistic(values)) if values else None for values in periods]


def _percentile(name: str) -> Any:
    share = float(name.removeprefix("p")) / 100
    return lambda values: sorted(values)[min(len(values) - 1, math.floor(share * len(values)))]


def _evaluate(state: Store, alarm: Any) -> float | None:
    """Set the alarm's state; the value that decided it, if there is one."""
    if not alarm.metric_name or alarm.comparison_operator not in _COMPARE:
        return None
    points = _points(state, alarm)
    known = [point for point in points if point is not None]
    missing = alarm.treat_missing_data or "missing"
    compare = _COMPARE[alarm.comparison_operator]
    breaching = sum(compare(point, alarm.threshold) for point in known)
    if missing == "breaching":
        breaching += len(points) - len(known)
    if breaching >= (alarm.datapoints_to_alarm or len(points)):
        new = "ALARM"
    elif known or missing in ("notBreaching", "breaching"):
        new = "OK"
    else:
        new = alarm.state_value if missing == "ignore" else "INSUFFICIENT_DATA"
    if new != alarm.state_value:
        alarm.update_state(f"Threshold Crossed: {len(known)} of {len(points)} datapoints", "{}", new)
    return known[0] if known else None


def _target(state: Store, resource_id: str) -> tuple[Any, Component] | None:
    backend = models.applicationautoscaling_backends[state.account][state.region]
    target = backend.targets.get(DIMENSION, {}).get(resource_id)
    component = state.components.get(resource_id.partition("/")[2])
    return (target, component) if target and component else None


def _bounds(state: Store) -> None:
    for resource_id in models.applicationautoscaling_backends[state.account][state.region].targets.get(DIMENSION, {}):
        found = _target(state, resource_id)
        if found:
            target, component = found
            _scale(state, component, min(max(component.desired, target.min_capacity), target.max_capacity))


def _scale(state: Store, component: Component, copies: int) -> bool:
    if copies == component.desired or component.status != "InService":
        return False
    request = {"InferenceComponentName": component.name, "DesiredRuntimeConfig": {"CopyCount": copies}}
    try:
        call(state.account, state.region, "UpdateInferenceComponentRuntimeConfig", request)
    except SagemakerClientError:
        return False  # in the middle of an update: scaling waits
    return True


def _act(state: Store, policy: Any, alarm: Any, value: float) -> None:
    found = _target(state, policy.resource_id)
    if not found:
        return
    target, component = found
    suspended = target.suspended_state or {}
    tracking = policy.target_tracking_scaling_policy_configuration
    if tracking:
        wanted = math.ceil(component.desired * value / tracking["TargetValue"])
        grows = alarm.comparison_operator.startswith("Greater")
        wanted = max(wanted, component.desired + 1) if grows else min(wanted, component.desired)
        if not grows and str(tracking.get("DisableScaleIn", False)).lower() == "true":
            return
        cooldown = float(tracking.get("ScaleOutCooldown" if grows else "ScaleInCooldown", _COOLDOWN_S))
    else:
        steps = policy.step_scaling_policy_configuration
        wanted = _step(steps, component.desired, value - alarm.threshold)
        grows = wanted > component.desired
        cooldown = float(steps.get("Cooldown", 0))
    wanted = min(max(wanted, target.min_capacity), target.max_capacity)
    blocked = suspended.get("DynamicScalingOutSuspended" if grows else "DynamicScalingInSuspended", False)
    last = state.policy_runs.get(policy.policy_arn, -math.inf)
    due = clock().now() - last >= cooldown
    if due and not blocked and _scale(state, component, wanted):
        state.policy_runs[policy.policy_arn] = clock().now()


def _step(steps: dict[str, Any], present: int, beyond: float) -> int:
    """The count a step policy asks for, the metric being `beyond` the alarm's threshold."""
    for step in steps.get("StepAdjustments", []):
        low = float(step.get("MetricIntervalLowerBound", -math.inf))
        high = float(step.get("MetricIntervalUpperBound", math.inf))
        if low <= beyond < high:
            change = int(step["ScalingAdjustment"])
            kind = steps.get("AdjustmentType")
            if kind == "ExactCapacity":
                return change
            if kind == "PercentChangeInCapacity":
                share = present * change / 100
                least = int(steps.get("MinAdjustmentMagnitude", 1))
                return present + int(math.copysign(max(abs(math.trunc(share)), least), change))
            return present + change
    return present


def _create_alarms(self: Any) -> None:
    """Make the alarms of a target-tracking policy on a component; moto makes those of the services it knows."""
    if self.policy_type != "TargetTrackingScaling" or self.scalable_dimension != DIMENSION:
        _moto_create_alarms(self)
        return
    tracking = self.target_tracking_scaling_policy_configuration
    predefined = tracking.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
    custom = tracking.get("CustomizedMetricSpecification", {})
    if predefined not in _PREDEFINED and not custom.get("MetricName"):
        return  # metric math is not evaluated here
    metric, statistic, period = _PREDEFINED.get(predefined) or (custom["MetricName"], custom["Statistic"], 60)
    name = self.resource_id.partition("/")[2]
    dimensions = custom.get("Dimensions") or [{"Name": "InferenceComponentName", "Value": name}]
    target = float(tracking["TargetValue"])
    cloudwatch = cloudwatch_backends[self.account_id][self.region_name]
    high = ("AlarmHigh", "GreaterThanThreshold", _HIGH_POINTS, period, target)
    low = ("AlarmLow", "LessThanThreshold", _LOW_POINTS, 60, target * _LOW_SHARE)
    for side, operator, points, seconds, threshold in (high, low):
        alarm = cloudwatch.put_metric_alarm(
            name=f"TargetTracking-{self.resource_id}-{side}-{self._guid}",
            namespace=custom.get("Namespace", "AWS/SageMaker"),
            metric_name=metric,
            comparison_operator=operator,
            evaluation_periods=points,
            period=seconds,
            threshold=threshold,
            statistic=statistic,
            description=f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {self.policy_arn}",
            dimensions=dimensions,
            alarm_actions=[self.policy_arn],
        )
        alarm.state_value = "INSUFFICIENT_DATA"
        self.alarms.append(alarm)


def _put_scaling_policy(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Keep ARN and alarms of a policy that is put again."""
    key = models.FakeApplicationAutoscalingPolicy.formulate_key(
        *(kwargs.get(name, value) for name, value in _key_arguments(args, kwargs))
    )
    before = self.policies.get(key)
    if before:
        before.delete_alarms(self.account_id, self.region_name)
    policy = _moto_put_scaling_policy(self, *args, **kwargs)
    if before:
        policy.delete_alarms(self.account_id, self.region_name)
        policy.policy_arn, policy._guid, policy.alarms = before.policy_arn, before._guid, []
        policy.create_alarms()
    return policy


def _key_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[str, Any]]:
    names = ("policy_name", "service_namespace", "resource_id", "scalable_dimension")
    given = dict(zip(names, args, strict=False)) | kwargs
    return [(name, given[name]) for name in (*names[1:], names[0])]


_moto_create_alarms = models.FakeApplicationAutoscalingPolicy.create_alarms
_moto_put_scaling_policy = models.ApplicationAutoscalingBackend.put_scaling_policy


def install() -> None:
    """Teach moto the dimension, and its policies their alarms."""
    known = {member.name: member.value for member in models.ScalableDimensionValueSet}
    extended = enum.Enum("ScalableDimensionValueSet", known | {"INFERENCE_COMPONENT": DIMENSION})  # type: ignore[misc]
    models.ScalableDimensionValueSet = responses.ScalableDimensionValueSet = extended
    models.FakeApplicationAutoscalingPolicy.create_alarms = _create_alarms
    models.ApplicationAutoscalingBackend.put_scaling_policy = _put_scaling_policy
