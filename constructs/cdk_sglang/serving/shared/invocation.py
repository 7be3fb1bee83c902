"""Permission to invoke components and adapters of an endpoint."""

from __future__ import annotations

from aws_cdk import aws_iam as iam

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns


def grant_invoke(grantee: iam.IGrantable, arns: SageMakerArns, endpoint_name: str, *names: str) -> iam.Grant:
    """Let a grantee invoke components and adapters, streaming included.

    Args:
        grantee: User, role or other principal.
        arns: ARNs of the endpoint's account and Region.
        endpoint_name: Name of the endpoint.
        names: Names of components and adapters, or patterns of names.
    """
    return iam.Grant.add_to_principal(
        grantee=grantee,
        actions=list(permissions.INVOKE),
        resource_arns=[*arns.allowed("endpoint", endpoint_name), *arns.allowed("inference-component", *names)],
    )
