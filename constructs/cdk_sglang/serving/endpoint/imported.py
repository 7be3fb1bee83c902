"""Endpoints and components that another stack or app deploys, referenced by name or ARN."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.endpoint.invocable import InvocableComponent, InvocableEndpoint
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.tokens import is_token
from cdk_sglang.spec.physical_names import name_problems


class ImportedEndpoint(InvocableEndpoint):
    """An endpoint of another stack or app; created by `InferenceEndpoint.from_endpoint_name` and the other `from_*` methods.

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        endpoint_name: Name of the endpoint.
        component_names: Names in SageMaker of the components that may be invoked; without any, `grant_invoke` is refused.
        needs_components: Whether importing it without component names is an error.
        arns: ARNs of the endpoint's account and Region; those of the scope's stack by default.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        component_names: Sequence[str],
        needs_components: bool = False,
        arns: SageMakerArns | None = None,
    ) -> None:
        raise_if_any(
            [
                *_problems(f"{construct_id}.endpoint_name", endpoint_name, "endpoint"),
                *(
                    problem
                    for name in component_names
                    for problem in _problems(f"{construct_id}.component_names", name, "component")
                ),
                *(no_components(construct_id) if needs_components and not component_names else []),
            ]
        )
        super().__init__(
            scope, construct_id, endpoint_name=endpoint_name, arns=arns or SageMakerArns.of(cdk.Stack.of(scope))
        )
        self._component_names = tuple(component_names)

    @property
    def component_names(self) -> tuple[str, ...]:
        """Names of the components that may be invoked."""
        return self._component_names

    @checked()
    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee invoke the components that the endpoint was imported with, with or without streaming.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.

        Raises:
            ConfigurationError: The endpoint was imported without names of components.
        """
        raise_if_any(no_components(self.node.id) if not self._component_names else [])
        return super().grant_invoke(grantee)


class ImportedComponent(InvocableComponent):
    """An inference component of another stack or app; created by a `from_*` method of `InferenceComponent`.

    Args:
        scope: Parent, in a stack of the component's account and Region.
        construct_id: Id, unique in the parent.
        component_name: Name of the component in SageMaker.
        endpoint_name: Name of its endpoint.
    """

    def __init__(self, scope: Construct, construct_id: str, *, component_name: str, endpoint_name: str) -> None:
        raise_if_any(
            [
                *_problems(f"{construct_id}.component_name", component_name, "component"),
                *_problems(f"{construct_id}.endpoint_name", endpoint_name, "endpoint"),
            ]
        )
        super().__init__(
            scope,
            construct_id,
            component_name=component_name,
            endpoint_name=endpoint_name,
            arns=SageMakerArns.of(cdk.Stack.of(scope)),
        )


class EndpointReferences:
    """Ways to reference an endpoint that another stack or app deploys."""

    @staticmethod
    @checked("{construct_id}")
    def from_endpoint_attributes(
        scope: Construct, construct_id: str, *, endpoint_name: str, component_names: Sequence[str]
    ) -> ImportedEndpoint:
        """Reference an endpoint that another stack or app deploys, to invoke and monitor it.

        Args:
            scope: Parent, in a stack of the endpoint's account and Region.
            construct_id: Id, unique in the parent.
            endpoint_name: Name of the endpoint; may be known only at deployment.
            component_names: Names in SageMaker of the components that `grant_invoke` lets a grantee invoke, such as chat-llama.

        Raises:
            ConfigurationError: No component is given, or SageMaker does not allow a name.
        """
        return ImportedEndpoint(
            scope,
            construct_id,
            endpoint_name=endpoint_name,
            component_names=component_names,
            needs_components=True,
        )

    @staticmethod
    @checked("{construct_id}")
    def from_endpoint_name(
        scope: Construct, construct_id: str, endpoint_name: str, *, component_names: Sequence[str] = ()
    ) -> ImportedEndpoint:
        """Reference an endpoint that another stack or app deploys, to monitor it and, if components are named, to invoke it.

        Args:
            scope: Parent, in a stack of the endpoint's account and Region.
            construct_id: Id, unique in the parent.
            endpoint_name: Name of the endpoint; may be known only at deployment.
            component_names: Names in SageMaker of the components that `grant_invoke` lets a grantee invoke; none by default, and then
                `grant_invoke` is refused.

        Raises:
            ConfigurationError: SageMaker does not allow a name.
        """
        return ImportedEndpoint(scope, construct_id, endpoint_name=endpoint_name, component_names=component_names)

    @staticmethod
    @checked("{construct_id}")
    def from_endpoint_arn(
        scope: Construct, construct_id: str, endpoint_arn: str, *, component_names: Sequence[str] = ()
    ) -> ImportedEndpoint:
        """Reference an endpoint by its ARN, which may belong to another account or Region than the scope.

        Args:
            scope: Parent.
            construct_id: Id, unique in the parent.
            endpoint_arn: ARN of the endpoint. SageMaker writes names in ARNs in lower case; if the name has capital letters, pass the name to
                `from_endpoint_name` instead.
            component_names: Names in SageMaker of the components that `grant_invoke` lets a grantee invoke; none by default, and then
                `grant_invoke` is refused.

        Raises:
            ConfigurationError: The text is not the ARN of an endpoint, or is known only at deployment.
        """
        return endpoint_of_arn(scope, construct_id, endpoint_arn, component_names)


class ComponentReferences:
    """Ways to reference a component that another stack or app deploys."""

    @staticmethod
    @checked("{construct_id}")
    def from_component_attributes(
        scope: Construct, construct_id: str, *, component_name: str, endpoint_name: str
    ) -> ImportedComponent:
        """Reference a component that another stack or app deploys, to invoke and monitor it.

        Args:
            scope: Parent, in a stack of the component's account and Region.
            construct_id: Id, unique in the parent.
            component_name: Name of the component in SageMaker; may be known only at deployment.
            endpoint_name: Name of its endpoint; may be known only at deployment.

        Raises:
            ConfigurationError: SageMaker does not allow a name.
        """
        return ImportedComponent(scope, construct_id, component_name=component_name, endpoint_name=endpoint_name)

    @staticmethod
    @checked("{construct_id}")
    def from_component_name(
        scope: Construct, construct_id: str, component_name: str, *, endpoint: InvocableEndpoint
    ) -> ImportedComponent:
        """Reference a component that another stack or app deploys, on an endpoint that this app knows.

        Args:
            scope: Parent, in a stack of the component's account and Region.
            construct_id: Id, unique in the parent.
            component_name: Name of the component in SageMaker; may be known only at deployment.
            endpoint: Its endpoint, such as one from `InferenceEndpoint.from_endpoint_name`.

        Raises:
            ConfigurationError: SageMaker does not allow a name.
        """
        return ImportedComponent(
            scope, construct_id, component_name=component_name, endpoint_name=endpoint.endpoint_name
        )


def no_components(construct_id: str) -> list[Problem]:
    """Return the problem of an endpoint that was imported without the names of components that may be invoked."""
    return [
        Problem(
            f"{construct_id}.component_names", "got none; give the components that may be invoked, such as chat-llama"
        )
    ]


def endpoint_of_arn(
    scope: Construct, construct_id: str, endpoint_arn: str, component_names: Sequence[str]
) -> ImportedEndpoint:
    """Import an endpoint by its ARN, with the account and Region that the ARN names.

    Raises:
        ConfigurationError: The text is not the ARN of an endpoint, or is known only at deployment.
    """
    parts = [] if is_token(endpoint_arn) else endpoint_arn.split(":")
    match parts:
        case ["arn", _, "sagemaker", region, account, resource] if resource.startswith("endpoint/"):
            arns = SageMakerArns(
                beginning=endpoint_arn.removesuffix(resource), region=region or None, account=account or None
            )
            return ImportedEndpoint(
                scope,
                construct_id,
                endpoint_name=resource.removeprefix("endpoint/"),
                component_names=component_names,
                arns=arns,
            )
    raise ConfigurationError(
        [
            Problem(
                f"{construct_id}.endpoint_arn",
                "must be known at synth, got a token; use from_endpoint_name(...), whose name may be one"
                if is_token(endpoint_arn)
                else f"{endpoint_arn!r} is not the ARN of an endpoint; give one such as "
                "arn:aws:sagemaker:us-east-1:111122223333:endpoint/chat",
            )
        ]
    )


def _problems(path: str, name: str, what: str) -> list[Problem]:
    return [] if is_token(name) else name_problems(path, name, what)
