"""An alarm before it is a resource: its kind, its description, and CloudFormation's properties. No CDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cdk_sglang.observability.alarms.catalogue import AlarmKind
from cdk_sglang.spec.alarm_rules import Severity


@dataclass(frozen=True, kw_only=True)
class AlarmDefinition:
    """An alarm on a metric, on metric math or on PromQL.

    Attributes:
        construct_id: Id in its construct; stable, since another one replaces the alarm.
        kind: Its entry of the catalogue.
        text: What is wrong when it fires, with the names and numbers of this alarm.
        properties: What it watches, as properties of AWS::CloudWatch::Alarm.
        severity: Whom it concerns.
    """

    construct_id: str
    kind: AlarmKind
    text: str
    properties: Mapping[str, Any]
    severity: Severity


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Two alarms that mean something only together.

    Attributes:
        long: The alarm on the long window.
        short: The alarm on the short window.
    """

    long: AlarmDefinition
    short: AlarmDefinition


@dataclass(frozen=True, kw_only=True)
class WindowsAlarm:
    """An alarm that fires when both windows of any of its pairs do.

    Attributes:
        construct_id: Id in its construct.
        kind: Its entry of the catalogue.
        text: What is wrong when it fires.
        pairs: The pairs of windows.
        severity: Whom it concerns.
    """

    construct_id: str
    kind: AlarmKind
    text: str
    pairs: Sequence[Windows]
    severity: Severity
