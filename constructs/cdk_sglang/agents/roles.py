"""Roles of AgentCore: every statement of trust names account and resource, and every policy is inline and complete when the role is created.

Those that aws-cdk-lib 2.275.0 creates by itself are wider: the gateway's also trusts any account (github.com/aws/aws-cdk/issues/38780), the
runtime's reads the whole bucket of assets, and the gateway's gets its permissions after the target is created (issue 36826).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang.serving.shared.acknowledge import acknowledge_inline_policy

_SERVICE: Final = "bedrock-agentcore.amazonaws.com"


def agentcore_principal(
    stack: cdk.Stack, kind: Literal["runtime", "gateway", "memory"], name: str
) -> iam.ServicePrincipal:
    """Return AgentCore as a principal, on behalf of this account's resources of one name.

    Args:
        stack: The stack, for its account and Region.
        kind: Kind of resource.
        name: Its name; the service adds a hyphen and ten characters to make the id.
    """
    arn = stack.format_arn(service="bedrock-agentcore", resource=kind, resource_name=f"{name}-*")
    return iam.ServicePrincipal(_SERVICE, conditions=_here(stack) | {"ArnLike": {"aws:SourceArn": arn}})


def service_principal(stack: cdk.Stack, service: str) -> iam.ServicePrincipal:
    """Return a service as a principal, on behalf of this account."""
    return iam.ServicePrincipal(service, conditions=_here(stack))


def make_role(
    scope: Construct,
    construct_id: str,
    *,
    description: str,
    principal: iam.IPrincipal,
    statements: Mapping[str, Sequence[iam.PolicyStatement]],
) -> iam.Role:
    """Create a role whose policies are part of it, so that nothing can be created between the role and its permissions.

    Args:
        scope: Parent.
        construct_id: Id of the role.
        description: What it is for.
        principal: Who may assume it.
        statements: Statements by the name of their inline policy; an empty policy is left out.
    """
    role = iam.Role(
        scope,
        construct_id,
        description=description,
        assumed_by=principal,
        inline_policies={name: iam.PolicyDocument(statements=list(held)) for name, held in statements.items() if held},
    )
    acknowledge_inline_policy(role)
    return role


def allow(
    actions: Sequence[str], resources: Sequence[str], *, sid: str, conditions: Mapping[str, object] | None = None
) -> iam.PolicyStatement:
    """Return a statement that allows actions on resources."""
    return iam.PolicyStatement(sid=sid, actions=list(actions), resources=list(resources), conditions=conditions)


def _here(stack: cdk.Stack) -> dict[str, dict[str, str]]:
    return {"StringEquals": {"aws:SourceAccount": stack.account}}
