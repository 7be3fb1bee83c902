"""Use of KMS keys by a role, through the one service that stores the encrypted data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.own_policy import give

if TYPE_CHECKING:  # loading a service's constructs takes time, and these are only named in annotations
    from aws_cdk import aws_secretsmanager as secretsmanager


Service: TypeAlias = Literal["s3", "secretsmanager"]


def only_through(stack: cdk.Stack, service: Service) -> dict[str, dict[str, str]]:
    """Return the condition that one service of the stack's Region calls KMS for the role.

    Args:
        stack: Stack of the role.
        service: Service, as `kms:ViaService` names it
            (https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service, read 2026-11).
    """
    return {"StringEquals": {"kms:ViaService": f"{service}.{stack.region}.{stack.url_suffix}"}}


def use_key(stack: cdk.Stack, key_arn: str, actions: Sequence[str], *, through: Service) -> iam.PolicyStatement:
    """Return the statement that lets a role use a key through one service of the stack's Region.

    The policies of keys in other accounts, and of keys that another stack created, must also allow the role
    (https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html, read 2026-11).

    Args:
        stack: Stack of the role.
        key_arn: ARN of the key.
        actions: Actions on it, such as `permissions.DECRYPT`.
        through: Service that stores the data that the key encrypts.
    """
    return iam.PolicyStatement(actions=list(actions), resources=[key_arn], conditions=only_through(stack, through))


def grant_secret(
    stack: cdk.Stack, secret: secretsmanager.ISecret, role: iam.Role, *, key_arn: str | None = None
) -> None:
    """Let a role read a secret, with the key that encrypts it.

    `ISecret.grant_read` leaves the permission to the key's own policy, which CDK cannot change if another stack created the key.

    Args:
        stack: Stack of the role.
        secret: The secret.
        role: The role.
        key_arn: ARN of its key, if the secret construct does not know it; Secrets Manager's own by default.
    """
    secret.grant_read(role)
    key = secret.encryption_key
    arn = key_arn if key is None else key.key_arn
    if arn is not None:
        give(role, use_key(stack, arn, permissions.DECRYPT, through="secretsmanager"))
