"""Buckets and keys of other accounts: a role's own policy is not enough; the policy of the bucket or key must also allow the access.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-walkthroughs-managing-access-example2.html and
https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html (both read 2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import IConstruct

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.tokens import is_token

if TYPE_CHECKING:
    from aws_cdk import aws_s3 as s3


def is_of_another_account(scope: IConstruct, owned: cdk.IResource) -> bool:
    """Return whether a resource is known to be in another account than a construct."""
    account, owner = cdk.Stack.of(scope).account, owned.env.account
    return not is_token(account) and not is_token(owner) and account != owner


def is_shared(scope: IConstruct, bucket: s3.IBucket) -> bool:
    """Return whether a bucket or its key is known to be in another account than a construct, so that `share_with_account` has an effect."""
    key = bucket.encryption_key
    return is_of_another_account(scope, bucket) or (key is not None and is_of_another_account(scope, key))


def share_with_account(
    scope: IConstruct,
    bucket: s3.IBucket,
    *,
    prefix: str,
    actions: Sequence[str] = permissions.READ_WEIGHTS,
    key_actions: Sequence[str] = permissions.DECRYPT,
) -> None:
    """Let the account of a construct use a prefix of a bucket, and the bucket's key through S3; no-op within one account.

    The access is given to the account and not to a role: CloudFormation generates the names of roles, and an explicit name would replace the
    roles. The roles' own policies decide which of them have access.

    Args:
        scope: A construct that uses the bucket; it gets a warning if the bucket or the key does not belong to this app.
        bucket: The bucket.
        prefix: Prefix of the keys.
        actions: Actions on the objects.
        key_actions: Actions on the bucket's KMS key.
    """
    key = bucket.encryption_key
    account = cdk.Stack.of(scope).account
    if is_of_another_account(scope, bucket):
        results = [
            bucket.add_to_resource_policy(statement) for statement in _statements(bucket, account, prefix, actions)
        ]
        if not all(result.statement_added for result in results):
            allow = f"{', '.join((*actions, *permissions.LIST_WEIGHTS))} below {prefix} to account {account}"
            _warn(
                scope, "bucket", f"the policy of bucket {bucket.node.path} must allow {allow}, and is not of this app"
            )
    if key is not None and is_of_another_account(scope, key):
        result = key.add_to_resource_policy(_key_statement(bucket, account, key_actions), True)
        if not result.statement_added:
            allow = f"{', '.join(key_actions)} to account {account}"
            _warn(scope, "key", f"the policy of key {key.node.path} must allow {allow}, and is not of this app")


def _statements(bucket: s3.IBucket, account: str, prefix: str, actions: Sequence[str]) -> list[iam.PolicyStatement]:
    return [
        iam.PolicyStatement(
            principals=[iam.AccountPrincipal(account)],
            actions=list(actions),
            resources=[bucket.arn_for_objects(f"{prefix}*")],
        ),
        iam.PolicyStatement(
            principals=[iam.AccountPrincipal(account)],
            actions=list(permissions.LIST_WEIGHTS),
            resources=[bucket.bucket_arn],
            conditions={"StringLike": {"s3:prefix": [f"{prefix}*"]}},
        ),
    ]


def _key_statement(bucket: s3.IBucket, account: str, actions: Sequence[str]) -> iam.PolicyStatement:
    region = bucket.env.region
    through = {} if is_token(region) else {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}}
    return iam.PolicyStatement(
        principals=[iam.AccountPrincipal(account)], actions=list(actions), resources=["*"], conditions=through
    )


def _warn(scope: IConstruct, what: str, text: str) -> None:
    cdk.Annotations.of(scope).add_warning_v2(f"cdk-sglang:{what}-of-another-account", text)
