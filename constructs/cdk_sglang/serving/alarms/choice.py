"""Targets that the alarms of an endpoint notify or trigger: topics, CDK actions, or a documented reason for neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

import aws_cdk as cdk
from constructs import Construct

from cdk_sglang.arguments import checked_fields
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.spec.alarms import NoAlarms
from cdk_sglang.tokens import is_text_token

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk import aws_sns as sns


@checked_fields
@dataclass(frozen=True, kw_only=True)
class Alarms:
    """Alarms of the endpoint notify a topic, or trigger CDK actions, such as those of `aws_cloudwatch_actions`.

    Args:
        topic: Topic that every alarm of the endpoint notifies when it fires and when it ends.
        page_topic: Topic for alarms that must wake somebody (`EndpointAlarms`); `topic` by default.
        actions: Actions that every alarm of the endpoint triggers when it fires, in addition to the topic or instead of one.
        ok_actions: Actions that every alarm of the endpoint triggers when it ends, in addition to the topic.
        page_actions: Actions that alarms that must wake somebody trigger when they fire; `actions` by default.

    Raises:
        ConfigurationError: Neither a topic nor an action is given.
    """

    topic: sns.ITopic | None = None
    page_topic: sns.ITopic | None = None
    actions: Sequence[cloudwatch.IAlarmAction] = ()
    ok_actions: Sequence[cloudwatch.IAlarmAction] = ()
    page_actions: Sequence[cloudwatch.IAlarmAction] | None = None

    usual_fields: ClassVar[tuple[str, ...]] = ("topic",)
    """Fields that messages show as examples, because no single field is required."""

    def __post_init__(self) -> None:
        if self.topic is None and not self.actions:
            text = "nobody is notified; give topic or actions, or say why not: NoAlarms(reason=...)"
            raise ConfigurationError([Problem("Alarms.topic", text)])

    @property
    def pages(self) -> sns.ITopic | None:
        """Topic for alarms that must wake somebody."""
        return self.topic if self.page_topic is None else self.page_topic


def chosen_alarms(
    choice: Alarms | NoAlarms | sns.ITopic | cloudwatch.IAlarmAction | None,
) -> Alarms | NoAlarms | None:
    """Return a choice unchanged, and a topic or an action as an `Alarms` that notifies or triggers it."""
    if choice is None or isinstance(choice, Alarms | NoAlarms):
        return choice
    if hasattr(choice, "topic_arn"):
        return Alarms(topic=cast("sns.ITopic", choice))
    return Alarms(actions=(choice,))


def topic_problems(path: str, choice: Alarms | NoAlarms | None, region: str) -> list[Problem]:
    """Check that topics are in the Region of the alarms, because an alarm cannot notify a topic in another Region.

    Args:
        path: Path of the choice.
        choice: Targets that alarms notify.
        region: Region of the alarms; nothing is checked if it or a topic's ARN is known only at deployment.
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
