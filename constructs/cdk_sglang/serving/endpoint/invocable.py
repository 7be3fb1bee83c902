"""What callers may do with an endpoint, whether this app makes it or another one did."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.metrics.classic import VARIANT_NAME
from cdk_sglang.serving.alarms.component_metrics import ComponentMetrics
from cdk_sglang.serving.alarms.endpoint_metrics import EndpointMetrics
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.invocation import grant_invoke
from cdk_sglang.serving.shared.names import name_problems
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.tokens import is_token


class InvocableEndpoint(Construct):
    """An endpoint that can be named, watched and invoked.

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        endpoint_name: Name of the endpoint.
        arns: ARNs of the endpoint's account and Region.

    Attributes:
        variant_name: Name of the endpoint's only production variant.
        endpoint_arn: ARN of the endpoint.
    """

    def __init__(self, scope: Construct, construct_id: str, *, endpoint_name: str, arns: SageMakerArns) -> None:
        super().__init__(scope, construct_id)
        self._arns = arns
        self._invokers: list[iam.IGrantable] = []
        self.endpoint_name: str = endpoint_name
        self.variant_name: str = VARIANT_NAME
        self.endpoint_arn: str = arns.written("endpoint", endpoint_name)
        self.metrics = EndpointMetrics(endpoint_name=endpoint_name)

    @property
    def component_names(self) -> tuple[str, ...]:
        """Names of the endpoint's components, as far as they are known."""
        return ()

    @checked()
    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee invoke every component of the endpoint, those added later too, streaming included.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.
        """
        self._invokers.append(grantee)
        return self.grant_components(grantee, *self.component_names)

    def grant_components(self, grantee: iam.IGrantable, *names: str) -> iam.Grant:
        """Let the grantee invoke components and adapters of the endpoint by their names or patterns of them, streaming included.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.
            names: Names of components and adapters; `*` in a name stands for any characters.
        """
        return grant_invoke(grantee, self._arns, self.endpoint_name, *names)

    @checked()
    def grant_bearer_token(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee use the OpenAI-compatible path with bearer tokens, on top of `grant_invoke`.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.
        """
        return iam.Grant.add_to_principal(
            grantee=grantee, actions=list(permissions.CALL_WITH_BEARER_TOKEN), resource_arns=["*"]
        )


class ImportedEndpoint(InvocableEndpoint):
    """An endpoint of another stack or app, by its name; made by `InferenceEndpoint.from_endpoint_attributes`.

    Args:
        scope: Parent, in a stack of the endpoint's account and Region.
        construct_id: Id, unique in the parent.
        endpoint_name: Name of the endpoint.
        component_names: Names in SageMaker of the components that may be invoked.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, endpoint_name: str, component_names: Sequence[str]
    ) -> None:
        names = [
            ("endpoint_name", endpoint_name, "endpoint"),
            *(("component_names", name, "component") for name in component_names),
        ]
        problems = [
            problem
            for path, name, kind in names
            if not is_token(name)
            for problem in name_problems(f"{construct_id}.{path}", name, kind)
        ]
        if not component_names:
            problems.append(
                Problem(
                    f"{construct_id}.component_names",
                    "got none; give the components that may be invoked, such as chat-llama",
                )
            )
        raise_if_any(problems)
        super().__init__(scope, construct_id, endpoint_name=endpoint_name, arns=SageMakerArns.of(cdk.Stack.of(scope)))
        self._component_names = tuple(component_names)

    @property
    def component_names(self) -> tuple[str, ...]:
        """Names of the components that may be invoked."""
        return self._component_names


class ImportedComponent(Construct):
    """An inference component of another stack or app, by its name; made by `InferenceComponent.from_component_attributes`.

    Args:
        scope: Parent, in a stack of the component's account and Region.
        construct_id: Id, unique in the parent.
        component_name: Name of the component in SageMaker.
        endpoint_name: Name of its endpoint.

    Attributes:
        component_arn: ARN of the inference component.
    """

    def __init__(self, scope: Construct, construct_id: str, *, component_name: str, endpoint_name: str) -> None:
        raise_if_any(
            problem
            for path, name, kind in (
                ("component_name", component_name, "component"),
                ("endpoint_name", endpoint_name, "endpoint"),
            )
            if not is_token(name)
            for problem in name_problems(f"{construct_id}.{path}", name, kind)
        )
        super().__init__(scope, construct_id)
        self._arns = SageMakerArns.of(cdk.Stack.of(scope))
        self.component_name: str = component_name
        self.endpoint_name: str = endpoint_name
        self.component_arn: str = self._arns.written("inference-component", component_name)
        self.metrics = ComponentMetrics(component_name=component_name, endpoint_name=endpoint_name)

    @checked("{self.component_name}")
    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee invoke this component, streaming included.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.
        """
        return grant_invoke(grantee, self._arns, self.endpoint_name, self.component_name)
