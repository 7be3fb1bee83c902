"""Scaling policies of inference components: alarms are evaluated as time passes, and change the number of copies.

A target-tracking policy creates the two alarms that AWS creates for it, so every change is triggered by an alarm.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Any

from moto.applicationautoscaling import models, responses
from moto.cloudwatch.models import cloudwatch_backends
from moto.sagemaker.exceptions import SagemakerClientError

from localcloud.aws.clock import clock
from localcloud.aws.hosting.operations import call
from localcloud.aws.hosting.records import Component
from localcloud.aws.hosting.store import LOCK, Store, stores
from localcloud.aws.metrics import alarms
from localcloud.aws.scaling import activities
from localcloud.aws.scaling.activities import DIMENSION, Activity

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


def tick() -> None:
    """Keep copies within the bounds of their scalable targets, evaluate every alarm, run the policies of those in ALARM."""
    with LOCK:
        for state in stores():
            if clock().now() // _EVALUATION_S != state.last_alarms // _EVALUATION_S:
                state.last_alarms = clock().now()
                activities.settle(state)
                _bounds(state)
                alarms.evaluate(state)


def _scale_by_policies(state: Store, alarm: Any, value: float) -> None:
    """Run the scaling policies among an alarm's actions on the value that decided it."""
    policies = models.applicationautoscaling_backends[state.account][state.region].policies.values()
    for policy in list(policies):
        if policy.policy_arn in (alarm.alarm_actions or []):
            _act(state, policy, alarm, value)


def _target(state: Store, resource_id: str) -> tuple[Any, Component] | None:
    backend = models.applicationautoscaling_backends[state.account][state.region]
    target = backend.targets.get(DIMENSION, {}).get(resource_id)
    component = state.components.get(resource_id.partition("/")[2])
    return (target, component) if target and component else None


def _bounds(state: Store) -> None:
    for resource_id in models.applicationautoscaling_backends[state.account][state.region].targets.get(DIMENSION, {}):
        pair = _target(state, resource_id)
        if pair:
            target, component = pair
            before, copies = component.desired, min(max(component.desired, target.min_capacity), target.max_capacity)
            if _scale(state, component, copies):
                side = "minimum" if copies > before else "maximum"
                cause = f"{side} capacity was set to {copies}"
                activities.scaled(state, Activity(resource_id=resource_id, before=before, after=copies, cause=cause))


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
    pair = _target(state, policy.resource_id)
    if not pair:
        return
    target, component = pair
    suspended = target.suspended_state or {}
    tracking = policy.target_tracking_scaling_policy_configuration
    if tracking:
        copies = math.ceil(component.desired * value / tracking["TargetValue"])
        grows = alarm.comparison_operator.startswith("Greater")
        copies = max(copies, component.desired + 1) if grows else min(copies, component.desired)
        if not grows and str(tracking.get("DisableScaleIn", False)).lower() == "true":
            return
        cooldown = float(tracking.get("ScaleOutCooldown" if grows else "ScaleInCooldown", _COOLDOWN_S))
    else:
        steps = policy.step_scaling_policy_configuration
        copies = _step(steps, component.desired, value - alarm.threshold)
        grows = copies > component.desired
        cooldown = float(steps.get("Cooldown", 0))
    goal, before = copies, component.desired
    copies = min(max(copies, target.min_capacity), target.max_capacity)
    blocked = suspended.get("DynamicScalingOutSuspended" if grows else "DynamicScalingInSuspended", False)
    last = state.policy_runs.get(policy.policy_arn, -math.inf)
    if blocked or clock().now() - last < cooldown:
        return
    decision = Activity(
        resource_id=policy.resource_id,
        before=before,
        after=copies,
        cause=f"monitor alarm {alarm.name} in state ALARM triggered policy {policy.policy_name}",
        figures=_figures(alarm, value),
    )
    if _scale(state, component, copies):
        state.policy_runs[policy.policy_arn] = clock().now()
        activities.scaled(state, decision)
    elif copies == before != goal:
        decision.not_scaled = "AlreadyAtMaxCapacity" if goal > before else "AlreadyAtMinCapacity"
        activities.not_scaled(state, decision)


def _figures(alarm: Any, value: float) -> str:
    """The value that triggered the alarm, next to its threshold."""
    side = "above" if alarm.comparison_operator.startswith("Greater") else "below"
    return f"{alarm.metric_name or 'metric math'} {value:.4g}, {side} {float(alarm.threshold):.4g}"


def _step(steps: dict[str, Any], present: int, beyond: float) -> int:
    """Number of copies by a step policy when the metric is `beyond` the alarm's threshold."""
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
    """Create the alarms of a target-tracking policy on a component; moto creates those for the services that it knows."""
    if self.policy_type != "TargetTrackingScaling" or self.scalable_dimension != DIMENSION:
        _moto_create_alarms(self)
        return
    tracking = self.target_tracking_scaling_policy_configuration
    predefined = tracking.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
    custom = tracking.get("CustomizedMetricSpecification", {})
    if predefined not in _PREDEFINED and not custom.get("MetricName") and not custom.get("Metrics"):
        return  # a metric of another kind of target
    name = self.resource_id.partition("/")[2]
    target, period = float(tracking["TargetValue"]), _PREDEFINED.get(predefined, ("", "", 60))[2]
    high = ("AlarmHigh", "GreaterThanThreshold", _HIGH_POINTS, period, target)
    low = ("AlarmLow", "LessThanThreshold", _LOW_POINTS, 60, target * _LOW_SHARE)
    for side, operator, points, seconds, threshold in (high, low):
        alarm = cloudwatch_backends[self.account_id][self.region_name].put_metric_alarm(
            name=f"TargetTracking-{self.resource_id}-{side}-{self._guid}",
            comparison_operator=operator,
            evaluation_periods=points,
            threshold=threshold,
            description=f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {self.policy_arn}",
            alarm_actions=[self.policy_arn],
            **_watched(predefined, custom, name, seconds),
        )
        self.alarms.append(alarm)


def _watched(predefined: str | None, custom: dict[str, Any], component: str, period: int) -> dict[str, Any]:
    """Arguments that name the metric, or the metric math, of a target-tracking policy's alarm."""
    if custom.get("Metrics"):
        queries = alarms.moto_queries(custom["Metrics"])
        nothing = dict.fromkeys(("namespace", "metric_name", "statistic", "period"))
        return nothing | {"metric_data_queries": queries, "dimensions": []}
    own = (custom.get("MetricName", ""), custom.get("Statistic", ""), 60)
    metric, statistic, _ = _PREDEFINED.get(predefined or "", own)
    return {
        "namespace": custom.get("Namespace", "AWS/SageMaker"),
        "metric_name": metric,
        "statistic": statistic,
        "period": period,
        "dimensions": custom.get("Dimensions") or [{"Name": "InferenceComponentName", "Value": component}],
    }


def _put_scaling_policy(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Keep the ARN and the alarms of a policy that is replaced."""
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
    arguments = dict(zip(names, args, strict=False)) | kwargs
    return [(name, arguments[name]) for name in (*names[1:], names[0])]


_moto_create_alarms = models.FakeApplicationAutoscalingPolicy.create_alarms
_moto_put_scaling_policy = models.ApplicationAutoscalingBackend.put_scaling_policy


def install() -> None:
    """Add the scalable dimension to moto, and alarms to its policies."""
    known = {member.name: member.value for member in models.ScalableDimensionValueSet}
    new_enum: Callable[..., Any] = enum.Enum  # mypy refuses a call of Enum itself whose members it cannot read
    extended = new_enum("ScalableDimensionValueSet", known | {"INFERENCE_COMPONENT": DIMENSION})
    models.ScalableDimensionValueSet = responses.ScalableDimensionValueSet = extended
    alarms.on_alarm(_scale_by_policies)
    models.FakeApplicationAutoscalingPolicy.create_alarms = _create_alarms
    models.ApplicationAutoscalingBackend.put_scaling_policy = _put_scaling_policy
