"""What the role of an endpoint may read of S3: the prefixes of its models and nothing beside them.

Many models share a few statements: what IAM lets the policies of one role hold is little (10,240 characters inline, ten
managed policies), and so is what a question to CDK may cost when there are a hundred models.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk_sglang.serving import permissions
from cdk_sglang.serving.acknowledge import shown, wildcard_finding
from cdk_sglang.serving.tokens import is_token

_PREFIXES_PER_STATEMENT: Final = 25
"""Keeps a statement well below the 6,144 characters of a managed policy, into which CDK moves what is too much for an inline one
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, read 2026-11)."""

_REASON: Final = "the files of one model, under its own prefix"


@dataclass(frozen=True, kw_only=True)
class KnownBucket:
    """What is asked of a bucket once, however many models are in it."""

    name: str
    arn: str
    key: kms.IKey | None


@dataclass(kw_only=True)
class _Statements:
    """Two statements that grow with the prefixes they allow."""

    read: iam.PolicyStatement
    listing: iam.PolicyStatement
    prefixes: list[str] = field(default_factory=list)


class WeightsAccess:
    """Read access of one role, added to as models are bound.

    Args:
        scope: The endpoint.
        role: Its execution role.
    """

    def __init__(self, scope: Construct, role: iam.Role) -> None:
        self._stack = cdk.Stack.of(scope)
        self.partition: str = self._stack.partition
        self._role = role
        self._validations = cdk.Validations.of(role)
        self._buckets: list[tuple[s3.IBucket, KnownBucket]] = []
        self._shown: dict[str, str] = {}
        self._open: dict[str, _Statements] = {}
        self._allowed: set[tuple[str, str]] = set()
        self._keys: list[kms.IKey] = []

    def known(self, bucket: s3.IBucket) -> KnownBucket:
        """Return name, ARN and key of a bucket."""
        for other, known in self._buckets:
            if other is bucket:
                return known
        found = KnownBucket(name=bucket.bucket_name, arn=bucket.bucket_arn, key=bucket.encryption_key)
        self._buckets.append((bucket, found))
        return found

    def read(self, bucket_arn: str, prefix: str, key: kms.IKey | None) -> None:
        """Let the role list a prefix of a bucket and read what is under it, through the bucket's key when it has one."""
        if key is not None and not any(other is key for other in self._keys):
            self._keys.append(key)
            self._role.add_to_principal_policy(
                iam.PolicyStatement(actions=list(permissions.DECRYPT), resources=[key.key_arn])
            )
        if (bucket_arn, prefix) in self._allowed:
            return
        self._allowed.add((bucket_arn, prefix))
        files, listed = f"{bucket_arn}/{prefix}*", f"{prefix}*"
        statements = self._open.get(bucket_arn)
        if statements is None or len(statements.prefixes) == _PREFIXES_PER_STATEMENT:
            self._open[bucket_arn] = self._begin(bucket_arn, files, listed)
        else:
            statements.prefixes.append(listed)
            statements.read.add_resources(files)
            statements.listing.add_condition("StringLike", {"s3:prefix": statements.prefixes})
        self._acknowledge(bucket_arn, listed)

    def _begin(self, bucket_arn: str, files: str, listed: str) -> _Statements:
        made = _Statements(
            read=iam.PolicyStatement(actions=list(permissions.READ_WEIGHTS), resources=[files]),
            listing=iam.PolicyStatement(
                actions=list(permissions.LIST_WEIGHTS),
                resources=[bucket_arn],
                conditions={"StringLike": {"s3:prefix": [listed]}},
            ),
            prefixes=[listed],
        )
        self._role.add_to_principal_policy(made.read)
        self._role.add_to_principal_policy(made.listing)
        return made

    def _acknowledge(self, bucket_arn: str, listed: str) -> None:
        if bucket_arn not in self._shown:
            self._shown[bucket_arn] = shown(self._stack.resolve(bucket_arn))
        below = shown(self._stack.resolve(listed)) if is_token(listed) else listed
        finding = wildcard_finding(f"{self._shown[bucket_arn]}/{below}")
        self._validations.acknowledge(cdk.Acknowledgment(id=finding, reason=_REASON))
