"""Several components behind one name: an SSM parameter that `cdk_sglang.client.Route.load` reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.tokens import is_token
from cdk_sglang.spec.physical_names import name_problems
from cdk_sglang.spec.route import DESTINATIONS_MAX, DESTINATIONS_MIN

CONTENT_VERSION: Final = 1
"""Version of the parameter's content, which the client checks."""


@checked_fields
@dataclass(frozen=True, kw_only=True)
class RouteDestination:
    """A component by its names, so that it may belong to another stack that is deployed earlier or later.

    A name that is known only at deployment must be in lower case for `InferenceRoute.grant_invoke`: SageMaker's ARNs are in lower case, and the
    case of a token cannot be changed.

    Args:
        endpoint_name: SageMaker's name of the endpoint.
        component_name: SageMaker's name of the component or adapter.
    """

    endpoint_name: str
    component_name: str


class InferenceRoute(Construct):
    """Destinations in the order in which a client tries them; the client chooses among them (docs/adr/0035-routes.md).

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        parameter_name: Name of the SSM parameter: /cdk-sglang/<environment>/routes/<name>, which `Route.load` reads.
        destinations: Two to five destinations, in order of preference.

    Attributes:
        parameter_name: Name of the SSM parameter that holds the destinations.

    Raises:
        ConfigurationError: The number of destinations is not allowed, one is repeated, or SageMaker does not allow a name.
    """

    @checked("{construct_id}")
    def __init__(
        self, scope: Construct, construct_id: str, *, parameter_name: str, destinations: Sequence[RouteDestination]
    ) -> None:
        raise_if_any(_problems(construct_id, parameter_name, destinations))
        super().__init__(scope, construct_id)
        self.destinations: tuple[RouteDestination, ...] = tuple(destinations)
        content = {
            "version": CONTENT_VERSION,
            "destinations": [{"endpoint": at.endpoint_name, "component": at.component_name} for at in destinations],
        }
        self.node.default_child = ssm.CfnParameter(
            self,
            "Parameter",
            name=parameter_name,
            type="String",
            value=json.dumps(content),
            description="Destinations of a route of cdk-sglang, most wanted first; read by cdk_sglang.client",
        )
        self.parameter_name: str = parameter_name

    @checked()
    def grant_read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee load the route.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.
        """
        arn = cdk.Stack.of(self).format_arn(
            service="ssm", resource="parameter", resource_name=self.parameter_name.removeprefix("/")
        )
        return iam.Grant.add_to_principal(grantee=grantee, actions=list(permissions.READ_ROUTE), resource_arns=[arn])

    @checked()
    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee load the route, send requests to its destinations, and read their numbers of copies while waiting.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.
        """
        arns = SageMakerArns.of(cdk.Stack.of(self))
        endpoints = arns.allowed("endpoint", *(at.endpoint_name for at in self.destinations))
        components = arns.allowed("inference-component", *(at.component_name for at in self.destinations))
        iam.Grant.add_to_principal(grantee=grantee, actions=list(permissions.WATCH_COMPONENT), resource_arns=components)
        iam.Grant.add_to_principal(
            grantee=grantee, actions=list(permissions.INVOKE), resource_arns=[*endpoints, *components]
        )
        return self.grant_read(grantee)


def _problems(path: str, parameter_name: str, destinations: Sequence[RouteDestination]) -> list[Problem]:
    problems = []
    if is_token(parameter_name) or not parameter_name.startswith("/"):
        problems.append(
            Problem(
                f"{path}.parameter_name",
                f"{parameter_name!r} is not allowed; use a literal that begins with '/', such as "
                "/cdk-sglang/prod/routes/reasoning",
            )
        )
    if not DESTINATIONS_MIN <= len(destinations) <= DESTINATIONS_MAX:
        problems.append(
            Problem(
                f"{path}.destinations",
                f"got {len(destinations)}; use {DESTINATIONS_MIN} to {DESTINATIONS_MAX} (one alone needs no route)",
            )
        )
    problems += [
        Problem(f"{path}.destinations", f"{at.component_name} is listed more than once; name each once")
        for index, at in enumerate(destinations)
        if at in destinations[:index]
    ]
    for at in destinations:
        for name, what in ((at.endpoint_name, "endpoint"), (at.component_name, "component")):
            if not is_token(name):
                problems += name_problems(f"{path}.destinations", name, what)
    return list(dict.fromkeys(problems))
