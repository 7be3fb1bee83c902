"""Alarm actions other than topics: CDK's `IAlarmAction`s, bound to alarms that are plain CloudFormation resources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from constructs import Construct

from cdk_sglang.errors import Problem
from cdk_sglang.serving.alarms.choice import Alarms
from cdk_sglang.serving.shared.names import logical_digest

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch

    from cdk_sglang.spec.alarms import NoAlarms

_MANY_ALARMS_ONE_FUNCTION: Final = "@aws-cdk/aws-cloudwatch-actions:changeLambdaPermissionLogicalIdForLambdaAction"


def topic_arns(choice: Alarms | NoAlarms | None, *, pages: bool = False) -> list[str]:
    """Return the ARNs of the topics that an alarm notifies when it fires and when it ends; none if there is no topic.

    Args:
        choice: Targets that alarms notify.
        pages: Whether the alarm must wake somebody.
    """
    topic = None
    if isinstance(choice, Alarms):
        topic = choice.pages if pages else choice.topic
    return [] if topic is None else [topic.topic_arn]


def add_actions(
    alarm: cdk.CfnResource,
    choice: Alarms | NoAlarms | None,
    *,
    pages: bool = False,
    without_data: bool = False,
    others: Sequence[str] = (),
) -> None:
    """Let an alarm trigger the actions that the author chose in addition to topics; without such actions the alarm is unchanged.

    Args:
        alarm: Alarm or composite alarm, with the topics of `topic_arns`.
        choice: Targets that alarms notify.
        pages: Whether the alarm must wake somebody.
        without_data: Whether missing data is a fault that triggers the same actions.
        others: ARNs of actions that the alarm already triggers in addition to the topics.
    """
    if not isinstance(choice, Alarms):
        return
    began, ended = (
        choice.page_actions if pages and choice.page_actions is not None else choice.actions,
        choice.ok_actions,
    )
    if not began and not ended:
        return
    from aws_cdk import aws_cloudwatch as cloudwatch

    # CDK uses the id in the permission of a function that many alarms invoke, so it must differ between alarms.
    known = cloudwatch.Alarm.from_alarm_arn(
        alarm, f"Alarm{logical_digest(alarm.node.path)}", alarm.get_att("Arn").to_string()
    )
    topics = topic_arns(choice, pages=pages)

    def arns(actions: Sequence[cloudwatch.IAlarmAction]) -> list[str]:
        return [action.bind(alarm, known).alarm_action_arn for action in actions]

    triggered = [*topics, *arns(began)]
    _set(alarm, "AlarmActions", [*others, *triggered])
    _set(alarm, "OKActions", [*topics, *arns(ended)])
    if without_data:
        _set(alarm, "InsufficientDataActions", triggered)


def _set(alarm: cdk.CfnResource, name: str, arns: list[str]) -> None:
    from aws_cdk import aws_cloudwatch as cloudwatch

    if not arns:
        return
    if not isinstance(alarm, cloudwatch.CfnAlarm):
        alarm.add_property_override(name, arns)
        return
    match name:  # typed, so that rule packs see them
        case "AlarmActions":
            alarm.alarm_actions = arns
        case "OKActions":
            alarm.ok_actions = arns
        case _:
            alarm.insufficient_data_actions = arns


def action_problems(path: str, choice: Alarms | NoAlarms | None, scope: Construct) -> list[Problem]:
    """Return a problem if several alarms would invoke a function: without a feature flag, CDK can permit that to only one alarm.

    Args:
        path: Path of the choice.
        choice: Targets that alarms notify.
        scope: Any construct of the app.
    """
    if not isinstance(choice, Alarms):
        return []
    actions = [*choice.actions, *choice.ok_actions, *(choice.page_actions or ())]
    if not any(type(action).__name__ == "LambdaAction" for action in actions):
        return []
    if cdk.FeatureFlags.of(scope).is_enabled(_MANY_ALARMS_ONE_FUNCTION):
        return []
    return [
        Problem(
            path,
            "LambdaAction takes one alarm for each function without CDK's feature flag, and there are several alarms; set "
            f'"{_MANY_ALARMS_ONE_FUNCTION}": true in the context of cdk.json',
        )
    ]
