"""Monitoring of an environment's fleet: its dashboards, its logs, and, if enabled, the account's OTel enrichment. Wiring only.

Dashboards have a separate stack, because those of a hundred components fill a template.
"""

from __future__ import annotations

from typing import Unpack

import aws_cdk as cdk
from constructs import Construct

from cdk_sglang.environments.planning import ResolvedFleet, observed_endpoints
from cdk_sglang.environments.settings import Environment
from cdk_sglang.observability.alarms.fleet_budget import FleetBudgetAlarm
from cdk_sglang.observability.dashboards.fleet_dashboards import FleetDashboards
from cdk_sglang.observability.enrichment import OtelEnrichment
from cdk_sglang.observability.logs.endpoint_logs import EndpointLogs
from cdk_sglang.observability.traces.transaction_search import TransactionSearch
from stacks.alarms import alarm_choice
from stacks.options import StackOptions


class ObservabilityStack(cdk.Stack):
    """Metrics of the engines' failures of an environment, saved queries over its logs, and the alarm on its budget.

    Args:
        scope: The app, or a stage of one.
        construct_id: Id of the stack.
        environment: Name of the environment.
        settings: The environment.
        fleet: The environment, with every value resolved, and its plan.
        **options: Options of the stack.

    Attributes:
        logs: Metrics and queries of each endpoint, by its name.
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
        if settings.budget_usd_per_hour is not None:
            enriched = settings.observability.enrichment != "none"
            FleetBudgetAlarm(
                self,
                "Budget",
                name=environment,
                endpoints=endpoints,
                budget_usd_per_hour=settings.budget_usd_per_hour,
                alarms=alarm_choice(self, environment, settings.alarms),
                enrichment=enriched,
                runbooks_url=settings.observability.runbooks_url,
            )


class DashboardsStack(cdk.Stack):
    """The dashboards of an environment.

    Args:
        scope: The app, or a stage of one.
        construct_id: Id of the stack.
        environment: Name of the environment.
        settings: The environment.
        fleet: The environment, with every value resolved, and its plan.
        **options: Options of the stack.

    Attributes:
        dashboards: The dashboards.

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
        showback = settings.observability.showback
        self.dashboards = FleetDashboards(
            self,
            "Dashboards",
            name=environment,
            endpoints=observed_endpoints(environment, fleet),
            enrichment=settings.observability.enrichment != "none",
            runbooks=settings.observability.runbooks_url,
            agent=settings.agent.enabled,
            sample_minutes=showback.sample_minutes if showback.enabled else None,
        )
        cdk.CfnOutput(self, "FleetDashboard", value=self.dashboards.names[0])
        # CDK warns from 800 kB on; FleetDashboards draws less before its template is full, and nothing else is in it.
        cdk.Annotations.of(self).acknowledge_warning("@aws-cdk/core:Stack.templateSize", "held to the limit")


class EnrichmentStack(cdk.Stack):
    """OTel enrichment of the account and Region, separate from stacks that may be deleted with an environment.

    Args:
        scope: The app, or a stage of one.
        construct_id: Id of the stack.
        **options: Options of the stack.
    """

    def __init__(self, scope: Construct, construct_id: str, **options: Unpack[StackOptions]) -> None:
        super().__init__(scope, construct_id, **options)
        OtelEnrichment(self, "Enrichment")


class TransactionSearchStack(cdk.Stack):
    """Transaction Search of the account and Region, separate from stacks that may be deleted with an environment.

    Args:
        scope: The app, or a stage of one.
        construct_id: Id of the stack.
        **options: Options of the stack.
    """

    def __init__(self, scope: Construct, construct_id: str, **options: Unpack[StackOptions]) -> None:
        super().__init__(scope, construct_id, **options)
        TransactionSearch(self, "TransactionSearch")
