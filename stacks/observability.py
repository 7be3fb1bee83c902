"""What shows an environment's fleet: its dashboards, and, where asked, the account's OTel enrichment. Wiring only."""

from __future__ import annotations

from typing import Unpack

import aws_cdk as cdk
from constructs import Construct

from cdk_sglang.observability.dashboards.fleet_dashboards import FleetDashboards
from cdk_sglang.observability.enrichment import OtelEnrichment
from cdk_sglang.observability.observed import ObservedEndpoint, observed_endpoint
from stacks.naming import endpoint_name
from stacks.options import StackOptions
from stacks.planning import ResolvedFleet
from stacks.settings import Environment


class ObservabilityStack(cdk.Stack):
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
        self.dashboards = FleetDashboards(
            self,
            "Dashboards",
            name=environment,
            endpoints=observed_endpoints(environment, fleet),
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


def observed_endpoints(environment: str, fleet: ResolvedFleet) -> tuple[ObservedEndpoint, ...]:
    """Return what is observed of an environment.

    Args:
        environment: Name of the environment.
        fleet: The environment, with every value resolved, and its plan.
    """
    plans = {plan.name: plan for plan in fleet.plan.endpoints}
    return tuple(
        observed_endpoint(resolved, endpoint_name=endpoint_name(environment, name), plan=plans.get(name))
        for name, resolved in fleet.endpoints.items()
    )
