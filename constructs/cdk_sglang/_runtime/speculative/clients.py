"""AWS clients, created once per function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient


@dataclass(frozen=True, kw_only=True)
class Aws:
    """Clients of boto3.

    Attributes:
        session: Session, for Region and credentials of PromQL.
        sagemaker: Client of SageMaker.
        s3: Client of S3.
        cloudformation: Client of CloudFormation.
        stepfunctions: Client of Step Functions.
        quotas: Client of Service Quotas.
        lambda_: Client of Lambda, for the filter of captured data.
        sns: Client of SNS.
        cloudwatch: Client of CloudWatch, for the address of PromQL.
        logs: Client of CloudWatch Logs.
    """

    session: Any
    sagemaker: SageMakerClient
    s3: Any
    cloudformation: Any
    stepfunctions: Any
    quotas: Any
    lambda_: Any
    sns: Any
    cloudwatch: Any
    logs: Any
