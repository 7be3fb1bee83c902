"""Models and adapters in S3: whether they are complete, and their bucket in the environment's Region."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from botocore.exceptions import ClientError

from cdk_sglang.cli.doctor.account import Account, CouldNotCheckError, Once, code_of
from cdk_sglang.cli.doctor.check import Check, Finding, failure, ok, warning
from cdk_sglang.cli.weights import UnreadableWeightsError, problems_below
from cdk_sglang.environments.account_needs import Needs, WeightsNeeds

_NOT_THERE: Final = {"404", "NoSuchKey", "NotFound", "NoSuchBucket"}
_SHOWN: Final = 3


def checks(needs: Needs, account: Account) -> Iterator[Check]:
    """Yield a check for each model and adapter, and one for each bucket that the environment does not create.

    Args:
        needs: What the environment needs.
        account: The account.
    """
    own = Once(lambda: _own_bucket(needs, account))
    for one in needs.weights:
        name = f"s3://{one.bucket}/{one.key}" if one.bucket else one.key
        yield Check(name=f"weights: {name}", look=partial(_complete, needs, one, account, own))
    for bucket in dict.fromkeys(one.bucket for one in needs.weights if one.bucket is not None):
        yield Check(name=f"bucket: {bucket}", look=partial(_region, bucket, account))


def _complete(needs: Needs, one: WeightsNeeds, account: Account, own: Once[str | None]) -> Finding:
    bucket = one.bucket or own()
    if bucket is None:
        return warning(
            "the environment's bucket is made by the foundation, which is not deployed",
            f"cdk-sglang deploy --env {needs.environment} deploys it, and waits until they are uploaded",
        )
    place = f"s3://{bucket}/{one.key}"
    problems = (
        _model_problems(bucket, one.key, account) if one.is_model else _archive_problems(bucket, one.key, account)
    )
    if not problems:
        return ok(f"{place} is complete" if one.is_model else f"{place} is there")
    more = f", and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    folder = one.key.rstrip("/").rpartition("/")[2]
    command = f"aws s3 sync ./{folder}/ {place}" if one.is_model else f"aws s3 cp ./{folder} {place}"
    return failure(f"{place}: {'; '.join(problems[:_SHOWN])}{more}", f"upload with: {command}")


def _model_problems(bucket: str, prefix: str, account: Account) -> tuple[str, ...]:
    try:
        return problems_below(bucket, prefix, region=account.region)
    except UnreadableWeightsError as error:
        raise CouldNotCheckError(
            str(error), "the command needs s3:ListBucket and s3:GetObject on the bucket, and kms:Decrypt on its key"
        ) from error


def _archive_problems(bucket: str, key: str, account: Account) -> tuple[str, ...]:
    try:
        found = account.call("s3", "head_object", Bucket=bucket, Key=key)
    except ClientError as error:
        if code_of(error) in _NOT_THERE:
            return ("is not there",)
        raise
    return () if found["ContentLength"] else ("is empty",)


def _own_bucket(needs: Needs, account: Account) -> str | None:
    try:
        return str(account.call("ssm", "get_parameter", Name=needs.bucket_parameter)["Parameter"]["Value"])
    except ClientError as error:
        if code_of(error) == "ParameterNotFound":
            return None
        raise


def _region(bucket: str, account: Account) -> Finding:
    try:
        answer = account.call("s3", "get_bucket_location", Bucket=bucket)
    except ClientError as error:
        if code_of(error) not in _NOT_THERE:
            raise
        return failure(f"there is no bucket {bucket}", "correct the `s3` of the model or adapter")
    region = answer.get("LocationConstraint") or "us-east-1"  # which S3 leaves out
    if region != account.region:
        return failure(
            f"the bucket is in {region}, the environment in {account.region}",
            f"copy the files to a bucket of {account.region}: SageMaker reads models of its own Region alone",
        )
    return ok(f"is in {region}")
