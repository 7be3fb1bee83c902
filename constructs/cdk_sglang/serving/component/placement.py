"""Placement of copies as a CloudFormation property."""

from __future__ import annotations

from typing import Final

from aws_cdk import aws_sagemaker as sagemaker

from cdk_sglang.spec.placement import Placement

_STRATEGIES: Final = {"spread": "SPREAD", "binpack": "BINPACK"}


def render_scheduling(
    placement: Placement,
) -> sagemaker.CfnInferenceComponent.InferenceComponentSchedulingConfigProperty:
    """Return SchedulingConfig; CloudFormation requires the balance, though the API does not."""
    cfn = sagemaker.CfnInferenceComponent
    return cfn.InferenceComponentSchedulingConfigProperty(
        placement_strategy=_STRATEGIES[placement.strategy],
        availability_zone_balance=cfn.InferenceComponentAvailabilityZoneBalanceProperty(
            enforcement_mode="PERMISSIVE", max_imbalance=placement.max_zone_imbalance
        ),
    )


def render_caching(placement: Placement) -> sagemaker.CfnInferenceComponent.InferenceComponentDataCacheConfigProperty:
    """Return DataCacheConfig."""
    return sagemaker.CfnInferenceComponent.InferenceComponentDataCacheConfigProperty(enable_caching=placement.cache)
