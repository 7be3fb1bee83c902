"""Roles of SageMaker's jobs: one for the training of a draft, one for its measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang.optimization.rights import NO_RESOURCE, Right, grant, read, write
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import inline_policy
from cdk_sglang.serving.shared.logs import log_group_arns

if TYPE_CHECKING:
    from cdk_sglang.optimization.places import Places

_JOB_LOGS: Final = "SageMaker names the log groups and streams of its jobs"
_AWS_IMAGES: Final = (
    "the image of an optimization job is AWS's own, in an account that differs by Region and is documented nowhere: "
    "https://docs.aws.amazon.com/sagemaker/latest/dg/model-optimize-create-job.html"
)
_LOGIN: Final = f"ecr:GetAuthorizationToken and cloudwatch:PutMetricData, which a namespace narrows: {NO_RESOURCE}"
_QUOTA: Final = "Service Quotas has no resource for a quota that was never changed"
_CANARIES: Final = "the copies that a draft is measured on; their names have the run's in them"
_LOG_GROUPS: Final = ("OptimizationJobs", "ProcessingJobs", "TrainingJobs")
"""An optimization job runs as training and processing jobs of the account."""


def make_job_role(scope: Construct, places: Places) -> iam.Role:
    """Create the role of the optimization jobs.

    Args:
        scope: Parent.
        places: Names and ARNs of the component's pipeline.
    """
    role = _role(scope, "JobRole", f"Trains drafts for {places.target.component_name}")
    groups = log_group_arns(places.stack, *(f"/aws/sagemaker/{name}*" for name in _LOG_GROUPS))
    streams = [f"{group}:*" for group in groups]
    images = places.stack.format_arn(service="ecr", account="*", resource="repository", resource_name="*")
    rights = [
        *read(places, places.base_bucket_arn, places.base_prefix),
        *write(places, places.runs, parts=True),
        Right(actions=permissions.WRITE_GATE_LOGS, resources=[*groups, *streams], reason=_JOB_LOGS),
        Right(
            actions=permissions.PUBLISH_METRICS,
            resources=["*"],
            reason=_LOGIN,
            conditions={"StringLike": {"cloudwatch:namespace": ["/aws/sagemaker/*", "AWS/SageMaker"]}},
        ),
        Right(actions=permissions.REGISTRY_LOGIN, resources=["*"], reason=_LOGIN),
        Right(actions=permissions.PULL_IMAGE, resources=[images], reason=_AWS_IMAGES),
    ]
    grant(scope, role, rights, inline_policy())
    return role


def make_benchmark_role(scope: Construct, places: Places) -> iam.Role:
    """Create the role of the benchmark jobs, as AWS's sample has it (SageMaker guide, "AI inference recommendations", read 2026-11).

    Args:
        scope: Parent.
        places: Names and ARNs of the component's pipeline.
    """
    role = _role(scope, "BenchmarkRole", f"Measures drafts for {places.target.component_name}")
    invoked = [*places.endpoint, *places.canaries("endpoint"), *places.canaries("inference-component")]
    rights = [
        Right(actions=permissions.INVOKE, resources=invoked, reason=_CANARIES),
        *write(places, places.runs, parts=True),
        Right(actions=("servicequotas:GetServiceQuota",), resources=["*"], reason=_QUOTA),
    ]
    grant(scope, role, rights, inline_policy())
    return role


def _role(scope: Construct, construct_id: str, description: str) -> iam.Role:
    return iam.Role(
        scope,
        construct_id,
        description=description,
        assumed_by=iam.ServicePrincipal(
            "sagemaker.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(scope).account}},
        ),
    )
