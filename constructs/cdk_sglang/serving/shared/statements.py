"""Statements in the policy of an execution role, which may be the author's own role."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang.serving.shared.own_policy import give


def allow_in_role(scope: Construct, role: iam.IRole, sid: str, statement: iam.PolicyStatement) -> None:
    """Add a statement to a role, with its sid if the role is the endpoint's own.

    IAM requires unique sids in a policy, and several endpoints may share a role of the author.

    Args:
        scope: The endpoint.
        role: Its execution role.
        sid: Id of the statement.
        statement: Statement that allows the role to do something.
    """
    if role.node.scope is scope:
        statement.sid = sid
    give(role, statement)
