"""The caller, the account, and whether the account is bootstrapped for CDK."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from botocore.exceptions import ClientError

from cdk_sglang.cli.doctor.account import Account, code_of
from cdk_sglang.cli.doctor.check import Check, Finding, failure, ok, warning
from cdk_sglang.environments.account_needs import DEFAULT_QUALIFIER, Needs

BOOTSTRAP_VERSION: Final = 6
"""Lowest version of the bootstrap stack that the templates accept: their rule CheckBootstrapVersion (aws-cdk-lib 2.275.0)."""


def checks(needs: Needs, account: Account) -> Iterator[Check]:
    """Yield the checks of the caller and of the account's bootstrap.

    Args:
        needs: What the environment needs.
        account: The account.
    """
    yield Check(name="identity", look=partial(_identity, needs, account))
    yield Check(name="bootstrap", look=partial(_bootstrap, needs, account))
    yield Check(name="bootstrap: bucket", look=partial(_bucket, needs, account))


def _identity(needs: Needs, account: Account) -> Finding:
    identity = account.identity()
    arn = str(identity["Arn"])
    if needs.account not in {None, account.id}:
        return failure(
            f"the credentials are of account {account.id}, and the environment is of {needs.account}",
            f"sign in to {needs.account}: set AWS_PROFILE, or correct `account` in the environment's file",
        )
    if arn.endswith(":root"):
        return warning(
            f"account {account.id}, as its root user",
            "sign in as a role: https://docs.aws.amazon.com/IAM/latest/UserGuide/root-user-best-practices.html",
        )
    return ok(f"account {account.id}, Region {account.region}, as {arn}")


def _version_parameter(needs: Needs) -> str:
    return f"/cdk-bootstrap/{needs.qualifier}/version"


def _bucket(needs: Needs, account: Account) -> Finding:
    """Check the bucket that templates and functions are uploaded to: one that was deleted by hand is not created again by another bootstrap."""
    name = f"cdk-{needs.qualifier}-assets-{account.id}-{account.region}"  # as DefaultStackSynthesizer names it
    try:
        account.call("s3", "head_bucket", Bucket=name)
    except ClientError as error:
        if code_of(error) not in {"404", "NoSuchBucket", "NotFound"}:
            raise
    else:
        return ok(f"{name} is there")
    try:
        account.call("ssm", "get_parameter", Name=_version_parameter(needs))
    except ClientError as error:
        if code_of(error) != "ParameterNotFound":
            raise
        return ok(f"{name} is made by the bootstrap")
    return failure(
        f"{account.region} is bootstrapped, and its bucket {name} is not there: nothing can be uploaded",
        f"make it again: aws s3 mb s3://{name} --region {account.region}; or delete the stack of the bootstrap, and bootstrap anew",
    )


def _bootstrap(needs: Needs, account: Account) -> Finding:
    parameter = _version_parameter(needs)
    command = f"run: cdk bootstrap -c env={needs.environment}"
    if needs.qualifier != DEFAULT_QUALIFIER:  # under the default name it would take the place of another bootstrap
        command += f" --qualifier {needs.qualifier} --toolkit-stack-name CDKToolkit-{needs.qualifier}"
    try:
        value = account.call("ssm", "get_parameter", Name=parameter)["Parameter"]["Value"]
    except ClientError as error:
        if code_of(error) != "ParameterNotFound":
            raise
        return failure(f"{account.region} is not bootstrapped for CDK: there is no SSM parameter {parameter}", command)
    version = int(value)
    if version < BOOTSTRAP_VERSION:
        return failure(f"bootstrap version {version}, and the templates need {BOOTSTRAP_VERSION} or later", command)
    own = "" if needs.qualifier == DEFAULT_QUALIFIER else f" of qualifier {needs.qualifier}"
    return ok(f"bootstrap version {version}{own}; the templates need {BOOTSTRAP_VERSION} or later")
