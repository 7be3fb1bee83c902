"""ARNs of SageMaker's resources as IAM compares them: the only place where the library builds them.

SageMaker accepts names in any case and writes them into ARNs in lower case; IAM compares ARNs case-sensitively:

- CreateEndpoint: "The name is case-insensitive in CreateEndpoint, but the case is preserved and must be matched in InvokeEndpoint"
  (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html, read 2026-11).
- A role allowed to invoke `endpoint/...LaBSE` was denied on `endpoint/...labse` (github.com/philschmid/cdk-samples/issues/2, 2022-01).
- ARNs of endpoints, and later of inference components, are in lower case although the names have capitals
  (github.com/prometheus-community/yet-another-cloudwatch-exporter/pull/1178, 2023-10).

Reports to the contrary exist: ARNs of endpoints with capitals (pull 1793 of the same project, 2025-12), and a notebook configuration that was
requested with its name as written (github.com/awslabs/service-workbench-on-aws/issues/1176, 2023-04). Policies therefore allow both spellings if
they differ. That is not broader: both refer to the same resource.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import aws_cdk as cdk

from cdk_sglang.serving.shared.tokens import is_token

Kind: TypeAlias = Literal["endpoint", "endpoint-config", "inference-component", "model"]


@dataclass(frozen=True, kw_only=True)
class SageMakerArns:
    """ARNs of one account and Region; make one with `of`, which queries CDK once.

    Attributes:
        beginning: Common prefix of all ARNs, up to the kind of resource.
        region: The Region; None if it is known only at deployment.
        account: The account; None if it is known only at deployment.
    """

    beginning: str
    region: str | None = None
    account: str | None = None

    @staticmethod
    def of(stack: cdk.Stack) -> SageMakerArns:
        """Return the ARNs of a stack's account and Region."""
        whole = stack.format_arn(service="sagemaker", resource="model", resource_name="")
        region, account = (None if is_token(value) else value for value in (stack.region, stack.account))
        return SageMakerArns(beginning=whole.removesuffix("model/"), region=region, account=account)

    def written(self, kind: Kind, name: str) -> str:
        """Return an ARN as SageMaker writes it; a name or a pattern that is known only at deployment is left unchanged."""
        return f"{self.beginning}{kind}/{name if is_token(name) else name.lower()}"

    def allowed(self, kind: Kind, *names: str) -> list[str]:
        """Return the ARNs that a policy must contain to match names and patterns in every spelling that SageMaker uses."""
        spellings = dict.fromkeys(
            arn for name in names for arn in (self.written(kind, name), f"{self.beginning}{kind}/{name}")
        )
        return list(spellings)
