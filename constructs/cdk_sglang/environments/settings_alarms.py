"""Whom alarms notify, and when they fire."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, WithJsonSchema, model_validator

from cdk_sglang.checks import raise_if_any
from cdk_sglang.environments.settings_base import Settings
from cdk_sglang.errors import Problem
from cdk_sglang.spec.alarm_rules import AlarmRules
from cdk_sglang.spec.alarms import SilenceReason
from cdk_sglang.spec.alternatives import exactly_one_of
from cdk_sglang.wording import exactly_one

_TOPIC: Final = r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}"
"""ARN of a standard topic (CloudWatch rejects FIFO topics):
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html (read 2026-11)."""


def _topic(value: str) -> str:
    if value != "create" and not re.fullmatch(_TOPIC, value):
        raise ValueError(f"{value!r} is not allowed; use create, or the ARN of an SNS topic (not a FIFO one)")
    return value


def _page(value: str) -> str:
    if not re.fullmatch(_TOPIC, value):
        raise ValueError(f"{value!r} is not allowed; use the ARN of an SNS topic (not a FIFO one)")
    return value


class Alarms(Settings):
    """Where alarms go, and when they fire; exactly one of topic and none."""

    model_config = ConfigDict(json_schema_extra=exactly_one_of("topic", "none"))

    topic: (
        Annotated[str, AfterValidator(_topic), WithJsonSchema({"type": "string", "pattern": f"^(create|{_TOPIC})$"})]
        | None
    ) = None
    """`create`: an encrypted SNS topic for the environment, to which you subscribe; or the ARN of your own topic."""
    page: Annotated[str, AfterValidator(_page), WithJsonSchema({"type": "string", "pattern": f"^{_TOPIC}$"})] | None = (
        None
    )
    """ARN of the topic for alarms that must wake somebody; the same as `topic` by default."""
    none: SilenceReason | None = None
    """Why nobody is notified. Alarms that roll back a bad update are still created."""
    rules: AlarmRules = AlarmRules()
    """When alarms fire: burn rates of error budgets, and thresholds."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        present_names = [name for name in ("topic", "none") if getattr(self, name) is not None]
        if len(present_names) != 1:
            raise ValueError(exactly_one(["topic", "none"], present_names))
        if self.page is not None and self.topic is None:
            raise_if_any([Problem("page", "goes with topic, got none; remove it")])
        return self

    @property
    def kind(self) -> Literal["create", "existing", "none"]:
        """Which of the three kinds of topic is chosen."""
        if self.topic is None:
            return "none"
        return "create" if self.topic == "create" else "existing"
