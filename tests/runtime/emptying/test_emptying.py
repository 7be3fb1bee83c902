"""Buckets are empty before CloudFormation deletes them, and only those whose data are to go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from cdk_sglang._runtime.emptying import logic
from cdk_sglang.serving.shared import emptying

ARN = "arn:aws:s3:::weights"
TAGGED = {"TagSet": [{"Key": logic.TAG, "Value": "true"}]}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="weights")
        client.put_bucket_versioning(Bucket="weights", VersioningConfiguration={"Status": "Enabled"})
        for version in range(3):
            for name in ("a", "b"):
                client.put_object(Bucket="weights", Key=name, Body=str(version).encode())
        client.delete_object(Bucket="weights", Key="b")
        client.create_multipart_upload(Bucket="weights", Key="half")
        yield client


def test_both_sides_name_the_same_tag() -> None:
    assert logic.TAG == emptying.TAG


def test_every_version_and_every_upload_goes_so_that_the_bucket_can_be_deleted(s3: Any) -> None:
    s3.put_bucket_tagging(Bucket="weights", Tagging=TAGGED)
    assert logic.empty(s3, "weights", ARN) == 7
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="weights")
    s3.delete_bucket(Bucket="weights")


def test_a_bucket_whose_data_are_to_be_kept_by_now_is_left_alone(s3: Any) -> None:
    assert logic.empty(s3, "weights", ARN) == 0
    assert len(s3.list_object_versions(Bucket="weights")["Versions"]) == 6
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket="weights")


def test_a_bucket_that_is_gone_is_empty(s3: Any) -> None:
    assert logic.empty(s3, "nowhere", "arn:aws:s3:::nowhere") == 0


@pytest.mark.parametrize(
    ("status", "goes"),
    [
        ("DELETE_IN_PROGRESS", True),
        ("ROLLBACK_IN_PROGRESS", True),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", False),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", False),
        ("UPDATE_IN_PROGRESS", False),
    ],
)
def test_only_a_stack_that_goes_takes_its_data_along(status: str, goes: bool) -> None:
    class CloudFormation:
        def describe_stacks(self, StackName: str) -> Any:
            assert StackName == "arn:stack"
            return {"Stacks": [{"StackStatus": status}]}

    assert logic.goes(CloudFormation(), "arn:stack") is goes


def test_nothing_comes_in_any_more_and_its_policy_stays(s3: Any) -> None:
    s3.put_bucket_tagging(Bucket="weights", Tagging=TAGGED)
    tls = {"Sid": "Tls", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ARN}
    s3.put_bucket_policy(Bucket="weights", Policy=json.dumps({"Version": "2012-10-17", "Statement": [tls]}))
    for _ in range(2):  # the deletion of a stack is repeated
        logic.empty(s3, "weights", ARN)
    statements = json.loads(s3.get_bucket_policy(Bucket="weights")["Policy"])["Statement"]
    assert [statement["Sid"] for statement in statements] == ["Tls", "CdkSglangClosed"]


def test_what_cannot_be_deleted_fails_the_deletion_with_its_name(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put_bucket_tagging(Bucket="weights", Tagging=TAGGED)
    monkeypatch.setattr(s3, "delete_objects", lambda **_: {"Errors": [{"Key": "a", "Code": "AccessDenied"}]})
    with pytest.raises(logic.EmptyingError, match=r"weights: 1 objects cannot be deleted, such as a \(AccessDenied\)"):
        logic.empty(s3, "weights", ARN)
