"""Log groups that are created before SageMaker writes to them: SageMaker would create them without retention or key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from constructs import Construct

ENDPOINT_LOG_PREFIX: Final = "/aws/sagemaker/Endpoints/"
"""https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html"""

COMPONENT_LOG_PREFIX: Final = "/aws/sagemaker/InferenceComponents/"
"""Prefix of components' log groups. It is not in AWS's table of log groups; seen in aws-samples/sagemaker-genai-hosting-examples (read 2026-08-06)."""


def log_group_arns(stack: cdk.Stack, *names: str) -> list[str]:
    """Return the ARNs of log groups, without the ":*" that stands for their streams."""
    return [
        stack.format_arn(
            service="logs", resource="log-group", resource_name=name, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )
        for name in names
    ]


def kept_under_a_name(removal: cdk.RemovalPolicy) -> cdk.RemovalPolicy:
    """Return the removal policy for a resource with an explicit name: if it is to be kept, it is deleted only when its creation is rolled back.

    "RetainExceptOnCreate behaves like Retain for all stack operations, except for the stack operation that initially creates the resource"
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html, read 2026-11). Resources
    whose names CloudFormation generates cause no conflict and stay `Retain`: logs of a function or a build show why a deployment failed.
    """
    return cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if removal is cdk.RemovalPolicy.RETAIN else removal


def make_log_group(
    scope: Construct,
    construct_id: str,
    *,
    name: str,
    retention_days: int,
    key_arn: str | None,
    removal: cdk.RemovalPolicy,
    tags: Sequence[cdk.CfnTag] = (),
) -> logs.CfnLogGroup:
    """Create the log group that SageMaker will write to.

    A retained group outlives its stack under the same name; `cdk deploy --import-existing-resources` imports it again. A group that a deployment
    created before it was rolled back is deleted, because its name would conflict with the next attempt.
    """
    group = logs.CfnLogGroup(
        scope,
        construct_id,
        log_group_name=name,
        retention_in_days=retention_days,
        kms_key_id=key_arn,
        tags=list(tags) or None,
    )
    group.apply_removal_policy(kept_under_a_name(removal))
    return group
