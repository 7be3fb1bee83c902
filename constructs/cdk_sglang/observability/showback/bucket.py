"""The bucket of samples and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3

from cdk_sglang.serving.shared.acknowledge import acknowledge_all, in_packs

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from constructs import Construct

SAMPLE_DAYS: Final = 35
"""Days that samples are kept: a month can be reported again, for example with another price."""

_NO_SECOND_COPY: Final = "what the reports are made of is sampled anew every few minutes, and a report is a file of kilobytes to copy anywhere"
_NO_ACCESS_LOGS: Final = (
    "it holds names, counts and prices, and nothing of what callers ask or models answer; data events of CloudTrail show who reads it, "
    "where that is wanted: https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-cloudtrail-logging-for-s3.html"
)


def make_bucket(scope: Construct, *, key: kms.IKey | None, keep_days: int, removal: cdk.RemovalPolicy) -> s3.Bucket:
    """Create the bucket.

    Args:
        scope: Parent; the bucket's id in it is "Reports".
        key: KMS key; S3's own encryption by default.
        keep_days: Days that reports are kept.
        removal: Whether the bucket outlives its stack.
    """
    bucket = s3.Bucket(
        scope,
        "Reports",
        encryption=s3.BucketEncryption.S3_MANAGED if key is None else s3.BucketEncryption.KMS,
        encryption_key=key,
        bucket_key_enabled=None if key is None else True,  # one KMS request for many small objects
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        enforce_ssl=True,
        versioned=True,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        lifecycle_rules=[
            s3.LifecycleRule(
                prefix="samples/",
                expiration=cdk.Duration.days(SAMPLE_DAYS),
                noncurrent_version_expiration=cdk.Duration.days(1),
            ),
            s3.LifecycleRule(
                prefix="daily/",
                expiration=cdk.Duration.days(keep_days),
                noncurrent_version_expiration=cdk.Duration.days(30),
            ),
        ],
        removal_policy=removal,
    )
    acknowledge_all(
        bucket,
        (in_packs("S3BucketReplicationEnabled"), _NO_SECOND_COPY),
        (["AwsSolutions-S1", *in_packs("S3BucketLoggingEnabled")], _NO_ACCESS_LOGS),
        *([(in_packs("S3DefaultEncryptionKMS"), "no key was given: S3 encrypts with its own")] if key is None else []),
    )
    return bucket
