"""CloudFormation's log groups."""

from __future__ import annotations

from typing import Any

from moto.logs.models import logs_backends

from localcloud.aws.cloudformation.resources.base import Resource


class LogGroup(Resource):
    """AWS::Logs::LogGroup."""

    TYPE = "AWS::Logs::LogGroup"
    NAME = "LogGroupName"

    def _create(self) -> None:
        backend = logs_backends[self.account][self.region]
        tags = {tag["Key"]: tag["Value"] for tag in self.properties.get("Tags", [])}
        group = backend.create_log_group(self.name, tags, kmsKeyId=self.properties.get("KmsKeyId"))
        self.physical_resource_id = self.name
        self.attributes = {"Arn": f"{group.arn}:*"}
        self._update({})

    def _update(self, old: dict[str, Any]) -> None:
        backend = logs_backends[self.account][self.region]
        if days := self.properties.get("RetentionInDays"):
            backend.put_retention_policy(self.name, int(days))
        elif old.get("RetentionInDays"):
            backend.delete_retention_policy(self.name)

    def _remove(self) -> None:
        backend = logs_backends[self.account][self.region]
        if self.name in backend.groups:
            backend.delete_log_group(self.name)
