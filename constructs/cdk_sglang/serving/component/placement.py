"""Where SageMaker puts the copies of a component, and whether instances keep its image and weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from aws_cdk import aws_sagemaker as sagemaker

from cdk_sglang.arguments import checked_fields
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.shared.tokens import is_token

MAX_ZONE_IMBALANCE: Final = 100
"""SchedulingConfig.AvailabilityZoneBalance.MaxImbalance: botocore 1.44.5, sagemaker CreateInferenceComponent."""

_STRATEGIES: Final = {"spread": "SPREAD", "binpack": "BINPACK"}


@checked_fields
@dataclass(frozen=True, kw_only=True)
class Placement:
    """How copies are placed.

    Args:
        strategy: "spread" puts copies on different instances, so that losing one costs few of them; "binpack" fills instances, so that
            others get empty and go.
        max_zone_imbalance: Copies by which one Availability Zone may exceed another, 0 to 100; 0 by default. SageMaker keeps to it
            where it can, and places a copy all the same where it cannot.
        cache: Keep image and weights on the instance's disk for the next copy; on by default. SageMaker does so by itself on types with
            more than 232 GiB of local NVMe, which every GPU type of this library has
            (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-sagemaker-inferencecomponent-inferencecomponentdatacacheconfig.html).

    Raises:
        ConfigurationError: A value is not allowed.
    """

    strategy: Literal["spread", "binpack"] = "spread"
    max_zone_imbalance: int = 0
    cache: bool = True

    def __post_init__(self) -> None:
        problems = []
        if self.strategy not in _STRATEGIES:
            problems.append(
                Problem("placement.strategy", f"{self.strategy!r} is not allowed; use {' or '.join(_STRATEGIES)}")
            )
        imbalance = self.max_zone_imbalance
        if not is_token(imbalance) and not 0 <= imbalance <= MAX_ZONE_IMBALANCE:
            problems.append(
                Problem("placement.max_zone_imbalance", f"{imbalance} is not allowed; use 0 to {MAX_ZONE_IMBALANCE}")
            )
        if problems:
            raise ConfigurationError(problems)

    def scheduling(self) -> sagemaker.CfnInferenceComponent.InferenceComponentSchedulingConfigProperty:
        """Return SchedulingConfig; CloudFormation requires the balance, though the API does not."""
        cfn = sagemaker.CfnInferenceComponent
        return cfn.InferenceComponentSchedulingConfigProperty(
            placement_strategy=_STRATEGIES[self.strategy],
            availability_zone_balance=cfn.InferenceComponentAvailabilityZoneBalanceProperty(
                enforcement_mode="PERMISSIVE", max_imbalance=self.max_zone_imbalance
            ),
        )

    def caching(self) -> sagemaker.CfnInferenceComponent.InferenceComponentDataCacheConfigProperty:
        """Return DataCacheConfig."""
        return sagemaker.CfnInferenceComponent.InferenceComponentDataCacheConfigProperty(enable_caching=self.cache)
