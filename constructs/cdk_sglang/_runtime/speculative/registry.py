"""The registry: a model package per version, with its evidence and its approval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from .config import Config, Place
from .ends import Throttled, answered, code_of, is_absent, is_throttle, message_of

PENDING, APPROVED, REJECTED = "PendingManualApproval", "Approved", "Rejected"
_TEXT_MAX = 1000
_VALUE_MAX = 256
"""Maximum length of a value of CustomerMetadataProperties (botocore 1.44.5, CustomerMetadataValue)."""


def describes(run: str) -> str:
    """Return the description of a run's package, by which it is found in a listing."""
    return f"cdk-sglang speculative version {run}"


def find(sagemaker: Any, group: str, run: str) -> str:
    """Return the ARN of a run's package; empty if it has none.

    Args:
        sagemaker: Client of SageMaker.
        group: Name of the package group.
        run: Name of the run.
    """
    return next((item["ModelPackageArn"] for item in packages(sagemaker, group) if _run_of(item) == run), "")


def packages(sagemaker: Any, group: str, *, status: str = "") -> list[dict[str, Any]]:
    """Return the packages of a group, newest first; empty if the group does not exist.

    Args:
        sagemaker: Client of SageMaker.
        group: Name of the package group.
        status: Approval status to filter by; all by default.
    """
    found: list[dict[str, Any]] = []
    status_filter = {"ModelApprovalStatus": status} if status else {}
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Descending", **status_filter
    )
    try:
        for page in pages:
            found += page["ModelPackageSummaryList"]
    except ClientError as error:
        if is_throttle(error):
            raise Throttled(f"ListModelPackages: {code_of(error)}") from error
        if not is_absent(error):
            raise
    return found


def approved_runs(sagemaker: Any, group: str) -> list[str]:
    """Return the runs whose versions are approved, newest first: the first one that does not serve is the previous version."""
    return [run for item in packages(sagemaker, group, status=APPROVED) if (run := _run_of(item))]


def register(
    sagemaker: Any,
    config: Config,
    run: str,
    *,
    image: str,
    environment: Mapping[str, str],
    source: Place,
    report: str,
    status: str,
    evidence: Mapping[str, Any],
) -> str:
    """Return the ARN of a run's package, which the first call creates.

    Args:
        sagemaker: Client of SageMaker.
        config: Configuration.
        run: Name of the run.
        image: The container's image.
        environment: The container's variables of speculation.
        source: Folder of the version.
        report: Address of the report.
        status: Approval status.
        evidence: Figures and names; each becomes a text of at most 256 characters.
    """
    arn = find(sagemaker, config.model_package_group, run)
    if arn:
        return arn
    texts = {key: str(value)[:_VALUE_MAX] for key, value in evidence.items() if value not in {None, ""}}
    request: dict[str, Any] = {
        "ModelPackageGroupName": config.model_package_group,
        "ModelPackageDescription": describes(run),
        "ModelApprovalStatus": status,
        "ClientToken": run,
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": image,
                    "Environment": dict(environment),
                    "ModelDataSource": {
                        "S3DataSource": {
                            "S3Uri": source.uri,
                            "S3DataType": "S3Prefix",
                            "CompressionType": "None",
                        }
                    },
                }
            ],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json", "text/event-stream"],
        },
        "ModelMetrics": {"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": report}}},
        "CustomerMetadataProperties": {"run": run, **texts},
    }
    package_arn: str = sagemaker.create_model_package(**request)["ModelPackageArn"]
    return package_arn


def decide(sagemaker: Any, arn: str, status: str, reason: str) -> None:
    """Set the approval of a package.

    Args:
        sagemaker: Client of SageMaker.
        arn: ARN of the package.
        status: `Approved` or `Rejected`.
        reason: Why.
    """
    try:
        sagemaker.update_model_package(
            ModelPackageArn=arn, ModelApprovalStatus=status, ApprovalDescription=" ".join(reason.split())[:_TEXT_MAX]
        )
    except ClientError as error:
        if is_throttle(error):
            raise Throttled(f"UpdateModelPackage: {message_of(error)}") from error
        raise


def status_of(sagemaker: Any, arn: str) -> str:
    """Return the approval status of a package; empty if it does not exist."""
    found = answered(sagemaker.describe_model_package, ModelPackageName=arn) or {}
    return str(found.get("ModelApprovalStatus", ""))


def _run_of(item: Mapping[str, Any]) -> str:
    text = str(item.get("ModelPackageDescription", ""))
    prefix = describes("")
    return text.removeprefix(prefix) if text.startswith(prefix) else ""
