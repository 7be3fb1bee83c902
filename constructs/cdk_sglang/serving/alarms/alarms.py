"""Alarms of an endpoint, and where they go: a topic, or a written reason why nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cdk_sglang.arguments import checked_fields
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.shared.acknowledge import acknowledge, in_packs

if TYPE_CHECKING:
    from aws_cdk import aws_sns as sns

    from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint

Comparison: TypeAlias = Literal[
    "GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"
]
MissingData: TypeAlias = Literal["breaching", "notBreaching", "ignore", "missing"]

_READ_BY_SAGEMAKER: Final = "nobody is told: SageMaker itself reads it during an update and rolls back; give the endpoint alarms=Alarms(topic=...)"


@checked_fields
@dataclass(frozen=True, kw_only=True)
class Alarms:
    """Tell somebody.

    Args:
        topic: Where every alarm of the endpoint goes, and its end.
    """

    topic: sns.ITopic


@checked_fields
@dataclass(frozen=True, kw_only=True)
class NoAlarms:
    """Tell nobody, and say why.

    Args:
        reason: Written into the template beside every alarm that has no action.

    Raises:
        ConfigurationError: The reason is empty.
    """

    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ConfigurationError(
                [Problem("alarms", "no reason given; say why nobody is to be told, or give a topic")]
            )


def chosen_alarms(choice: Alarms | NoAlarms | sns.ITopic | None) -> Alarms | NoAlarms | None:
    """Return a choice as such: a topic alone stands for telling it."""
    return choice if choice is None or isinstance(choice, Alarms | NoAlarms) else Alarms(topic=choice)


def alarm_actions(choice: Alarms | NoAlarms | None) -> list[str]:
    """Return the ARNs an alarm of the endpoint notifies; none where nobody is to be told."""
    return [choice.topic.topic_arn] if isinstance(choice, Alarms) else []


def warn_of_silence(endpoint: InferenceEndpoint) -> None:
    """Warn where nobody said whom the endpoint's alarms tell, and nobody said why not either."""
    if endpoint.alarms is None:
        cdk.Annotations.of(endpoint).add_warning_v2(
            "cdk-sglang:no-alarms",
            "nobody is told when this endpoint fails or idles; give alarms=Alarms(topic=...), or say why not: NoAlarms(reason=...)",
        )


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
    actions: Sequence[str] = (),
) -> cloudwatch.CfnAlarm:
    """Create an alarm over one metric under a name CloudFormation makes.

    Args:
        scope: Parent.
        construct_id: Id of the alarm.
        choice: Whom it tells.
        description: What it means and what to do, for whoever is woken by it.
        namespace: Of the metric.
        metric_name: As SageMaker publishes it.
        dimensions: Exactly those the metric is published with.
        statistic: Such as Sum, Average, Maximum or p99.
        period_seconds: 10, 30 or a multiple of 60.
        evaluation_periods: How many periods are looked at.
        threshold: In the metric's own unit.
        comparison: How the statistic relates to the threshold when it is bad.
        datapoints_to_alarm: Of the periods; all by default.
        missing: What periods without data count as; as good ones by default.
        actions: ARNs it triggers besides, such as a scaling policy's.
    """
    told = alarm_actions(choice)
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
        alarm_actions=[*actions, *told] or None,
        ok_actions=told or None,
    )
    if not actions and not told:
        acknowledge_no_action(alarm, choice)
    return alarm


def acknowledge_no_action(alarm: Construct, choice: Alarms | NoAlarms | None) -> None:
    """Accept that an alarm tells nobody, for the reason given."""
    reason = choice.reason if isinstance(choice, NoAlarms) else _READ_BY_SAGEMAKER
    acknowledge(alarm, in_packs("CloudWatchAlarmAction"), reason)
