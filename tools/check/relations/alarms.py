"""Alarms that can fire and scaling that has no hole: what CloudWatch and Application Auto Scaling take and never act upon, or refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from cdk_sglang.metrics.cloudwatch import cloudwatch_metrics
from tools.check.graph import Environment, Graph, literal, references
from tools.check.relations.order import POLICY, TARGET

_ALARM: Final = "AWS::CloudWatch::Alarm"
_HOUR: Final = 3600
_DAY: Final = 86_400
_WEEK: Final = 7 * _DAY
_HIGH_RESOLUTION: Final = (10, 20, 30)
_PERCENT: Final = 100

DIMENSIONS: Final[Mapping[str, str]] = {
    "EndpointName": "endpoints",
    "InferenceComponentName": "components",
    "VariantName": "variants",
}
"""Dimensions whose values are names of the environment, with the set that holds them."""

SAME: Final = ("ServiceNamespace", "ScalableDimension")
"""Properties that a policy has in common with its target: they are the key of the target."""


def findings(graph: Graph, environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield place and message of each alarm that cannot fire as meant, and of each scaling that stops in the middle."""
    for name, alarm in graph.of_type(_ALARM).items():
        properties = alarm["Properties"]
        for message in (*_windows(properties), *_levels(properties), *_named(properties, environment)):
            yield name, message
        for found in references(properties.get("AlarmActions", [])):
            if found.target in graph.of_type(POLICY):
                yield from (
                    (name, message) for message in _wakes(properties, graph.resources[found.target]["Properties"])
                )
    for name, policy in graph.of_type(POLICY).items():
        yield from ((name, message) for message in _of_policy(policy["Properties"], graph))
    yield from _asleep(graph)


def _windows(alarm: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with an alarm's periods: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html."""
    period, number = _number(alarm.get("Period")), _number(alarm.get("EvaluationPeriods"))
    if period is not None and (period <= 0 or (period % 60 and period not in _HIGH_RESOLUTION)):
        yield f"Period {period:g} is none of 10, 20, 30 and multiples of 60 seconds"
    if period is not None and number is not None:
        most = _WEEK if period >= _HOUR else _DAY
        if period * number > most:
            yield f"Period times EvaluationPeriods is {period * number:g} seconds, at most {most} are allowed"
    enough = _number(alarm.get("DatapointsToAlarm"))
    if enough is not None and number is not None and enough > number:
        yield f"DatapointsToAlarm {enough:g} is more than EvaluationPeriods {number:g}"


def _levels(alarm: Mapping[str, Any]) -> Iterator[str]:
    """Yield why an alarm on a metric fires never, or always: no metric here is below 0, and no share is above 100 percent."""
    if "MetricName" not in alarm:
        return
    threshold, comparison = _number(alarm.get("Threshold")), str(alarm.get("ComparisonOperator"))
    metric = cloudwatch_metrics().get((literal(alarm.get("Namespace")) or "", literal(alarm["MetricName"]) or ""))
    if threshold is None:
        yield "has no Threshold, and nothing to compare its metric with"
        return
    if threshold < 0 or (threshold == 0 and comparison in {"LessThanThreshold", "GreaterThanOrEqualToThreshold"}):
        yield f"{comparison} {threshold:g} holds always or never: the metric is never below 0"
    normalized = metric is not None and metric.unit == "Percent" and metric.name.endswith("Normalized")
    if normalized and (threshold > _PERCENT or (threshold == _PERCENT and comparison == "GreaterThanThreshold")):
        yield f"{comparison} {threshold:g} never holds: the metric is at most 100"
    if alarm.get("TreatMissingData") == "breaching":
        yield "takes missing data for a breach: its metric has none while nothing happens, or no instance runs"
    if alarm.get("TreatMissingData") is None:
        yield "does not say what missing data is: its metric has none while nothing happens"
    failures = (metric is not None and metric.statistic == "Sum") or metric is None
    if failures and comparison.startswith("LessThan"):
        yield f"{comparison} on a count of failures: it fires while nothing fails"


def _named(alarm: Mapping[str, Any], environment: Environment) -> Iterator[str]:
    metrics = [entry["MetricStat"]["Metric"] for entry in alarm.get("Metrics", []) if "MetricStat" in entry]
    for metric in (alarm, *metrics):
        for dimension in metric.get("Dimensions", []):
            known = getattr(environment, DIMENSIONS.get(str(dimension.get("Name")), ""), None)
            value = dimension.get("Value")
            if known and isinstance(value, str) and value not in known:
                yield f"{dimension['Name']} is {value}, and the environment has {', '.join(sorted(known))}"


def _wakes(alarm: Mapping[str, Any], policy: Mapping[str, Any]) -> Iterator[str]:
    """Yield why an alarm does not wake the component of its policy."""
    if "StepScalingPolicyConfiguration" not in policy:
        yield "acts by a policy without steps: target tracking has alarms of its own"
        return
    values = {literal(dimension.get("Value")) for dimension in alarm.get("Dimensions", [])}
    component = (literal(policy.get("ResourceId")) or "").rpartition("/")[2]
    if component and component not in values:
        yield f"watches {', '.join(sorted(map(str, values))) or 'nothing'}, and its policy scales {component}"
    steps = policy["StepScalingPolicyConfiguration"].get("StepAdjustments", [])
    above = str(alarm.get("ComparisonOperator")).startswith("GreaterThan")
    if any((_number(step.get("ScalingAdjustment")) or 0) > 0 for step in steps) != above:
        yield f"{alarm.get('ComparisonOperator')} with steps that go the other way"
    if not any(_first(step) <= 0 < _last(step) for step in steps) and above:
        yield "no step begins at the threshold: nothing happens when the alarm fires"


def _of_policy(policy: Mapping[str, Any], graph: Graph) -> Iterator[str]:
    for target in graph.of_type(TARGET).values():
        if target["Properties"].get("ResourceId") == policy.get("ResourceId") and policy.get("ResourceId") is not None:
            for name in SAME:
                if policy.get(name) != target["Properties"].get(name):
                    yield f"{name} {policy.get(name)} is not its target's"
    steps = policy.get("StepScalingPolicyConfiguration")
    tracking = policy.get("TargetTrackingScalingPolicyConfiguration")
    meant = {"StepScaling": steps, "TargetTrackingScaling": tracking}.get(str(policy.get("PolicyType")))
    if meant is None:
        yield f"PolicyType {policy.get('PolicyType')} has no configuration of its kind"
    if isinstance(steps, Mapping):
        yield from _holes(steps.get("StepAdjustments", []))
    if isinstance(tracking, Mapping):
        value = _number(tracking.get("TargetValue"))
        if value is not None and value <= 0:
            yield f"TargetValue {value:g} is never reached: a target is above 0"


def _holes(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield holes and overlaps: https://docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html (step adjustments)."""
    if not steps:
        yield "has no step"
        return
    ordered = sorted(steps, key=_first)
    for one, other in pairwise(ordered):
        if _last(one) != _first(other):
            yield f"steps have a hole or overlap between {_last(one):g} and {_first(other):g}"
    if any(_first(step) >= _last(step) for step in steps):
        yield "a step ends before it begins"
    if _first(ordered[0]) > 0 or (_last(ordered[-1]) != float("inf") and _first(ordered[0]) >= 0):
        yield "steps do not begin at the threshold and go on without an end"
    if any(_number(step.get("ScalingAdjustment")) == 0 for step in steps):
        yield "a step changes nothing"


def _asleep(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield targets that may go to zero copies and that nothing wakes: target tracking has no metric without copies."""
    for name, target in graph.of_type(TARGET).items():
        if _number(target["Properties"].get("MinCapacity")) == 0:
            wakers = {
                policy
                for policy, resource in graph.of_type(POLICY).items()
                if resource["Properties"].get("ResourceId") == target["Properties"].get("ResourceId")
                and "StepScalingPolicyConfiguration" in resource["Properties"]
            }
            acting = {
                found.target
                for alarm in graph.of_type(_ALARM).values()
                for found in references(alarm["Properties"].get("AlarmActions", []))
            }
            if not wakers & acting:
                yield name, "may go to zero copies, and no alarm with a step policy wakes it"


def _first(step: Mapping[str, Any]) -> float:
    value = _number(step.get("MetricIntervalLowerBound"))
    return float("-inf") if value is None else value


def _last(step: Mapping[str, Any]) -> float:
    value = _number(step.get("MetricIntervalUpperBound"))
    return float("inf") if value is None else value


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
