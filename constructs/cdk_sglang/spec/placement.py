"""Where SageMaker puts the copies of a component, and whether instances keep its image and weights."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cdk_sglang.tokens import OrToken
from cdk_sglang.validation import Spec


class Placement(Spec):
    """How copies are placed on instances."""

    _noun = "placement"

    strategy: Literal["spread", "binpack"] = "spread"
    """`spread`: place copies on different instances, so that losing one instance loses few copies; `binpack`: fill instances, so that others
    become empty and are removed."""
    # SchedulingConfig.AvailabilityZoneBalance.MaxImbalance: botocore 1.44.5, sagemaker CreateInferenceComponent.
    max_zone_imbalance: Annotated[int, Field(ge=0, le=100), OrToken] = 0
    """Number of copies by which one Availability Zone may exceed another. This is best effort: SageMaker places a copy even if it cannot keep the
    balance."""
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-sagemaker-inferencecomponent-inferencecomponentdatacacheconfig.html
    cache: bool = True
    """Whether image and weights are kept on the instance's disk for the next copy. SageMaker always does so on types with more than 232 GiB of
    local NVMe, which every GPU type of this library has."""
