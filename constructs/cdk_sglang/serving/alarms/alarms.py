"""Alarms on one metric, as plain resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cdk_sglang.serving.alarms.actions import add_actions, topic_arns
from cdk_sglang.serving.alarms.choice import Alarms
from cdk_sglang.serving.shared.acknowledge import acknowledge, in_packs
from cdk_sglang.spec.alarms import NoAlarms

Comparison: TypeAlias = Literal[
    "GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"
]
MissingData: TypeAlias = Literal["breaching", "notBreaching", "ignore", "missing"]

_READ_BY_SAGEMAKER: Final = "nobody is told: SageMaker itself reads it during an update and rolls back; give the endpoint alarms=Alarms(topic=...)"


def make_alarm(
    scope: Construct,
    construct_id: str,
    *,
    choice: Alarms | NoAlarms | None,
    description: str,
    namespace: str,
    metric_name: str,
    dimensions: Mapping[str, str],
    statistic: str,
    period_seconds: int,
    evaluation_periods: int,
    threshold: float,
    comparison: Comparison,
    datapoints_to_alarm: int | None = None,
    missing: MissingData = "notBreaching",
    without_data: bool = False,
    actions: Sequence[str] = (),
) -> cloudwatch.CfnAlarm:
    """Create an alarm on one metric, with a name that CloudFormation generates.

    Args:
        scope: Parent.
        construct_id: Id of the alarm.
        choice: Targets that it notifies.
        description: What the alarm means and what to do, for the person it notifies.
        namespace: CloudWatch namespace of the metric.
        metric_name: Name under which SageMaker publishes the metric.
        dimensions: Exactly the dimensions that the metric is published with.
        statistic: CloudWatch statistic, such as Sum, Average, Maximum or p99.
        period_seconds: Length of a period; 10, 30 or a multiple of 60.
        evaluation_periods: Number of periods that are evaluated.
        threshold: Value in the metric's own unit.
        comparison: Comparison with the threshold that counts as bad.
        datapoints_to_alarm: Number of evaluated periods that must be bad; all by default.
        missing: How periods without data are treated; as good by default.
        without_data: Whether missing data is a fault that triggers the same actions.
        actions: ARNs of additional actions, such as a scaling policy's.
    """
    topics = topic_arns(choice)
    percentile = statistic.startswith(("p", "tm"))
    alarm = cloudwatch.CfnAlarm(
        scope,
        construct_id,
        alarm_description=description,
        namespace=namespace,
        metric_name=metric_name,
        dimensions=[
            cloudwatch.CfnAlarm.DimensionProperty(name=name, value=value) for name, value in dimensions.items()
        ],
        statistic=None if percentile else statistic,
        extended_statistic=statistic if percentile else None,
        period=period_seconds,
        evaluation_periods=evaluation_periods,
        datapoints_to_alarm=datapoints_to_alarm,
        threshold=threshold,
        comparison_operator=comparison,
        treat_missing_data=missing,
        alarm_actions=[*actions, *topics] or None,
        ok_actions=topics or None,
        insufficient_data_actions=(topics or None) if without_data else None,
    )
    add_actions(alarm, choice, without_data=without_data, others=actions)
    if not actions and not isinstance(choice, Alarms):
        acknowledge_no_action(alarm, choice)
    return alarm


def acknowledge_no_action(alarm: Construct, choice: Alarms | NoAlarms | None) -> None:
    """Suppress the rule packs' findings about an alarm that notifies nobody, with the reason that the user gave."""
    reason = choice.reason if isinstance(choice, NoAlarms) else _READ_BY_SAGEMAKER
    acknowledge(alarm, in_packs("CloudWatchAlarmAction"), reason)
