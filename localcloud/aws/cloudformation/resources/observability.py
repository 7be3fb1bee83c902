"""CloudFormation's dashboards, and the enrichment of metrics for PromQL."""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from localcloud.aws.cloudformation.resources.base import Resource
from localcloud.aws.metrics import dashboards, enrichment


class Dashboard(Resource):
    """AWS::CloudWatch::Dashboard."""

    TYPE = "AWS::CloudWatch::Dashboard"
    NAME = "DashboardName"

    def _create(self) -> None:
        body = self.properties["DashboardBody"]
        dashboards.validated(body)
        cloudwatch_backends[self.account][self.region].put_dashboard(self.name, body)
        self.physical_resource_id = self.name

    def _update(self, old: dict[str, Any]) -> None:
        del old
        self._create()

    def _remove(self) -> None:
        cloudwatch_backends[self.account][self.region].delete_dashboards([self.name])


class OTelEnrichment(Resource):
    """AWS::CloudWatch::OTelEnrichment: one per account and Region, so a second one fails."""

    TYPE = "AWS::CloudWatch::OTelEnrichment"

    def _create(self) -> None:
        if enrichment.is_on(self.account, self.region):
            raise ValueError(f"OTel enrichment of account {self.account} in {self.region} already exists")
        self._update({})

    def _update(self, old: dict[str, Any]) -> None:
        del old
        enrichment.start(self.account, self.region, self.properties)
        self.physical_resource_id = self.account
        self.attributes = {"AccountId": self.account, "Status": "RUNNING"}

    def _remove(self) -> None:
        enrichment.stop(self.account, self.region)
