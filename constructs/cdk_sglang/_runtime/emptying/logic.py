"""Empty a bucket: every version of every object, and every multipart upload that was never completed."""

from __future__ import annotations

import json
from typing import Any, Final

from botocore.exceptions import ClientError

TAG: Final = "cdk-sglang:empty-on-delete"
"""Tag of a bucket that may be emptied."""
_CLOSED: Final = "CdkSglangClosed"
_SHOWN: Final = 3


_GOES: Final = frozenset({"DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"})


class EmptyingError(Exception):
    """The bucket could not be emptied; the text is the reason that CloudFormation shows."""


def goes(cloudformation: Any, stack_id: str) -> bool:
    """Return whether a stack is being deleted, or the deployment that created it is being rolled back.

    An update that switches to retaining the data also deletes the custom resource, and must not touch the bucket.

    Args:
        cloudformation: Client of boto3.
        stack_id: ARN of the stack.
    """
    (stack,) = cloudformation.describe_stacks(StackName=stack_id)["Stacks"]
    return stack["StackStatus"] in _GOES


def empty(s3: Any, bucket: str, arn: str) -> int:
    """Empty a bucket, and return the number of versions deleted: 0 if the bucket lacks the tag or does not exist.

    Args:
        s3: Client of boto3.
        bucket: Name of the bucket.
        arn: Its ARN.
    """
    if not _may_be_emptied(s3, bucket):
        return 0
    _close(s3, bucket, arn)
    deleted = 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        versions = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        if not versions:
            continue
        objects = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
        errors = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True}).get("Errors", [])
        if errors:
            names = ", ".join(f"{error['Key']} ({error['Code']})" for error in errors[:_SHOWN])
            raise EmptyingError(
                f"{bucket}: {len(errors)} objects cannot be deleted, such as {names}; delete the stack again"
            )
        deleted += len(objects)
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", ()):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    return deleted


def _may_be_emptied(s3: Any, bucket: str) -> bool:
    try:
        tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchBucket", "NoSuchTagSet"}:
            return False
        raise
    return {"Key": TAG, "Value": "true"} in tags


def _close(s3: Any, bucket: str, arn: str) -> None:
    """Deny further writes: S3 delivers access logs late, and a bucket that receives one again cannot be deleted."""
    try:
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
            raise
        policy = {"Version": "2012-10-17", "Statement": []}
    if any(statement.get("Sid") == _CLOSED for statement in policy["Statement"]):
        return
    closed = {
        "Sid": _CLOSED,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"{arn}/*",
    }
    policy["Statement"].append(closed)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
