"""Faults of meaning, which every schema takes: metrics that nobody publishes, scaling with holes, alarms that never fire, data that goes."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any, Final

from tools.check.generated.model import Candidate, Mutable, Source, of_types, parent, removal, setting
from tools.check.graph import Path_, references

METRIC: Final = "metric, dimension or unit changed"
SCALING: Final = "scaling or alarm changed"
DATA: Final = "retention, lifecycle or access changed"

_ALARM: Final = "AWS::CloudWatch::Alarm"
_POLICY: Final = "AWS::ApplicationAutoScaling::ScalingPolicy"
_TARGET: Final = "AWS::ApplicationAutoScaling::ScalableTarget"
_CONFIG: Final = "AWS::SageMaker::EndpointConfig"
_BUCKET: Final = "AWS::S3::Bucket"
_OWNING: Final = ("AWS::KMS::Key", _BUCKET, "AWS::ECR::Repository", "AWS::DynamoDB::Table", "AWS::Logs::LogGroup")
_SERIES: Final = re.compile(r"\b[A-Za-z]\w*(?:[:_]\w+)+(?=\{)")
_P: Final = "Properties"


def metrics(source: Source) -> Iterator[Candidate]:
    """Yield metrics of alarms and policies whose name, namespace, dimensions or unit nobody publishes.

    A statistic that CloudWatch has is no fault, whichever it is; a metric of this project's own filters takes no unit.
    """
    for name, resource in of_types(source, _ALARM, _POLICY):
        for path, metric in _metrics(resource[_P], (_P,)):
            yield setting(METRIC, source, name, (*path, "MetricName"), metric["MetricName"][:-1], "name cut")
            yield setting(
                METRIC, source, name, (*path, "MetricName"), metric["MetricName"].swapcase(), "name in another case"
            )
            yield setting(METRIC, source, name, (*path, "Namespace"), f"{metric['Namespace']}s", "namespace misspelt")
            other = "AWS/SageMaker" if metric["Namespace"] != "AWS/SageMaker" else "/aws/sagemaker/Endpoints"
            yield setting(METRIC, source, name, (*path, "Namespace"), other, "namespace of others")
            for index, dimension in enumerate(metric.get("Dimensions", [])):
                place = (*path, "Dimensions", index)
                for wrong in (
                    "Endpoint",
                    "InferenceComponentName" if dimension["Name"] == "EndpointName" else "EndpointName",
                ):
                    yield setting(METRIC, source, name, (*place, "Name"), wrong, f"dimension {wrong}")
                if isinstance(dimension["Value"], str):
                    yield setting(
                        METRIC,
                        source,
                        name,
                        (*place, "Value"),
                        f"{dimension['Value']}x",
                        f"{dimension['Name']} of nobody",
                    )
                yield removal(METRIC, source, name, place, f"no dimension {dimension['Name']}")
            if not str(metric["Namespace"]).startswith("cdk-sglang"):
                yield setting(METRIC, source, name, (*path, "Unit"), "Gigabits/Second", "unit of others")
    for name, alarm in of_types(source, _ALARM):
        query = alarm[_P].get("EvaluationCriteria", {}).get("PromQLCriteria", {}).get("Query")
        for series in sorted(set(_SERIES.findall(query))) if isinstance(query, str) else ():
            changed = query.replace(series, series[:-1])
            yield setting(
                METRIC,
                source,
                name,
                (_P, "EvaluationCriteria", "PromQLCriteria", "Query"),
                changed,
                f"series {series} cut",
            )


def _metrics(properties: Mutable, path: Path_) -> Iterator[tuple[Path_, Mutable]]:
    if isinstance(properties.get("MetricName"), str) and "Namespace" in properties:
        yield path, properties
    for index, entry in enumerate(properties.get("Metrics", [])):
        if "MetricStat" in entry:
            yield (*path, "Metrics", index, "MetricStat", "Metric"), entry["MetricStat"]["Metric"]
    custom = properties.get("TargetTrackingScalingPolicyConfiguration", {}).get("CustomizedMetricSpecification")
    if custom is not None:
        yield from _metrics(
            custom, (*path, "TargetTrackingScalingPolicyConfiguration", "CustomizedMetricSpecification")
        )


def scaling(source: Source) -> Iterator[Candidate]:
    """Yield scaling that is refused, has a hole or never happens, and alarms that cannot fire or always do."""
    for name, policy in of_types(source, _POLICY):
        yield from _of_policy(source, name, policy[_P])
    for name, target in of_types(source, _TARGET):
        most = target[_P]["MaxCapacity"]
        yield setting(SCALING, source, name, (_P, "MinCapacity"), most + 1, "least above most")
        yield setting(SCALING, source, name, (_P, "ScalableDimension"), "sagemaker:variant:DesiredInstanceCount")
        yield setting(SCALING, source, name, (_P, "ServiceNamespace"), "ecs")
        yield setting(SCALING, source, name, (_P, "ResourceId"), f"{target[_P]['ResourceId']}-x", "component of nobody")
        if target[_P]["MinCapacity"] != 0:
            yield setting(SCALING, source, name, (_P, "MinCapacity"), 0, "to zero, and nothing wakes")
        for index, action in enumerate(target[_P].get("ScheduledActions", [])):
            place = (_P, "ScheduledActions", index)
            yield setting(
                SCALING,
                source,
                name,
                (*place, "Schedule"),
                str(action["Schedule"]).replace("?", "*"),
                "both days of a cron expression",
            )
            yield setting(
                SCALING, source, name, (*place, "ScalableTargetAction", "MinCapacity"), most + 1, "least above most"
            )
            yield setting(SCALING, source, name, (*place, "Timezone"), "Nowhere", "zone that does not exist")
    for name, config in of_types(source, _CONFIG):
        for index, variant in enumerate(config[_P]["ProductionVariants"]):
            most = variant["ManagedInstanceScaling"]["MaxInstanceCount"]
            place = (_P, "ProductionVariants", index)
            yield setting(
                SCALING,
                source,
                name,
                (*place, "ManagedInstanceScaling", "MinInstanceCount"),
                most + 1,
                "least above most",
            )
            yield setting(SCALING, source, name, (*place, "InitialInstanceCount"), most + 1, "first above most")
            yield setting(SCALING, source, name, (*place, "ManagedInstanceScaling", "Status"), "DISABLED")
    for name, alarm in of_types(source, _ALARM):
        yield from _of_alarm(source, name, alarm[_P])


def _of_policy(source: Source, name: str, policy: Mutable) -> Iterator[Candidate]:
    kinds = {"StepScaling": "TargetTrackingScaling", "TargetTrackingScaling": "StepScaling"}
    yield setting(
        SCALING, source, name, (_P, "PolicyType"), kinds[policy["PolicyType"]], "type of another configuration"
    )
    if "ResourceId" in policy:
        yield setting(SCALING, source, name, (_P, "ResourceId"), f"{policy['ResourceId']}-x", "target of nobody")
        yield setting(SCALING, source, name, (_P, "ScalableDimension"), "sagemaker:variant:DesiredInstanceCount")
    if "TargetTrackingScalingPolicyConfiguration" in policy:
        for value in (0, -1):
            yield setting(SCALING, source, name, (_P, "TargetTrackingScalingPolicyConfiguration", "TargetValue"), value)
    if "StepScalingPolicyConfiguration" in policy:
        place: Path_ = (_P, "StepScalingPolicyConfiguration", "StepAdjustments")
        for steps, what in (
            (((1, None, 1),), "hole at the threshold"),
            (((0, 2, 1), (3, None, 2)), "hole between steps"),
            (((0, 3, 1), (2, None, 2)), "overlap"),
            (((0, 5, 1),), "ends"),
            (((0, None, 0),), "changes nothing"),
            (((0, None, -1),), "goes the other way"),
            ((), "no step"),
        ):
            yield setting(SCALING, source, name, place, [_step(*step) for step in steps], what)


def _step(first: int | None, last: int | None, adjustment: int) -> dict[str, int]:
    bounds = {"MetricIntervalLowerBound": first, "MetricIntervalUpperBound": last}
    return {**{key: value for key, value in bounds.items() if value is not None}, "ScalingAdjustment": adjustment}


def _of_alarm(source: Source, name: str, alarm: Mutable) -> Iterator[Candidate]:
    policies = {one for one, _ in of_types(source, _POLICY)}
    wakes = bool(policies & {found.target for found in references(alarm.get("AlarmActions", []))})
    kind = "wake alarm: " if wakes else ""
    if wakes:
        yield removal(SCALING, source, name, (_P, "AlarmActions"), "wake alarm that does nothing")
    if "Period" in alarm:
        yield setting(SCALING, source, name, (_P, "Period"), 45, f"{kind}period that is not offered")
        yield setting(SCALING, source, name, (_P, "EvaluationPeriods"), 20_000, f"{kind}more than a week")
    if "DatapointsToAlarm" in alarm:
        yield setting(
            SCALING,
            source,
            name,
            (_P, "DatapointsToAlarm"),
            alarm["EvaluationPeriods"] + 1,
            f"{kind}more points than periods",
        )
    if "MetricName" in alarm:
        above = str(alarm["ComparisonOperator"]).startswith("GreaterThan")
        yield setting(SCALING, source, name, (_P, "Threshold"), -1, f"{kind}threshold below 0")
        yield setting(SCALING, source, name, (_P, "Threshold"), 0, f"{kind}threshold that always or never holds")
        yield removal(SCALING, source, name, (_P, "Threshold"), f"{kind}no threshold")
        yield setting(SCALING, source, name, (_P, "TreatMissingData"), "breaching", f"{kind}missing data is a breach")
        if above and alarm.get("Statistic") == "Sum":
            yield setting(SCALING, source, name, (_P, "ComparisonOperator"), "LessThanThreshold", f"{kind}turned round")
        if str(alarm["MetricName"]).endswith("Normalized") and above:
            yield setting(SCALING, source, name, (_P, "Threshold"), 101, f"{kind}share above 100 percent")


def data(source: Source) -> Iterator[Candidate]:
    """Yield retention that is not offered or lets data go, lifecycles that lose weights, and policies that shut readers out.

    An environment that keeps nothing (`data.on_delete: destroy`) has no fault in a deletion policy.
    """
    for name, resource in of_types(source, *_OWNING):
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if source.environment.keeps and policy in resource:
                yield setting(DATA, source, name, (policy,), "Delete")
                yield removal(DATA, source, name, (policy,))
    for name, group in of_types(source, "AWS::Logs::LogGroup"):
        if "RetentionInDays" in group[_P]:
            yield setting(DATA, source, name, (_P, "RetentionInDays"), 42)
            yield removal(DATA, source, name, (_P, "RetentionInDays"))
    for name, bucket in of_types(source, _BUCKET):
        yield from _of_bucket(source, name, bucket[_P])
    yield from _of_denials(source)
    for name, key in of_types(source, "AWS::KMS::Key"):
        for index, statement in enumerate(key[_P]["KeyPolicy"]["Statement"]):
            yield removal(
                DATA,
                source,
                name,
                (_P, "KeyPolicy", "Statement", index),
                f"no statement {statement.get('Sid', 'of the account')}",
            )
        yield removal(DATA, source, name, (_P, "EnableKeyRotation"))
    for name, queue in of_types(source, "AWS::SQS::Queue"):
        for seconds in (30, 1_209_601):
            yield setting(DATA, source, name, (_P, "MessageRetentionPeriod"), seconds)
        if "SqsManagedSseEnabled" in queue[_P]:
            yield setting(DATA, source, name, (_P, "SqsManagedSseEnabled"), False)
    yield from _of_networks(source)


def _of_denials(source: Source) -> Iterator[Candidate]:
    for name, policy in of_types(source, "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"):
        for index, statement in enumerate(policy[_P]["PolicyDocument"]["Statement"]):
            place = (_P, "PolicyDocument", "Statement", index)
            if (
                statement["Effect"] == "Deny"
                and "Bool" in statement.get("Condition", {})
                and "aws:SecureTransport" in statement["Condition"]["Bool"]
            ):
                yield removal(DATA, source, name, (*place, "Condition"), "denial of everybody")
                yield setting(
                    DATA, source, name, (*place, "Condition", "Bool", "aws:SecureTransport"), "true", "denial of HTTPS"
                )


def _of_bucket(source: Source, name: str, bucket: Mutable) -> Iterator[Candidate]:
    logs = any(
        name in {f.target for f in references(other[_P].get("LoggingConfiguration", {}))}
        for _, other in of_types(source, _BUCKET)
    )
    rules = bucket.get("LifecycleConfiguration", {}).get("Rules", [])
    for extra, what in (
        ({"ExpirationInDays": 30}, "current objects expire"),
        ({"Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 30}]}, "current objects are archived"),
    ):
        if not (logs and "ExpirationInDays" in extra):
            yield _with_rule(source, name, [*rules, {"Status": "Enabled", **extra}], what)
    for index, rule in enumerate(rules):
        if "NoncurrentVersionExpiration" in rule:
            yield setting(
                DATA,
                source,
                name,
                (_P, "LifecycleConfiguration", "Rules", index, "NoncurrentVersionExpiration", "NoncurrentDays"),
                0,
            )
    if "VersioningConfiguration" in bucket:
        yield setting(DATA, source, name, (_P, "VersioningConfiguration", "Status"), "Suspended")
        yield removal(DATA, source, name, (_P, "VersioningConfiguration"))
    for part in ("BucketEncryption", "PublicAccessBlockConfiguration"):
        yield removal(DATA, source, name, (_P, part))


def _with_rule(source: Source, name: str, rules: list[Any], what: str) -> Candidate:
    def change(template: Mutable) -> None:
        parent(template["Resources"][name], (_P, "LifecycleConfiguration"))["LifecycleConfiguration"] = {
            "Rules": copy.deepcopy(rules)
        }

    return Candidate(DATA, source, name, f"{_BUCKET} LifecycleConfiguration", what, change)


def _of_networks(source: Source) -> Iterator[Candidate]:
    for resource_type, path in (
        (_CONFIG, ("VpcConfig", "Subnets")),
        ("AWS::SageMaker::Model", ("VpcConfig", "Subnets")),
        ("AWS::EC2::VPCEndpoint", ("SubnetIds",)),
    ):
        for name, resource in of_types(source, resource_type):
            subnets = resource[_P]
            for part in path:
                subnets = subnets.get(part, {})
            if subnets:
                yield setting(DATA, source, name, (_P, *path), subnets[:1], "one subnet")
