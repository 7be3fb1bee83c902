"""Secrets, keys and topics that the environment names: whether they are there and usable. No secret's value is ever read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from botocore.exceptions import ClientError

from cdk_sglang.cli.doctor.account import Account, code_of
from cdk_sglang.cli.doctor.check import Check, Finding, failure, ok
from cdk_sglang.environments.account_needs import Needs

_ENABLED: Final = "Enabled"
_TOPICS_OF_AWS: Final = "alias/aws/sns"
"""SNS's own key, whose policy nobody can change: services such as CloudWatch cannot publish to a topic that it encrypts
(https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services, read 2026-12)."""


def checks(needs: Needs, account: Account) -> Iterator[Check]:
    """Yield the checks of the environment's key, its secrets, the keys of its buckets, and its topics.

    Args:
        needs: What the environment needs.
        account: The account.
    """
    yield Check(name="key: environment", look=partial(_environment_key, needs, account))
    for name in needs.secrets:
        yield Check(name=f"secret: {name}", look=partial(_secret, name, account))
    for bucket in dict.fromkeys(one.bucket for one in needs.weights if one.bucket is not None):
        yield Check(name=f"key: s3://{bucket}", look=partial(_bucket_key, bucket, account))
    for topic in needs.topics:
        yield Check(name=f"topic: {topic.partition(':sns:')[2]}", look=partial(_topic, topic, account))


def _secret(name: str, account: Account) -> Finding:
    try:
        described = account.call("secretsmanager", "describe_secret", SecretId=name)
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        return failure(
            f"there is no secret {name} in {account.region}",
            f"store the token: aws secretsmanager create-secret --name {name} --secret-string file://token.txt",
        )
    if described.get("DeletedDate"):
        return failure(
            f"{name} is going to be deleted", f"keep it: aws secretsmanager restore-secret --secret-id {name}"
        )
    key = described.get("KmsKeyId")
    if key and not key.endswith("alias/aws/secretsmanager"):
        unusable = _key_problem(key, account)
        if unusable:
            return failure(f"{name} is encrypted with {unusable}", f"enable the key: aws kms enable-key --key-id {key}")
        return ok(f"{name} is there, and so is its key {key}; the role that reads it needs kms:Decrypt, too")
    return ok(f"{name} is there")


def _environment_key(needs: Needs, account: Account) -> Finding:
    try:
        key = account.call("ssm", "get_parameter", Name=needs.key_parameter)["Parameter"]["Value"]
    except ClientError as error:
        if code_of(error) != "ParameterNotFound":
            raise
        return ok(f"is made by the foundation, which is not deployed: no SSM parameter {needs.key_parameter}")
    unusable = _key_problem(key, account)
    if unusable:
        return failure(
            f"weights, images and logs are encrypted with {unusable}",
            f"aws kms cancel-key-deletion --key-id {key}, then aws kms enable-key --key-id {key}",
        )
    return ok(f"{key} is enabled")


def _bucket_key(bucket: str, account: Account) -> Finding:
    """Check the key with which a bucket of the user encrypts by default."""
    try:
        answer = account.call("s3", "get_bucket_encryption", Bucket=bucket)
    except ClientError as error:
        if code_of(error) == "NoSuchBucket":
            return ok("there is no such bucket")  # which is another check's failure
        if code_of(error) != "ServerSideEncryptionConfigurationNotFoundError":
            raise
        return ok("the bucket has no KMS key of its own")
    rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", ())
    defaults = [rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in rules]
    key = next((one["KMSMasterKeyID"] for one in defaults if one.get("KMSMasterKeyID")), None)
    if key is None:
        return ok("the bucket has no KMS key of its own")
    unusable = _key_problem(key, account)
    if unusable:
        return failure(f"the bucket encrypts with {unusable}", f"enable the key: aws kms enable-key --key-id {key}")
    return ok(f"{key} is enabled; every role that reads the bucket needs kms:Decrypt on it")


def _topic(arn: str, account: Account) -> Finding:
    try:
        key = account.call("sns", "get_topic_attributes", TopicArn=arn)["Attributes"].get("KmsMasterKeyId")
    except ClientError as error:
        if code_of(error) not in {"NotFound", "NotFoundException"}:
            raise
        return failure(f"there is no topic {arn}, so nobody would be notified", "correct `alarms`, or create the topic")
    if not key:
        return ok("is there")
    if key.endswith(_TOPICS_OF_AWS):
        return failure(
            f"is encrypted with {_TOPICS_OF_AWS}, through which no alarm may publish, so nobody would be notified",
            "encrypt it with a key of your own whose policy lets cloudwatch.amazonaws.com use it, or not at all",
        )
    unusable = _key_problem(key, account)
    if unusable:
        return failure(f"is encrypted with {unusable}", f"enable the key: aws kms enable-key --key-id {key}")
    return ok(f"is there; the policy of its key {key} must let cloudwatch.amazonaws.com use it")


def _key_problem(key: str, account: Account) -> str:
    """Return what keeps a key from being used; empty if it is enabled."""
    try:
        state = account.call("kms", "describe_key", KeyId=key)["KeyMetadata"]["KeyState"]
    except ClientError as error:
        if code_of(error) != "NotFoundException":
            raise
        return f"a key that does not exist: {key}"
    return "" if state == _ENABLED else f"{key}, which is {state}"
