"""Capacity as CloudFormation properties of a production variant."""

from __future__ import annotations

from typing import Final

from aws_cdk import aws_sagemaker as sagemaker

from cdk_sglang.spec.capacity import Capacity
from cdk_sglang.spec.scale_in import ScaleIn

PROVISION_TIMEOUT_SECONDS: Final = 1800
"""Time after which SageMaker tries the next type of a pool; 300 to 3600 s (botocore 1.44.5, sagemaker CreateEndpointConfig)."""

_STRATEGIES: Final = {"idle_release": "IDLE_RELEASE", "consolidation": "CONSOLIDATION"}


def render_pools(capacity: Capacity) -> list[sagemaker.CfnEndpointConfig.InstancePoolProperty] | None:
    """Return InstancePools of a production variant; None if there is only one instance type."""
    if not capacity.is_pool:
        return None
    return [
        sagemaker.CfnEndpointConfig.InstancePoolProperty(instance_type=instance.name, priority=priority)
        for priority, instance in enumerate(capacity.instances, start=1)
    ]


def render_scale_in(scale_in: ScaleIn | None) -> sagemaker.CfnEndpointConfig.ScaleInPolicyProperty | None:
    """Return ScaleInPolicy of managed instance scaling; None if SageMaker decides."""
    if scale_in is None:
        return None
    return sagemaker.CfnEndpointConfig.ScaleInPolicyProperty(
        strategy=_STRATEGIES[scale_in.strategy],
        cooldown_in_minutes=scale_in.cooldown_minutes,
        maximum_step_size=scale_in.max_step,
    )


def render_reservation(capacity: Capacity) -> sagemaker.CfnEndpointConfig.CapacityReservationConfigProperty | None:
    """Return CapacityReservationConfig of a production variant; None if nothing is reserved."""
    if capacity.reservation is None:
        return None
    return sagemaker.CfnEndpointConfig.CapacityReservationConfigProperty(
        capacity_reservation_preference="capacity-reservations-only",
        ml_reservation_arn=capacity.reservation.training_plan,
    )
