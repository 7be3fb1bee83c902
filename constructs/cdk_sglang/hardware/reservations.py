"""Limits of SageMaker training plans for endpoints: instance types, counts and terms."""

from __future__ import annotations

from cdk_sglang.hardware.instances import GpuInstance

# https://docs.aws.amazon.com/sagemaker/latest/dg/reserve-capacity-with-training-plans.html (read 2026-11-21)
PLAN_COUNTS = (1, 2, 4, 8, 16, 32, 64)
"""Numbers of instances that a plan can hold."""
PLAN_MIN_DAYS = 1
"""Minimum number of days of a training plan."""
PLAN_MAX_DAYS = 182
"""Maximum number of days of a training plan; terms are in steps of one day."""


def reservable_problem(instance: GpuInstance) -> str | None:
    """Return why no plan can reserve the type for endpoints; None if one can.

    Args:
        instance: Instance type.
    """
    if instance.reservable:
        return None
    types = ", ".join(other.name for other in GpuInstance.all() if other.reservable)
    return f"{instance.name} cannot be reserved for endpoints; use one of {types}"


def plan_count_problem(count: int) -> str | None:
    """Return why no plan can hold this number of instances; None if one can.

    Args:
        count: Number of instances.
    """
    if count in PLAN_COUNTS:
        return None
    return f"{count} is not allowed; a plan holds {', '.join(map(str, PLAN_COUNTS))} instances"
