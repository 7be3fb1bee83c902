"""CloudFormation's EventBridge Scheduler types: schedules and their groups."""

from __future__ import annotations

from typing import Any

from moto.scheduler.exceptions import ScheduleNotFound
from moto.scheduler.models import scheduler_backends

from localcloud.aws.cloudformation.resources.base import Resource
from localcloud.aws.schedules import expressions


class Schedule(Resource):
    """AWS::Scheduler::Schedule."""

    TYPE = "AWS::Scheduler::Schedule"
    NAME = "Name"

    def _create(self) -> None:
        self._backend().create_schedule(name=self.name, **self._parameters())
        self.physical_resource_id = self.name
        self.attributes = {"Arn": self._backend().get_schedule(self.properties.get("GroupName"), self.name).arn}

    def _update(self, old: dict[str, Any]) -> None:
        del old
        parameters = self._parameters()
        del parameters["action_after_completion"]
        self._backend().update_schedule(name=self.name, **parameters)

    def _remove(self) -> None:
        try:
            self._backend().delete_schedule(self.properties.get("GroupName"), self.name)
        except ScheduleNotFound:
            return  # the schedule deleted itself after its completion

    def _parameters(self) -> dict[str, Any]:
        properties = self.properties
        return {
            "description": properties.get("Description"),
            "start_date": expressions.seconds(properties.get("StartDate")),
            "end_date": expressions.seconds(properties.get("EndDate")),
            "flexible_time_window": properties["FlexibleTimeWindow"],
            "group_name": properties.get("GroupName"),
            "kms_key_arn": properties.get("KmsKeyArn"),
            "schedule_expression": properties["ScheduleExpression"],
            "schedule_expression_timezone": properties.get("ScheduleExpressionTimezone"),
            "state": properties.get("State", "ENABLED"),
            "target": dict(properties["Target"]),
            "action_after_completion": properties.get("ActionAfterCompletion"),
        }

    def _backend(self) -> Any:
        return scheduler_backends[self.account][self.region]


class ScheduleGroup(Resource):
    """AWS::Scheduler::ScheduleGroup."""

    TYPE = "AWS::Scheduler::ScheduleGroup"
    NAME = "Name"

    def _create(self) -> None:
        backend = scheduler_backends[self.account][self.region]
        group = backend.create_schedule_group(self.name, self.properties.get("Tags", []))
        self.physical_resource_id = self.name
        self.attributes = {"Arn": group.arn, "State": "ACTIVE"}

    def _update(self, old: dict[str, Any]) -> None:
        """Keep the group: only its tags can change in place."""

    def _remove(self) -> None:
        scheduler_backends[self.account][self.region].delete_schedule_group(self.name)
