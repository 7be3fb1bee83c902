"""Read access of an endpoint's role to S3: the prefixes of its models and nothing else.

Many models share a few statements, because IAM limits the policies of one role (10,240 characters inline, ten managed policies), and each
call to CDK takes time that a hundred models multiply.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge, shown, wildcard_finding
from cdk_sglang.serving.shared.keys import use_key
from cdk_sglang.serving.shared.other_accounts import is_shared, share_with_account
from cdk_sglang.serving.shared.own_policy import give
from cdk_sglang.serving.shared.tokens import is_token
from cdk_sglang.serving.weights.prepared import PreparedModel

if TYPE_CHECKING:  # loading a service's constructs takes time, and these are only named in annotations
    from aws_cdk import aws_s3 as s3

_PREFIXES_PER_STATEMENT: Final = 25
"""Keeps a statement well below the 6,144 characters of a managed policy, into which CDK moves what exceeds an inline policy
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, read 2026-11)."""

_BEFORE_THE_ROLES_OWN: Final = 100
"""CDK's priority of mutating aspects is 200; lower priorities run first."""

_REASON: Final = "the files of one model, under its own prefix"


@dataclass(frozen=True, kw_only=True)
class KnownBucket:
    """Name, ARN and KMS key ARN of a bucket, queried from CDK once, however many models are in it."""

    name: str
    arn: str
    key_arn: str | None


class ModelCheck(Protocol):
    """The part of `WeightsCheck`, the check of a stack's models, that model sources use."""

    def check(self, bucket: KnownBucket, prefix: str, *, expected_bytes: float | None) -> PreparedModel:
        """Check a prefix for a component."""


class WeightsAccess:
    """Read access of one role: collected while models are bound, and written into its policy at synth.

    Args:
        scope: The endpoint.
        role: Its execution role.

    Attributes:
        scope: The endpoint.
        partition: Partition of the stack's Region.
        check: Check of the stack's models; None until the first model of the endpoint needs it.
    """

    def __init__(self, scope: Construct, role: iam.IRole) -> None:
        self.scope: Construct = scope
        self._stack = cdk.Stack.of(scope)
        self.partition: str = self._stack.partition
        self.check: ModelCheck | None = None
        self._role = role
        self._buckets: list[tuple[s3.IBucket, KnownBucket]] = []
        self._not_shared: list[s3.IBucket] = []
        self._written: set[tuple[str, str]] = set()
        self._pending: dict[str, dict[str, None]] = {}
        self._keys: set[str] = set()
        # Before the role's own aspect, which moves what exceeds an inline policy into managed ones.
        cdk.Aspects.of(role).add(_WriteWeightsAccess(self, role), priority=_BEFORE_THE_ROLES_OWN)

    def known(self, bucket: s3.IBucket, key_arn: str | None = None) -> KnownBucket:
        """Return name, ARN and key of a bucket.

        Args:
            bucket: The bucket.
            key_arn: ARN of its KMS key, if the bucket construct does not know it.
        """
        for other, known in self._buckets:
            if other is bucket and (known.key_arn is not None or key_arn is None):
                return known
        key = bucket.encryption_key
        key_arn = key_arn if key is None else key.key_arn
        found = KnownBucket(name=bucket.bucket_name, arn=bucket.bucket_arn, key_arn=key_arn)
        self._buckets.append((bucket, found))
        return found

    def named(self, bucket_name: str, key_arn: str | None) -> KnownBucket:
        """Return name, ARN and key of a bucket that is not a construct."""
        return KnownBucket(name=bucket_name, arn=f"arn:{self.partition}:s3:::{bucket_name}", key_arn=key_arn)

    def read(self, bucket_arn: str, prefix: str, key_arn: str | None) -> None:
        """Let the role list a prefix of a bucket and read the objects under it, using the bucket's key if it has one."""
        if key_arn is not None and key_arn not in self._keys:
            self._keys.add(key_arn)
            give(self._role, use_key(self._stack, key_arn, permissions.DECRYPT, through="s3"))
        if (bucket_arn, prefix) not in self._written:
            self._written.add((bucket_arn, prefix))
            self._pending.setdefault(bucket_arn, {})[f"{prefix}*"] = None

    def share(self, bucket: s3.IBucket, prefix: str) -> None:
        """Let the endpoint's account use a prefix of another account's bucket; a bucket's account is queried from CDK once.

        Args:
            bucket: The bucket.
            prefix: Prefix of the keys.
        """
        if any(other is bucket for other in self._not_shared):
            return
        if is_shared(self.scope, bucket):
            share_with_account(self.scope, bucket, prefix=prefix)
        else:
            self._not_shared.append(bucket)

    def write(self) -> None:
        """Write the prefixes that were added since the last call into the role's policy."""
        pending, self._pending = self._pending, {}
        for bucket_arn, listed in pending.items():
            prefixes = list(listed)
            for begin in range(0, len(prefixes), _PREFIXES_PER_STATEMENT):
                self._allow(bucket_arn, prefixes[begin : begin + _PREFIXES_PER_STATEMENT])
            self._acknowledge(bucket_arn, prefixes)

    def _allow(self, bucket_arn: str, prefixes: list[str]) -> None:
        files = [f"{bucket_arn}/{prefix}" for prefix in prefixes]
        give(self._role, iam.PolicyStatement(actions=list(permissions.READ_WEIGHTS), resources=files))
        give(
            self._role,
            iam.PolicyStatement(
                actions=list(permissions.LIST_WEIGHTS),
                resources=[bucket_arn],
                conditions={"StringLike": {"s3:prefix": prefixes}},
            ),
        )

    def _acknowledge(self, bucket_arn: str, prefixes: list[str]) -> None:
        bucket = shown(self._stack.resolve(bucket_arn))
        below = prefixes
        if any(is_token(prefix) for prefix in prefixes):
            below = [shown(prefix) for prefix in self._stack.resolve(prefixes)]
        acknowledge(self._role, [wildcard_finding(f"{bucket}/{prefix}") for prefix in below], _REASON)


@jsii.implements(cdk.IAspect)
class _WriteWeightsAccess:
    def __init__(self, access: WeightsAccess, role: iam.IRole) -> None:
        self._access = access
        self._role = role

    def visit(self, node: IConstruct) -> None:
        if node is self._role:  # and not its children
            self._access.write()
