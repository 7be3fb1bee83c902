"""Trust policies of roles that CDK's own constructs create."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import IConstruct


def trust_account_alone(role: IConstruct) -> None:
    """Let a service assume a role only on behalf of the stack's own account; CDK's construct creates the role without that condition.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html (read 2026-11).

    Args:
        role: The role; its trust policy has one statement.
    """
    resource = role.node.default_child
    assert isinstance(resource, iam.CfnRole)
    resource.add_property_override(
        "AssumeRolePolicyDocument.Statement.0.Condition",
        {"StringEquals": {"aws:SourceAccount": cdk.Stack.of(role).account}},
    )
