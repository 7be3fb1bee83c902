"""What shows an environment's fleet: its dashboards and logs, and, where asked, the account's OTel enrichment. Wiring only."""

from __future__ import annotations

from typing import Unpack

import aws_cdk as cdk
from constructs import Construct

from cdk_sglang.observability.dashboards.fleet_dashboards import FleetDashboards
from cdk_sglang.observability.enrichment import OtelEnrichment
from cdk_sglang.observability.logs.endpoint_logs import EndpointLogs
from cdk_sglang.observability.traces.transaction_search import TransactionSearch
from stacks.options import StackOptions
from stacks.planning import ResolvedFleet, observed_endpoints
from stacks.settings import Environment


class ObservabilityStack(cdk.Stack):
    """The dashboards of an environment, metrics of its engines' failures, and saved queries over its logs.

    Args:
        scope: The app, or a stage of one.
        construct_id: Id of the stack.
        environment: Name of the environment.
        settings: The environment.
        fleet: The environment, with every value resolved, and its plan.
        **options: Options of the stack.

    Attributes:
        dashboards: The dashboards; None if the settings want none.
        logs: Metrics and queries of each endpoint, by its name.

    Raises:
        ConfigurationError: A dashboard would exceed CloudWatch's limits.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: Environment,
        fleet: ResolvedFleet,
        **options: Unpack[StackOptions],
    ) -> None:
        super().__init__(scope, construct_id, **options)
        endpoints = observed_endpoints(environment, fleet)
        self.logs = {one.name: EndpointLogs(self, f"Logs-{one.name}", endpoint=one) for one in endpoints}
        self.dashboards: FleetDashboards | None = None
        if not settings.observability.dashboards:
            return
        self.dashboards = FleetDashboards(
            self,
            "Dashboards",
            name=environment,
            endpoints=endpoints,
            enrichment=settings.observability.enrichment != "none",
            runbooks=settings.observability.runbooks_url,
        )
        cdk.CfnOutput(self, "FleetDashboard", value=self.dashboards.names[0])


class EnrichmentStack(cdk.Stack):
    """OTel enrichment of the account and Region, apart from what may be deleted with an environment.

    Args:
        scope: The app, or a stage of one.
        construct_id: Id of the stack.
        **options: Options of the stack.
    """

    def __init__(self, scope: Construct, construct_id: str, **options: Unpack[StackOptions]) -> None:
        super().__init__(scope, construct_id, **options)
        OtelEnrichment(self, "Enrichment")


class TransactionSearchStack(cdk.Stack):
    """Transaction Search of the account and Region, apart from what may be deleted with an environment.

    Args:
        scope: The app, or a stage of one.
        construct_id: Id of the stack.
        **options: Options of the stack.
    """

    def __init__(self, scope: Construct, construct_id: str, **options: Unpack[StackOptions]) -> None:
        super().__init__(scope, construct_id, **options)
        TransactionSearch(self, "TransactionSearch")
