"""CloudFormation's log groups, metric filters and saved queries."""

from __future__ import annotations

from typing import Any

from moto.logs.models import logs_backends

from localcloud.aws.cloudformation.resources.base import Resource
from localcloud.aws.metrics import log_filters


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
        backend.groups[self.name].kms_key_id = self.properties.get("KmsKeyId")

    def _remove(self) -> None:
        backend = logs_backends[self.account][self.region]
        if self.name in backend.groups:
            backend.delete_log_group(self.name)


class MetricFilter(Resource):
    """AWS::Logs::MetricFilter; its log group must exist."""

    TYPE = "AWS::Logs::MetricFilter"
    NAME = "FilterName"

    def _create(self) -> None:
        backend = logs_backends[self.account][self.region]
        transformations = [_transformation(one) for one in self.properties["MetricTransformations"]]
        pattern = self.properties["FilterPattern"]
        log_filters.put_filter(backend, self.properties["LogGroupName"], self.name, pattern, transformations)
        self.physical_resource_id = self.name

    def _update(self, old: dict[str, Any]) -> None:
        del old
        self._create()

    def _remove(self) -> None:
        logs_backends[self.account][self.region].delete_metric_filter(self.name, self.properties["LogGroupName"])


def _transformation(transformation: dict[str, Any]) -> dict[str, Any]:
    """Convert a metric transformation from the form of templates to the API's."""
    dimensions = {one["Key"]: one["Value"] for one in transformation.get("Dimensions", [])}
    names = ("MetricName", "MetricNamespace", "MetricValue", "DefaultValue", "Unit")
    converted = {name[0].lower() + name[1:]: transformation[name] for name in names if name in transformation}
    return converted | ({"dimensions": dimensions} if dimensions else {})


class QueryDefinition(Resource):
    """AWS::Logs::QueryDefinition."""

    TYPE = "AWS::Logs::QueryDefinition"
    NAME = "Name"

    def _create(self) -> None:
        names = ("Name", "QueryString", "LogGroupNames", "QueryLanguage", "Parameters")
        definition = {name[0].lower() + name[1:]: self.properties.get(name) for name in names}
        definition["queryDefinitionId"] = self.physical_resource_id
        self.physical_resource_id = log_filters.put_query(logs_backends[self.account][self.region], definition)
        self.attributes = {"QueryDefinitionId": self.physical_resource_id}

    def _update(self, old: dict[str, Any]) -> None:
        del old
        self._create()

    def _remove(self) -> None:
        log_filters.queries(logs_backends[self.account][self.region]).pop(self.physical_resource_id, None)
