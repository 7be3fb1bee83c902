"""Permissions that SageMaker needs from the execution role of an endpoint or a job, and its message if one is missing.

The permissions are those of https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html, CreateModel API: Execution Role Permissions
(read 2026-12). `door.permissions` decides; without it every role may do everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.utilities.utils import get_partition

Judge = Callable[[str, str, str], str | None]
"""Returns IAM's message if a role may not perform an action on a resource, None if it may."""

_OF_A_REGISTRY: Final = ".dkr.ecr."
_PULLS: Final = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


def _allow(role: str, action: str, resource: str) -> None:
    """Allow everything: there is no door."""
    del role, action, resource


_judge: Judge = _allow


def use_judge(judge: Judge) -> None:
    """Use this function from now on."""
    globals()["_judge"] = judge


def denied(role_arn: str | None, action: str, resource: str = "") -> str | None:
    """Return IAM's message if a role may not perform an action, None if it may.

    Args:
        role_arn: ARN of the role; without a role everything is allowed.
        action: Prefix of the service and name of the action.
        resource: ARN of the resource. Default: any.
    """
    return _judge(role_arn, action, resource) if role_arn else None


def key_of(bucket: str, region: str) -> str | None:
    """ARN of the customer managed key with which a bucket encrypts its objects; None without one."""
    found = s3_backends[DEFAULT_ACCOUNT_ID][get_partition(region)].buckets.get(bucket)
    rule = ((found.encryption if found else None) or {}).get("Rule", {}).get("ApplyServerSideEncryptionByDefault", {})
    key = rule.get("KMSMasterKeyID")
    if not key or rule.get("SSEAlgorithm") != "aws:kms":
        return None
    return str(key) if str(key).startswith("arn:") else f"arn:aws:kms:{region}:{DEFAULT_ACCOUNT_ID}:key/{key}"


def reading(role_arn: str | None, uri: str, *, region: str, listed: bool = False) -> str | None:
    """Return IAM's message if a role may not read an S3 address, None if it may.

    Args:
        role_arn: ARN of the role.
        uri: Address of an object or, with `listed`, of a prefix.
        region: Region of the bucket.
        listed: Whether the objects below the address are listed and read.
    """
    place = urlsplit(uri)
    bucket, path = place.netloc, place.path.lstrip("/")
    message = denied(role_arn, "s3:ListBucket", f"arn:aws:s3:::{bucket}") if listed else None
    if message is None:
        message = denied(role_arn, "s3:GetObject", f"arn:aws:s3:::{bucket}/{path}{'*' if listed else ''}")
    key = key_of(bucket, region)
    return message or (denied(role_arn, "kms:Decrypt", key) if key else None)


def writing(role_arn: str | None, uri: str, *, region: str) -> str | None:
    """Return IAM's message if a role may not write an object, None if it may.

    Args:
        role_arn: ARN of the role.
        uri: Address of the object.
        region: Region of the bucket.
    """
    place = urlsplit(uri)
    key = key_of(place.netloc, region)
    message = denied(role_arn, "s3:PutObject", f"arn:aws:s3:::{place.netloc}{place.path}")
    return message or (denied(role_arn, "kms:GenerateDataKey", key) if key else None)


def problem(role_arn: str | None, container: dict[str, Any], *, region: str) -> str | None:
    """Return the reason why SageMaker cannot start a container with a role, None if it can.

    Args:
        role_arn: Execution role of the model, or of the endpoint's configuration.
        container: The container, with its image and its model.
        region: Region of the endpoint.
    """
    image = str(container.get("Image", ""))
    message = _pulling(role_arn, image)
    if message is not None:
        return f"The execution role cannot pull the image {image}: {message}. The role needs ecr:GetAuthorizationToken, {', '.join(_PULLS)}"
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    uri = container.get("ModelDataUrl") or source.get("S3Uri")
    if not uri:
        return None
    is_prefix = bool(source) and source.get("S3DataType") == "S3Prefix" and source.get("CompressionType") != "Gzip"
    message = reading(role_arn, uri, region=region, listed=is_prefix)
    return None if message is None else unreadable(role_arn or "", uri, message, region=region)


def unreadable(role_arn: str, uri: str, message: str, *, region: str) -> str:
    """Return SageMaker's reason about model data that a role may not read, and IAM's message.

    Args:
        role_arn: ARN of the role.
        uri: Address of the model data.
        message: IAM's message.
        region: Region of the endpoint.
    """
    return (
        f'Could not access model data at {uri}. Please ensure that the role "{role_arn}" exists and that its trust relationship policy '
        'allows the action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". Also ensure that the role has '
        f'"s3:GetObject" permissions and that the object is located in {region}. {message}'
    )


def _pulling(role_arn: str | None, image: str) -> str | None:
    registry, _, path = image.partition("/")
    if _OF_A_REGISTRY not in registry:
        return None
    account, _, _, region, *_ = registry.split(".")
    repository = f"arn:aws:ecr:{region}:{account}:repository/{path.partition('@')[0].partition(':')[0]}"
    messages = (denied(role_arn, action, repository) for action in _PULLS)
    return denied(role_arn, "ecr:GetAuthorizationToken") or next((one for one in messages if one is not None), None)
