"""KMS keys of log groups: CloudWatch Logs itself encrypts with them, so a key's policy must allow it before a log group can be created."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import IConstruct

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

_ACTIONS: Final = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey")
"""Actions of the policy statement in CloudWatch Logs' guide (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html, read
2026-11), with DescribeKey instead of `kms:Describe*`."""

LOG_KEY_WARNING: Final = "cdk-sglang:log-key-policy"

_KNOWN: Final[WeakKeyDictionary[kms.IKey, dict[tuple[str, str], bool]]] = WeakKeyDictionary()
"""By key, then by account and Region: whether this app owns the key's policy, and the policy therefore now allows CloudWatch Logs."""


def let_logs_use(scope: IConstruct, key: kms.IKey, *, sid: str | None = None) -> bool:
    """Let CloudWatch Logs use a key for the log groups of a construct's account and Region, and return whether the key belongs to this app.

    The policy of a key that was created elsewhere cannot be changed.

    Args:
        scope: A construct in the stack of the log groups.
        key: The key.
        sid: Id of the statement; none by default.
    """
    stack = cdk.Stack.of(scope)
    place = stack.account, stack.region
    known = _KNOWN.setdefault(key, {})
    if place not in known:
        groups = stack.format_arn(
            service="logs", resource="log-group", resource_name="*", arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )
        statement = iam.PolicyStatement(
            sid=sid,
            principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
            actions=list(_ACTIONS),
            resources=["*"],
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        )
        known[place] = key.add_to_resource_policy(statement, True).statement_added
    return known[place]


def warn_of_foreign_log_key(scope: IConstruct, key: kms.IKey | None) -> None:
    """Let CloudWatch Logs use the key of an endpoint's log groups, or warn what the policy of a key that was created elsewhere must allow.

    Args:
        scope: The endpoint.
        key: Key of its log groups; None for CloudWatch Logs' own encryption.
    """
    if key is None or let_logs_use(scope, key):
        return
    stack = cdk.Stack.of(scope)
    cdk.Annotations.of(scope).add_warning_v2(
        LOG_KEY_WARNING,
        f"log_key {key.node.path} is not of this app, so its policy cannot be changed here; without a statement that allows "
        f"{', '.join(_ACTIONS)} to logs.{stack.region}.amazonaws.com, the deployment fails with its first log group: "
        "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html. Where it is there, acknowledge this warning",
    )
