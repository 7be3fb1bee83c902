"""Permissions on endpoints, components and adapters."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_iam as iam

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns


def grant(grantee: iam.IGrantable, actions: Sequence[str], resource_arns: Sequence[str]) -> iam.Grant:
    """Let a grantee do something with resources.

    Args:
        grantee: User, role or other principal.
        actions: What the grantee may do.
        resource_arns: With what.
    """
    return iam.Grant.add_to_principal(grantee=grantee, actions=list(actions), resource_arns=list(resource_arns))


def grant_invoke(grantee: iam.IGrantable, arns: SageMakerArns, endpoint_name: str, *names: str) -> iam.Grant:
    """Let a grantee invoke components and adapters, streaming included.

    Args:
        grantee: User, role or other principal.
        arns: ARNs of the endpoint's account and Region.
        endpoint_name: Name of the endpoint.
        names: Names of components and adapters, or patterns of names.
    """
    return grant(
        grantee,
        permissions.INVOKE,
        [*arns.allowed("endpoint", endpoint_name), *arns.allowed("inference-component", *names)],
    )
