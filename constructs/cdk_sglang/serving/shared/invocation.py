"""Permissions on endpoints, components and adapters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.tokens import is_token


def grant(grantee: iam.IGrantable, actions: Sequence[str], resource_arns: Sequence[str]) -> iam.Grant:
    """Allow a grantee to perform actions on resources.

    Args:
        grantee: User, role or other principal.
        actions: Actions that the grantee may perform.
        resource_arns: ARNs of the resources.
    """
    return iam.Grant.add_to_principal(grantee=grantee, actions=list(actions), resource_arns=list(resource_arns))


def grant_invoke(grantee: iam.IGrantable, arns: SageMakerArns, endpoint_name: str, *names: str) -> iam.Grant:
    """Let a grantee invoke components and adapters, with or without streaming.

    Args:
        grantee: User, role or other principal.
        arns: ARNs of the endpoint's account and Region.
        endpoint_name: Name of the endpoint.
        names: Names of components and adapters, or patterns of names.
    """
    _warn_of_another_account(grantee, arns, endpoint_name)
    return grant(
        grantee,
        permissions.INVOKE,
        [*arns.allowed("endpoint", endpoint_name), *arns.allowed("inference-component", *names)],
    )


def _warn_of_another_account(grantee: iam.IGrantable, arns: SageMakerArns, endpoint_name: str) -> None:
    """Warn that an invocation from another account fails: SageMaker looks for the endpoint in the caller's own account."""
    principal, here = grantee.grant_principal, arns.account
    account = principal.principal_account
    if account is None or here is None or is_token(account) or account == here:
        return
    if not Construct.is_construct(principal):  # such as an account, to which CDK grants nothing here
        return
    cdk.Annotations.of(cast("Construct", principal)).add_warning_v2(
        "cdk-sglang:caller-of-another-account",
        f"is of account {account}, and SageMaker looks for an endpoint ({endpoint_name} of {here}) in its caller's account; grant to a role of {here} that "
        "this one may assume",
    )
