"""The bucket that S3 delivers the access logs of other buckets to."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk_sglang.serving.shared.acknowledge import acknowledge_all, in_packs

_KEEP: Final = cdk.Duration.days(400)
"""Thirteen months: a year, and one more month in which somebody may need them."""
_LOGS_USE_SSE_S3: Final = (
    "S3 delivers access logs under SSE-S3: "
    "https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html"
)


def make_access_logs(scope: Construct, construct_id: str, *, removal: cdk.RemovalPolicy) -> s3.Bucket:
    """Create the bucket; the buckets that name it determine who may deliver to it.

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        removal: Whether the logs outlive the stack.
    """
    bucket = s3.Bucket(
        scope,
        construct_id,
        encryption=s3.BucketEncryption.S3_MANAGED,  # see _LOGS_USE_SSE_S3
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        enforce_ssl=True,
        versioned=True,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        lifecycle_rules=[s3.LifecycleRule(expiration=_KEEP, noncurrent_version_expiration=cdk.Duration.days(30))],
        removal_policy=removal,
    )
    acknowledge_all(
        bucket,
        (in_packs("S3BucketReplicationEnabled"), "access logs need no second copy"),
        (
            ["AwsSolutions-S1", *in_packs("S3BucketLoggingEnabled")],
            "a bucket of access logs that logged itself would never end",
        ),
        (in_packs("S3DefaultEncryptionKMS"), _LOGS_USE_SSE_S3),
    )
    return bucket
