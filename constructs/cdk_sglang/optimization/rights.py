"""IAM statements of the pipeline, each with the reason for its wildcards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aws_cdk import aws_iam as iam

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_all, wildcards
from cdk_sglang.serving.shared.keys import only_through
from cdk_sglang.serving.shared.own_policy import give

if TYPE_CHECKING:
    from constructs import Construct

    from cdk_sglang.optimization.places import Places

_REFERENCE: Final = "https://docs.aws.amazon.com/service-authorization/latest/reference"
NO_RESOURCE: Final = f"the action has no resource types: {_REFERENCE}/list_amazonsagemaker.html, list_servicequotas.html and list_amazoncloudwatch.html"
FILES: Final = "files below prefixes of this one component"


@dataclass(frozen=True, kw_only=True)
class Right:
    """One statement.

    Attributes:
        actions: IAM actions.
        resources: ARNs.
        reason: Why a resource ends in a wildcard; empty if none does.
        conditions: IAM conditions.
    """

    actions: Sequence[str]
    resources: Sequence[str]
    reason: str = ""
    conditions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def statement(self) -> iam.PolicyStatement:
        """The statement for IAM."""
        return iam.PolicyStatement(
            actions=list(self.actions), resources=list(self.resources), conditions=dict(self.conditions) or None
        )


def grant(scope: Construct, role: iam.Role, rights: Iterable[Right], *accepted: tuple[Iterable[str], str]) -> None:
    """Grant permissions to a role, and acknowledge their wildcards with the reasons.

    Args:
        scope: A construct of the stack.
        role: The role.
        rights: The permissions.
        *accepted: Further findings that are accepted on the role.
    """
    reasons: dict[str, str] = {}
    for right in rights:
        give(role, right.statement)
        reasons.update({arn: right.reason for arn in right.resources if "*" in arn})
    acknowledge_all(role, *accepted, *(wildcards(scope, [arn], reason) for arn, reason in reasons.items()))


def read(places: Places, bucket_arn: str, prefix: str) -> list[Right]:
    """Return the permissions to list a prefix and to read objects below it.

    Args:
        places: Names and ARNs of the component's pipeline.
        bucket_arn: ARN of the bucket.
        prefix: The prefix.
    """
    rights = [
        Right(actions=permissions.READ_WEIGHTS, resources=[f"{bucket_arn}/{prefix}*"], reason=FILES),
        lists(bucket_arn, prefix),
    ]
    if places.key_arn is not None:
        rights.append(Right(actions=permissions.DECRYPT, resources=[places.key_arn]))
    of_base = places.base_key_arn
    if of_base is not None and bucket_arn == places.base_bucket_arn:
        rights.append(
            Right(actions=permissions.DECRYPT, resources=[of_base], conditions=only_through(places.stack, "s3"))
        )
    return rights


def lists(bucket_arn: str, prefix: str) -> Right:
    """Return the permission to list a prefix.

    Args:
        bucket_arn: ARN of the bucket.
        prefix: The prefix.
    """
    return Right(
        actions=permissions.LIST_WEIGHTS,
        resources=[bucket_arn],
        conditions={"StringLike": {"s3:prefix": [f"{prefix}*"]}},
    )


def write(places: Places, prefix: str, *, parts: bool = False) -> list[Right]:
    """Return the permissions to list a prefix of the weights bucket, and to read and write objects below it.

    Args:
        places: Names and ARNs of the component's pipeline.
        prefix: The prefix.
        parts: Whether failed multipart uploads may be aborted. Default: no.
    """
    return [*read(places, places.bucket_arn, prefix), *put(places, prefix, parts=parts)]


def put(places: Places, prefix: str, *, parts: bool = False) -> list[Right]:
    """Return the permissions to write below a prefix of the weights bucket, without reading.

    Args:
        places: Names and ARNs of the component's pipeline.
        prefix: The prefix.
        parts: Whether failed multipart uploads may be aborted. Default: no.
    """
    actions = ("s3:AbortMultipartUpload", "s3:PutObject") if parts else ("s3:PutObject",)
    rights = [Right(actions=actions, resources=[f"{places.bucket_arn}/{prefix}*"], reason=FILES)]
    if places.key_arn is not None:
        rights.append(Right(actions=permissions.ENCRYPT, resources=[places.key_arn]))
    return rights


def pass_role(role_arn: str) -> Right:
    """Return the permission to pass a role to SageMaker.

    Args:
        role_arn: ARN of the role.
    """
    return Right(
        actions=("iam:PassRole",),
        resources=[role_arn],
        conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    )
