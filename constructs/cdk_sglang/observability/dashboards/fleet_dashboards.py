"""Construct that deploys the dashboards of a fleet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.observability.dashboards.context import DashboardContext, Detail
from cdk_sglang.observability.dashboards.fitting import fitting_bodies
from cdk_sglang.observability.observed import ObservedEndpoint
from cdk_sglang.observability.planned import planned_construct
from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint
from cdk_sglang.spec.kinds import NAME_MAX_LENGTH, NAME_PATTERN, NAME_WORDS

_MINUTE: Final = 60
_MOST_MINUTES: Final = 15
_LEFT_OUT: Final[Mapping[Detail, str]] = {
    "endpoints": "every component, which have their lines on the dashboards of endpoints alone",
    "fleet": "every endpoint, which have their rows on those of the fleet alone",
}


class FleetDashboards(Construct):
    """CloudWatch dashboards of a fleet.

    There is one dashboard for the fleet, each endpoint, each endpoint's components, capacity and GPUs, and, if components use them, for
    speculative decoding and adapters. Their names are `<name>_fleet`, SageMaker's name of the endpoint, `<endpoint>_components`,
    `<name>_capacity` and so on; names of dashboards must be unique in an account over all Regions. CloudWatch bills each dashboard by the month.

    Example:
        ```python
        FleetDashboards(self, "Dashboards", name="prod", endpoints=[endpoint], enrichment=True)
        ```

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        name: Name of the fleet, such as prod; up to 40 lower-case letters, digits and single hyphens.
        endpoints: Its endpoints with their components, as constructs or as `ObservedEndpoint`.
        enrichment: Whether OTel enrichment is on in the account and Region, so that CloudWatch answers PromQL. Off by default: only classic
            metrics are then drawn.
        region: Region of the metrics; that of the stack by default.
        runbooks: Address of runbooks, or their folder in a repository, named on every dashboard; none by default.
        agent: Whether an `AgentDashboard` of the same name is deployed, which the fleet's links to; no by default.
        sample_minutes: Minutes between two samples of the environment's showback, whose costs, copies and scaling decisions are then drawn,
            costs on `<name>_costs`; none by default.

    Attributes:
        names: Names of the dashboards.

    Raises:
        ConfigurationError: There is no endpoint, an endpoint has no components or is listed twice, or CloudWatch would refuse a dashboard.
    """

    @checked("{construct_id}")
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        endpoints: Sequence[InferenceEndpoint | ObservedEndpoint],
        enrichment: bool = False,
        region: str | None = None,
        runbooks: str | None = None,
        agent: bool = False,
        sample_minutes: int | None = None,
    ) -> None:
        watched = tuple(
            planned_construct(endpoint) if isinstance(endpoint, InferenceEndpoint) else endpoint
            for endpoint in endpoints
        )
        raise_if_any(
            [
                *_name_problems(construct_id, name),
                *_endpoint_problems(construct_id, watched),
                *_sample_problems(construct_id, sample_minutes),
            ]
        )
        super().__init__(scope, construct_id)
        context = DashboardContext(
            name=name,
            endpoints=watched,
            enrichment=enrichment,
            runbooks=runbooks,
            agent=agent,
            sampled_seconds=None if sample_minutes is None else sample_minutes * _MINUTE,
        )
        place = cdk.Stack.of(self).region if region is None else region
        bodies = fitting_bodies(context, region=place, path=construct_id)
        self.names: tuple[str, ...] = tuple(bodies.texts)
        if left_out := _LEFT_OUT.get(bodies.detail):
            cdk.Annotations.of(self).add_info(
                f"one template cannot hold dashboards of {left_out}; divide the endpoints among several fleets"
            )
        for board, text in bodies.texts.items():
            cloudwatch.CfnDashboard(self, board, dashboard_name=board, dashboard_body=text)


def _name_problems(path: str, name: str) -> list[Problem]:
    if len(name) <= NAME_MAX_LENGTH and re.fullmatch(NAME_PATTERN, name):
        return []
    return [Problem(f"{path}.name", f"{name!r} is not allowed; use up to {NAME_MAX_LENGTH} {NAME_WORDS}")]


def _sample_problems(path: str, minutes: int | None) -> list[Problem]:
    if minutes is None or 1 <= minutes <= _MOST_MINUTES:
        return []
    return [Problem(f"{path}.sample_minutes", f"{minutes} is not allowed; use 1 to {_MOST_MINUTES}, as the showback's")]


def _endpoint_problems(path: str, endpoints: Sequence[ObservedEndpoint]) -> list[Problem]:
    if not endpoints:
        return [Problem(f"{path}.endpoints", "none; give at least one endpoint")]
    problems, names = [], set[str]()
    for position, endpoint in enumerate(endpoints):
        where = f"{path}.endpoints[{position}]"
        if not endpoint.components:
            problems.append(
                Problem(where, f"{endpoint.endpoint_name} has no components; add them before its dashboards are made")
            )
        if endpoint.endpoint_name in names:
            problems.append(Problem(where, f"{endpoint.endpoint_name} is listed more than once; keep one"))
        names.add(endpoint.endpoint_name)
    return problems
