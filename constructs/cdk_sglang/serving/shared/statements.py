"""Statements in the policy of an execution role, which may be the author's."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang.serving.shared.own_policy import give


def allow_in_role(scope: Construct, role: iam.IRole, sid: str, statement: iam.PolicyStatement) -> None:
    """Add a statement to a role, with its sid where the role is the endpoint's own.

    IAM wants sids to be unique in a policy, and endpoints may share a role of the author's.

    Args:
        scope: The endpoint.
        role: Its execution role.
        sid: Id of the statement.
        statement: What the role may do.
    """
    if role.node.scope is scope:
        statement.sid = sid
    give(role, statement)
