"""Notifications of alarms: the JSON that CloudWatch publishes to SNS topics when an alarm changes its state."""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime
from typing import Any

import botocore.session
from moto.sns.exceptions import SNSException
from moto.sns.models import sns_backends

from localcloud.aws.clock import clock

_SUBJECT_MAX = 100  # SNS Publish, Subject


def alarm_changed(account: str, region: str, alarm: Any, old: str) -> None:
    """Publish a change of state to every SNS topic among the alarm's actions for its new state."""
    actions = {"ALARM": alarm.alarm_actions, "OK": alarm.ok_actions}.get(
        alarm.state_value, alarm.insufficient_data_actions
    )
    for action in actions or [] if alarm.actions_enabled else []:
        if action.split(":")[2:3] != ["sns"]:
            continue
        subject = f'{alarm.state_value}: "{alarm.name}" in {_region_name(region)}'
        try:
            sns_backends[account][action.split(":")[3]].publish(
                json.dumps(message(account, region, alarm, old)), arn=action, subject=subject[: _SUBJECT_MAX - 1]
            )
        except SNSException as error:  # a deleted topic: the action fails, the alarm does not
            alarm.history.append(("Action", f"Failed to execute action {action}: {error}"))


def message(account: str, region: str, alarm: Any, old: str) -> dict[str, Any]:
    """Body of the notification."""
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": account,
        "AlarmConfigurationUpdatedTimestamp": _stamp(alarm.configuration_updated_timestamp),
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": _stamp(clock().utc()),
        "Region": _region_name(region),
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": old,
        "OKActions": alarm.ok_actions or [],
        "AlarmActions": alarm.alarm_actions or [],
        "InsufficientDataActions": alarm.insufficient_data_actions or [],
        **_cause(alarm),
    }


def _cause(alarm: Any) -> dict[str, Any]:
    """What an alarm evaluates: a rule, PromQL (whose member AWS does not document), or metrics."""
    if alarm.rule is not None:
        return {"AlarmRule": alarm.rule}
    if criteria := getattr(alarm, "evaluation_criteria", None):
        return {"Trigger": {"EvaluationCriteria": criteria, "EvaluationInterval": alarm.evaluation_interval}}
    return {"Trigger": _trigger(alarm)}


def _trigger(alarm: Any) -> dict[str, Any]:
    trigger: dict[str, Any] = {
        "Period": int(alarm.period or 60),
        "EvaluationPeriods": int(alarm.evaluation_periods),
        "DatapointsToAlarm": int(alarm.datapoints_to_alarm or alarm.evaluation_periods),
        "ComparisonOperator": alarm.comparison_operator,
        "Threshold": alarm.threshold,
        "TreatMissingData": alarm.treat_missing_data or "missing",
        "EvaluateLowSampleCountPercentile": alarm.evaluate_low_sample_count_percentile or "",
    }
    if alarm.metric_data_queries:
        return trigger | {"Metrics": [_query(query) for query in alarm.metric_data_queries]}
    trigger |= {"MetricName": alarm.metric_name, "Namespace": alarm.namespace, "Unit": alarm.unit}
    trigger["Dimensions"] = [{"value": d.value, "name": d.name} for d in alarm.dimensions]
    if alarm.extended_statistic:
        return trigger | {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": alarm.extended_statistic}
    return trigger | {"StatisticType": "Statistic", "Statistic": str(alarm.statistic).upper()}


def _query(query: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {"Id": query.id, "ReturnData": str(query.return_data).lower() != "false"}
    if query.expression:
        return shown | {"Expression": query.expression, "Label": query.label}
    metric = query.metric_stat.metric
    dimensions = [{"value": d.value, "name": d.name} for d in metric.dimensions]
    inner = {"Dimensions": dimensions, "MetricName": metric.metric_name, "Namespace": metric.namespace}
    return shown | {
        "MetricStat": {"Metric": inner, "Period": int(query.metric_stat.period), "Stat": query.metric_stat.stat}
    }


def _stamp(when: datetime) -> str:
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return f"{aware:%Y-%m-%dT%H:%M:%S}.{aware.microsecond // 1000:03d}+0000"


@functools.cache
def _region_name(region: str) -> str:
    """Name of a Region as the console writes it, for example US East (N. Virginia)."""
    for partition in botocore.session.get_session().get_data("endpoints")["partitions"]:
        if region in partition["regions"]:
            return str(partition["regions"][region]["description"])
    return region
