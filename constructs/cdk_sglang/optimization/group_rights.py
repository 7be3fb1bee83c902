"""IAM permissions of the pipeline in reviewable form: the actions and resources of each group of functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdk_sglang.optimization.rights import FILES, NO_RESOURCE, Right, lists, pass_role, put, read, write
from cdk_sglang.serving.shared import permissions

if TYPE_CHECKING:
    from cdk_sglang.optimization.places import Places
    from cdk_sglang.serving.shared.sagemaker_arns import Kind

_OF_A_RUN: Final = "resources of the runs of this one component; their names have the run's in them"
_MODELS: Final = "CloudFormation names models; those with the tag of the endpoint alone"
_STACK: Final = "CloudFormation adds an id to the ARN of the one stack"
_CANARY: Final = ("Endpoint", "EndpointConfig", "InferenceComponent", "Model")
_CANARY_KINDS: Final[tuple[Kind, ...]] = ("endpoint", "endpoint-config", "inference-component", "model")
_CONFIGS: Final = "CloudFormation names the endpoint's configuration"
_READ_PACKAGES: Final = ("sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages")
_READ_QUOTAS: Final = ("servicequotas:ListAWSDefaultServiceQuotas", "servicequotas:ListServiceQuotas")
_LIST_UPLOADS: Final = ("s3:ListBucketMultipartUploads",)
"""On the bucket: uploads in parts that were left behind."""


def rights_of(group: str, places: Places) -> list[Right]:
    """Return the permissions of a group of functions.

    Args:
        group: Name of the group, as in `steps.GROUPS`.
        places: Names and ARNs of the component's pipeline.
    """
    return {
        "Inputs": _inputs,
        "Training": _training,
        "Draft": _draft,
        "Gate": _gate,
        "Bench": _bench,
        "Verdict": _verdict,
        "Approval": _approval,
        "Promotion": _promotion,
        "CleanUp": _clean_up,
    }[group](places)


def _inputs(places: Places) -> list[Right]:
    rights = [
        Right(actions=("states:ListExecutions",), resources=[places.state_machine_arn]),  # one run at a time
        Right(actions=permissions.DESCRIBE_COMPONENT, resources=places.component),
        _models(places),
        *_base(places),
        *write(places, places.runs, parts=True),  # the dataset
        *write(places, places.executions_prefix),
        Right(actions=_READ_QUOTAS, resources=["*"], reason=NO_RESOURCE),
    ]
    for bucket, prefix in places.datasets:
        rights += read(places, bucket, prefix)
    if places.scrub is not None:
        rights.append(Right(actions=permissions.INVOKE_FUNCTION, resources=[places.scrub]))
    return rights


def _training(places: Places) -> list[Right]:
    assert places.job_role_arn is not None
    return [
        Right(
            actions=(
                "sagemaker:AddTags",
                "sagemaker:CreateOptimizationJob",
                "sagemaker:DescribeOptimizationJob",
                "sagemaker:StopOptimizationJob",
            ),
            resources=places.jobs,
            reason=_OF_A_RUN,
        ),
        *put(places, places.runs),  # a record of the job for the clean-up
        lists(places.bucket_arn, places.runs),  # whether a completed job has left a draft
        pass_role(places.job_role_arn),
    ]


def _draft(places: Places) -> list[Right]:
    rights = [
        *_base(places),
        *write(places, places.runs),
        *write(places, places.versions),
        # Copies in parts go on where a call ended.
        Right(
            actions=("s3:ListMultipartUploadParts",),
            resources=[f"{places.bucket_arn}/{places.versions}*"],
            reason=FILES,
        ),
        Right(actions=_LIST_UPLOADS, resources=[places.bucket_arn]),
    ]
    if places.draft_source is not None:
        rights += read(places, *places.draft_source)
    return rights


def _gate(places: Places) -> list[Right]:
    return [
        Right(
            actions=permissions.DESCRIBE_ENDPOINT,
            resources=[*places.endpoint, *places.canaries("endpoint")],
            reason=_OF_A_RUN,
        ),
        Right(actions=permissions.READ_ENDPOINT_CONFIGS, resources=places.configs, reason=_CONFIGS),
        Right(
            actions=permissions.DESCRIBE_COMPONENT,
            resources=[*places.component, *places.canaries("inference-component")],
            reason=_OF_A_RUN,
        ),
        Right(actions=permissions.LIST_COMPONENTS, resources=["*"], reason=NO_RESOURCE),  # what GPUs are spare
        _models(places),
        Right(
            actions=(
                "sagemaker:AddTags",
                *(f"sagemaker:{verb}{noun}" for verb in ("Create", "Delete") for noun in _CANARY),
            ),
            resources=[
                *places.endpoint,
                *(
                    arn
                    for kind in ("endpoint", "endpoint-config", "inference-component", "model")
                    for arn in places.canaries(kind)
                ),
            ],
            reason=_OF_A_RUN,
        ),
        Right(actions=("sagemaker:DescribeModel",), resources=places.canaries("model"), reason=_OF_A_RUN),
        Right(
            actions=("logs:CreateLogGroup", "logs:PutRetentionPolicy"), resources=places.canary_logs, reason=_OF_A_RUN
        ),
        *_stop_benchmarks(places),  # before what they measure is deleted
        pass_role(places.target.execution_role_arn),
    ]


def _bench(places: Places) -> list[Right]:
    rights = [
        Right(
            actions=(
                "sagemaker:AddTags",
                "sagemaker:CreateAIBenchmarkJob",
                "sagemaker:CreateAIWorkloadConfig",
                "sagemaker:DeleteAIWorkloadConfig",
                "sagemaker:DescribeAIBenchmarkJob",
                "sagemaker:StopAIBenchmarkJob",
            ),
            resources=places.benchmarks,
            reason=_OF_A_RUN,
        ),
        Right(
            actions=("sagemaker:ListAIBenchmarkJobs", "sagemaker:ListAIWorkloadConfigs"),
            resources=["*"],
            reason=NO_RESOURCE,
        ),
        *write(places, places.runs),
        pass_role(places.benchmark_role_arn),
    ]
    if places.enrichment:
        rights.append(Right(actions=permissions.QUERY_METRICS, resources=["*"], reason=NO_RESOURCE))
    return rights


def _verdict(places: Places) -> list[Right]:
    return [
        *_base(places),
        *write(places, places.runs),
        *write(places, places.versions),
        _models(places),
        Right(actions=permissions.DESCRIBE_COMPONENT, resources=places.component),
        Right(
            actions=(
                "sagemaker:AddTags",
                "sagemaker:CreateModelPackage",
                "sagemaker:ListModelPackages",
            ),
            resources=places.packages,
            reason=_OF_A_RUN,
        ),
    ]


def _approval(places: Places) -> list[Right]:
    assert places.topic_arn is not None
    return [*put(places, places.runs), Right(actions=("sns:Publish",), resources=[places.topic_arn])]


def _promotion(places: Places) -> list[Right]:
    return [
        *_base(places),
        *read(places, places.bucket_arn, places.runs),
        *read(places, places.bucket_arn, places.versions),
        Right(actions=permissions.DESCRIBE_COMPONENT, resources=places.component),
        _models(places),
        Right(
            # The stack's own CloudFormation role does the rest.
            actions=(
                "cloudformation:DescribeStackEvents",
                "cloudformation:DescribeStacks",
                "cloudformation:UpdateStack",
            ),
            resources=[places.stack_arn],
            reason=_STACK,
        ),
        Right(
            # Values of the stack's other parameters, which CloudFormation reads again:
            # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-supplied-parameter-types.html
            actions=("ssm:GetParameters",),
            resources=places.stack_parameters,
            reason="parameters of the serving stack: values that the environment's stacks hand to each other, and CDK's bootstrap version",
        ),
        Right(actions=("sagemaker:UpdateModelPackage",), resources=places.packages, reason=_OF_A_RUN),
    ]


def _clean_up(places: Places) -> list[Right]:
    rights = [
        Right(
            actions=tuple(f"sagemaker:{verb}{noun}" for verb in ("Delete", "Describe") for noun in _CANARY),
            resources=[
                *places.endpoint,
                *(arn for kind in _CANARY_KINDS for arn in places.canaries(kind)),
            ],
            reason=_OF_A_RUN,
        ),
        *_stop_benchmarks(places),
        *read(places, places.bucket_arn, places.runs),
        *read(places, places.bucket_arn, places.executions_prefix),
        *_delete_versions(places),
        Right(
            actions=("cloudformation:CancelUpdateStack", "cloudformation:DescribeStacks"),
            resources=[places.stack_arn],
            reason=_STACK,
        ),
        Right(actions=(*_READ_PACKAGES, "sagemaker:UpdateModelPackage"), resources=places.packages, reason=_OF_A_RUN),
    ]
    if places.job_role_arn is not None:
        rights.append(
            Right(
                actions=("sagemaker:DescribeOptimizationJob", "sagemaker:StopOptimizationJob"),
                resources=places.jobs,
                reason=_OF_A_RUN,
            )
        )
    return rights


def _stop_benchmarks(places: Places) -> list[Right]:
    return [
        Right(
            actions=("sagemaker:DeleteAIWorkloadConfig", "sagemaker:StopAIBenchmarkJob"),
            resources=places.benchmarks,
            reason=_OF_A_RUN,
        ),
        Right(
            actions=("sagemaker:ListAIBenchmarkJobs", "sagemaker:ListAIWorkloadConfigs"),
            resources=["*"],
            reason=NO_RESOURCE,
        ),
    ]


def _delete_versions(places: Places) -> list[Right]:
    return [
        *read(places, places.bucket_arn, places.versions),
        Right(
            actions=("s3:AbortMultipartUpload", "s3:DeleteObject"),
            resources=[f"{places.bucket_arn}/{places.versions}*"],
            reason=FILES,
        ),
        Right(actions=_LIST_UPLOADS, resources=[places.bucket_arn]),
    ]


def _models(places: Places) -> Right:
    return Right(
        actions=permissions.DESCRIBE_MODEL,
        resources=places.models,
        reason=_MODELS,
        conditions={"StringEquals": {"aws:ResourceTag/cdk-sglang:endpoint": places.endpoint_name}},
    )


def _base(places: Places) -> list[Right]:
    return read(places, places.base_bucket_arn, places.base_prefix)
