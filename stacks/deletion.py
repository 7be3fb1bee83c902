"""Deletion of buckets with their stack: `data: {on_delete: destroy}` deletes buckets, which must first be emptied."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3

from cdk_sglang.serving.shared.emptying import BucketEmptying
from cdk_sglang.serving.shared.log_options import LogOptions


def empty_buckets(stack: cdk.Stack, *, retention_days: int) -> None:
    """Empty every bucket that is deleted with a stack before it is deleted.

    Args:
        stack: The stack, with everything in it.
        retention_days: Days that logs of the function are kept; they are deleted with the stack.
    """
    buckets = [construct for construct in stack.node.find_all() if isinstance(construct, s3.Bucket)]
    key = next((bucket.encryption_key for bucket in buckets if bucket.encryption_key is not None), None)
    options = LogOptions(retention_days=retention_days, key=key, removal=cdk.RemovalPolicy.DESTROY)
    for bucket in buckets:
        if _goes(bucket):
            BucketEmptying.of(stack, log_options=options).empty(bucket)


def _goes(bucket: s3.Bucket) -> bool:
    resource = bucket.node.default_child
    assert isinstance(resource, s3.CfnBucket)
    return resource.cfn_options.deletion_policy is cdk.CfnDeletionPolicy.DELETE
