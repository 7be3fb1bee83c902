"""CloudFormation's CloudWatch alarms: over metrics, over PromQL, and composite."""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from localcloud.aws.cloudformation.resources.base import Resource
from localcloud.aws.hosting.store import store
from localcloud.aws.metrics import composite_alarms, promql_alarms
from localcloud.aws.metrics.alarms import moto_queries


class Alarm(Resource):
    """AWS::CloudWatch::Alarm."""

    TYPE = "AWS::CloudWatch::Alarm"
    NAME = "AlarmName"

    def _create(self) -> None:
        if "EvaluationCriteria" in self.properties:
            alarm = promql_alarms.put(store(self.account, self.region), self.properties | {"AlarmName": self.name})
        else:
            alarm = self._over_metrics()
        self.physical_resource_id = self.name
        self.attributes = {"Arn": alarm.alarm_arn}

    def _over_metrics(self) -> Any:
        properties = self.properties
        return cloudwatch_backends[self.account][self.region].put_metric_alarm(
            name=self.name,
            namespace=properties.get("Namespace", ""),
            metric_name=properties.get("MetricName", ""),
            comparison_operator=properties.get("ComparisonOperator", ""),
            evaluation_periods=int(properties.get("EvaluationPeriods", 1)),
            datapoints_to_alarm=int(properties["DatapointsToAlarm"]) if "DatapointsToAlarm" in properties else None,
            period=int(properties.get("Period", 60)),
            threshold=float(properties.get("Threshold", 0)),
            statistic=properties.get("Statistic", ""),
            extended_statistic=properties.get("ExtendedStatistic"),
            description=properties.get("AlarmDescription", ""),
            dimensions=properties.get("Dimensions", []),
            alarm_actions=properties.get("AlarmActions", []),
            ok_actions=properties.get("OKActions", []),
            insufficient_data_actions=properties.get("InsufficientDataActions", []),
            actions_enabled=str(properties.get("ActionsEnabled", True)).lower() == "true",
            treat_missing_data=properties.get("TreatMissingData"),
            unit=properties.get("Unit"),
            metric_data_queries=moto_queries(properties["Metrics"]) if "Metrics" in properties else None,
            evaluate_low_sample_count_percentile=properties.get("EvaluateLowSampleCountPercentile"),
            threshold_metric_id=properties.get("ThresholdMetricId"),
            tags=properties.get("Tags"),
        )

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
        alarm = composite_alarms.put(store(self.account, self.region), self.properties | {"AlarmName": self.name})
        self.physical_resource_id = self.name
        self.attributes = {"Arn": alarm.alarm_arn}

    def _update(self, old: dict[str, Any]) -> None:
        del old
        self._create()

    def _remove(self) -> None:
        cloudwatch_backends[self.account][self.region].delete_alarms([self.name])
