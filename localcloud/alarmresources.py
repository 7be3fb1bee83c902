"""CloudFormation's CloudWatch alarms: over metrics, and composite."""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from localcloud import alarms
from localcloud.resources import Resource


class Alarm(Resource):
    """AWS::CloudWatch::Alarm; alarms over PromQL are kept but not evaluated."""

    TYPE = "AWS::CloudWatch::Alarm"
    NAME = "AlarmName"

    def _create(self) -> None:
        given = self.properties
        alarm = cloudwatch_backends[self.account][self.region].put_metric_alarm(
            name=self.name,
            namespace=given.get("Namespace", ""),
            metric_name=given.get("MetricName", ""),
            comparison_operator=given.get("ComparisonOperator", ""),
            evaluation_periods=int(given.get("EvaluationPeriods", 1)),
            datapoints_to_alarm=int(given["DatapointsToAlarm"]) if "DatapointsToAlarm" in given else None,
            period=int(given.get("Period", 60)),
            threshold=float(given.get("Threshold", 0)),
            statistic=given.get("Statistic", ""),
            extended_statistic=given.get("ExtendedStatistic"),
            description=given.get("AlarmDescription", ""),
            dimensions=given.get("Dimensions", []),
            alarm_actions=given.get("AlarmActions", []),
            ok_actions=given.get("OKActions", []),
            insufficient_data_actions=given.get("InsufficientDataActions", []),
            actions_enabled=str(given.get("ActionsEnabled", True)).lower() == "true",
            treat_missing_data=given.get("TreatMissingData"),
            unit=given.get("Unit"),
            metric_data_queries=alarms.queries(given["Metrics"]) if "Metrics" in given else None,
            evaluate_low_sample_count_percentile=given.get("EvaluateLowSampleCountPercentile"),
            threshold_metric_id=given.get("ThresholdMetricId"),
            tags=given.get("Tags"),
        )
        self.physical_resource_id = self.name
        self.attributes = {"Arn": alarm.alarm_arn}

    def _update(self, old: dict[str, Any]) -> None:
        del old
        self._create()

    def _remove(self) -> None:
        cloudwatch_backends[self.account][self.region].delete_alarms([self.name])


class CompositeAlarm(Resource):
    """AWS::CloudWatch::CompositeAlarm."""

    TYPE = "AWS::CloudWatch::CompositeAlarm"
    NAME = "AlarmName"

    def _create(self) -> None:
        given = self.properties
        nothing = dict.fromkeys(("namespace", "metric_name", "comparison_operator", "period", "threshold", "statistic"))
        alarm = cloudwatch_backends[self.account][self.region].put_metric_alarm(
            name=self.name,
            rule=given["AlarmRule"],
            evaluation_periods=1,
            dimensions=[],
            description=given.get("AlarmDescription", ""),
            alarm_actions=given.get("AlarmActions", []),
            ok_actions=given.get("OKActions", []),
            insufficient_data_actions=given.get("InsufficientDataActions", []),
            actions_enabled=str(given.get("ActionsEnabled", True)).lower() == "true",
            **nothing,
        )
        self.physical_resource_id = self.name
        self.attributes = {"Arn": alarm.alarm_arn}

    def _update(self, old: dict[str, Any]) -> None:
        del old
        self._create()

    def _remove(self) -> None:
        cloudwatch_backends[self.account][self.region].delete_alarms([self.name])
