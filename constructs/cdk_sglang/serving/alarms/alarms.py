"""Alarms of an endpoint, and where they go: a topic, or a written reason why nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cdk_sglang.arguments import checked_fields
from cdk_sglang.errors import Problem
from cdk_sglang.serving.shared.acknowledge import acknowledge, in_packs
from cdk_sglang.spec.alarms import NoAlarms
from cdk_sglang.validation import is_text_token

if TYPE_CHECKING:
    from aws_cdk import aws_sns as sns

Comparison: TypeAlias = Literal[
    "GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"
]
MissingData: TypeAlias = Literal["breaching", "notBreaching", "ignore", "missing"]

_READ_BY_SAGEMAKER: Final = "nobody is told: SageMaker itself reads it during an update and rolls back; give the endpoint alarms=Alarms(topic=...)"


@checked_fields
@dataclass(frozen=True, kw_only=True)
class Alarms:
    """Alarms of the endpoint notify a topic.

    Args:
        topic: Topic that every alarm of the endpoint notifies when it begins and when it ends.
        page_topic: Topic of alarms that must wake somebody (`EndpointAlarms`); `topic` by default.
    """

    topic: sns.ITopic
    page_topic: sns.ITopic | None = None

    @property
    def pages(self) -> sns.ITopic:
        """Topic of alarms that must wake somebody."""
        return self.topic if self.page_topic is None else self.page_topic


def chosen_alarms(choice: Alarms | NoAlarms | sns.ITopic | None) -> Alarms | NoAlarms | None:
    """Return a choice as it is, and a topic as the alarms that notify it."""
    return choice if choice is None or isinstance(choice, Alarms | NoAlarms) else Alarms(topic=choice)


def alarm_actions(choice: Alarms | NoAlarms | None) -> list[str]:
    """Return the ARNs that an alarm of the endpoint notifies; none if nobody is to be told."""
    return [choice.topic.topic_arn] if isinstance(choice, Alarms) else []


def topic_problems(path: str, choice: Alarms | NoAlarms | None, region: str) -> list[Problem]:
    """Check that topics are in the Region of the alarms, since an alarm notifies no other.

    Args:
        path: Place of the choice.
        choice: Whom alarms notify.
        region: Region of the alarms; nothing is said if it or a topic's ARN is known only at deployment.
    """
    topics = {"topic": choice.topic, "page_topic": choice.page_topic} if isinstance(choice, Alarms) else {}
    found = []
    for name, topic in topics.items():
        arn = "" if topic is None else topic.topic_arn
        if not arn or is_text_token(arn) or is_text_token(region):
            continue
        at = arn.split(":")[3]
        if at != region:
            found.append(
                Problem(f"{path}.{name}", f"{arn} is in {at}, the alarms in {region}; use a topic of {region}")
            )
    return found


def warn_of_silence(endpoint: Construct, choice: Alarms | NoAlarms | None) -> None:
    """Warn if neither a topic for the endpoint's alarms nor a reason for their silence is specified."""
    if choice is None:
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
        choice: Whom it notifies.
        description: What the alarm means and what to do, for whoever is woken by it.
        namespace: CloudWatch namespace of the metric.
        metric_name: Name under which SageMaker publishes the metric.
        dimensions: Exactly the dimensions that the metric is published with.
        statistic: CloudWatch statistic, such as Sum, Average, Maximum or p99.
        period_seconds: Length of a period; 10, 30 or a multiple of 60.
        evaluation_periods: Periods that are looked at.
        threshold: Value in the metric's own unit.
        comparison: How a bad statistic relates to the threshold.
        datapoints_to_alarm: Periods among them that must be bad; all by default.
        missing: What periods without data count as; good ones by default.
        actions: Further ARNs that it triggers, such as a scaling policy's.
    """
    topics = alarm_actions(choice)
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
    )
    if not actions and not topics:
        acknowledge_no_action(alarm, choice)
    return alarm


def acknowledge_no_action(alarm: Construct, choice: Alarms | NoAlarms | None) -> None:
    """Accept in the rule packs that an alarm notifies nobody, with the reason that the user gave."""
    reason = choice.reason if isinstance(choice, NoAlarms) else _READ_BY_SAGEMAKER
    acknowledge(alarm, in_packs("CloudWatchAlarmAction"), reason)
