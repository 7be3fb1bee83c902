"""Which instances an endpoint may have, and how many: one typed choice per endpoint."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.serving.capacity.training_plan import OnDemandMove, Reservation
from cdk_sglang.serving.scaling.scale_in import ScaleIn
from cdk_sglang.serving.shared.tokens import is_token, token_problem

# botocore 1.44.5, sagemaker CreateEndpointConfig: InstancePools has 1 to 5 entries, the provision timeout 300 to 3600 s.
POOL_MAX_TYPES: Final = 5
PROVISION_TIMEOUT_SECONDS: Final = 1800


@checked_fields
@dataclass(frozen=True, kw_only=True)
class Capacity:
    """Instance types in order of priority and the bounds of managed instance scaling.

    Make one with `on_demand`, `pool` or `reserved`. Instances follow the copies of the components between the bounds; every
    instance above `min_instances` is paid for only while copies need it, unless it is reserved. Without `min_instances` it is 1, or 0
    where every component may go to zero.

    Args:
        instances: Instance types, the most wanted first; more than one is a pool.
        min_instances: Fewest instances that managed scaling keeps; None for 1, or 0 if every component may go to zero.
        max_instances: Most instances that managed scaling may start.
        scale_in: How instances are given back; SageMaker's own way by default.
        reservation: Training plan that the instances belong to; None on demand.
    """

    instances: tuple[GpuInstance, ...]
    min_instances: int | None
    max_instances: int
    scale_in: ScaleIn | None = None
    reservation: Reservation | None = None

    @staticmethod
    @checked()
    def on_demand(
        instance: GpuInstance | str,
        *,
        min_instances: int | None = None,
        max_instances: int,
        scale_in: ScaleIn | None = None,
    ) -> Capacity:
        """One instance type, on demand.

        Args:
            instance: The type, such as `GpuInstance.G6E_12XLARGE` or "ml.g6e.12xlarge".
            min_instances: Always running and paid for; by default 1, or 0 where every component may go to zero.
            max_instances: Never more than this; it bounds the bill.
            scale_in: How instances leave; SageMaker decides by default.

        Raises:
            ConfigurationError: The type is unknown or the bounds contradict each other.
        """
        return Capacity._checked((instance,), min_instances, max_instances, scale_in=scale_in)

    @staticmethod
    @checked()
    def pool(
        instances: Sequence[GpuInstance | str],
        *,
        min_instances: int | None = None,
        max_instances: int,
        scale_in: ScaleIn | None = None,
    ) -> Capacity:
        """Up to five instance types by priority: SageMaker takes the next where the first has no capacity.

        Args:
            instances: Two to five types, most wanted first. They share one inference AMI, so their families must agree on one.
            min_instances: Always running and paid for, over all types; by default 1, or 0 where every component may go to zero.
            max_instances: Never more than this, over all types.
            scale_in: How instances leave, the least wanted type first; SageMaker decides by default.

        Raises:
            ConfigurationError: A type is unknown or repeated, there are too many, or the bounds contradict each other.
        """
        return Capacity._checked(tuple(instances), min_instances, max_instances, scale_in=scale_in)

    @staticmethod
    @checked(but=("until",))
    def reserved(
        training_plan_arn: str,
        instance: GpuInstance | str,
        count: int,
        *,
        until: dt.date,
        min_instances: int = 1,
        max_instances: int | None = None,
        on_expiry: OnDemandMove | None = None,
        scale_in: ScaleIn | None = None,
    ) -> Capacity:
        """Instances of a training plan that was bought for endpoints: paid up front, there until it ends, never more than its count.

        The deployment fails unless the plan is active, of this type and count, and lasts to `until`. A guard then alarms 14, 3 and
        1 days before its end. Nothing is ever bought.

        Args:
            training_plan_arn: Literal; of the stack's Region and account.
            instance: The plan's type; a pool cannot be reserved.
            count: Instances the plan holds.
            until: Day the plan lasts to, at the least.
            min_instances: Always running; 1 or more, since they are paid for whether they run or not.
            max_instances: `count` by default, and no more.
            on_expiry: `OnDemandMove` to leave the plan before it ends; alarms alone by default.
            scale_in: How instances leave; SageMaker decides by default.

        Raises:
            ConfigurationError: The ARN, the type, the count or the bounds cannot be.
        """
        plan = Reservation(training_plan_arn=training_plan_arn, count=count, until=until, on_expiry=on_expiry)
        most = count if max_instances is None else max_instances
        return Capacity._checked((instance,), min_instances, most, scale_in=scale_in, reservation=plan)

    @staticmethod
    def _checked(
        asked: tuple[GpuInstance | str, ...],
        min_instances: int | None,
        max_instances: int,
        *,
        scale_in: ScaleIn | None,
        reservation: Reservation | None = None,
    ) -> Capacity:
        problems: list[Problem] = []
        instances: list[GpuInstance] = []
        for item in asked:
            if isinstance(item, str) and is_token(item):
                problems.append(token_problem("capacity", "the instance type itself"))
                continue
            try:
                instances.append(item if isinstance(item, GpuInstance) else GpuInstance.of(item))
            except ConfigurationError as error:
                problems += error.problems
        if not 1 <= len(asked) <= POOL_MAX_TYPES:
            problems.append(Problem("capacity", f"a pool has 1 to {POOL_MAX_TYPES} instance types, got {len(asked)}"))
        names = [instance.name for instance in instances]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            problems.append(
                Problem("capacity", f"{', '.join(repeated)} stands in the pool more than once; name each type once")
            )
        least = 0 if min_instances is None else min_instances
        bounds = {"min_instances": least, "max_instances": max_instances}
        tokens = [token_problem(name, "the number itself") for name, value in bounds.items() if is_token(value)]
        problems += tokens
        if least < 0 and not tokens:
            problems.append(Problem("min_instances", f"{least} is not allowed; use 0 or more"))
        if min_instances == 0 and reservation is not None:
            problems.append(
                Problem("min_instances", "0 saves nothing, reserved instances are paid for already; use 1 or more")
            )
        if max_instances < max(least, 1) and not tokens:
            problems.append(
                Problem(
                    "max_instances",
                    f"{max_instances} is below {f'min_instances {least}' if least > 1 else '1'}; "
                    f"raise it to {max(least, 1)} or more",
                )
            )
        if reservation is not None:
            only = instances[0] if instances else None
            problems += reservation.problems(instance=only, min_instances=least, max_instances=max_instances)
        if problems:
            raise ConfigurationError(problems)
        return Capacity(
            instances=tuple(instances),
            min_instances=min_instances,
            max_instances=max_instances,
            scale_in=scale_in,
            reservation=reservation,
        )

    @property
    def initial_instances(self) -> int:
        """Instances an endpoint starts with: one at the least, also where it may go to zero afterwards."""
        return max(self.min_instances or 1, 1)

    @property
    def is_pool(self) -> bool:
        """Whether SageMaker may choose between several types."""
        return len(self.instances) > 1

    @property
    def gpus_per_instance(self) -> int:
        """GPUs a copy can count on: those of the smallest type, since any type of a pool may be the one that is there."""
        return min(instance.gpu_count for instance in self.instances)


def instances_needed(gpus_per_copy: Sequence[int], *, gpus_per_instance: int) -> int:
    """Return how many instances hold all copies, each within one instance (first fit, largest first).

    Args:
        gpus_per_copy: GPUs of every single copy; a component with three copies stands here three times.
        gpus_per_instance: GPUs of one instance; no copy may ask for more.
    """
    free: list[int] = []
    for gpus in sorted(gpus_per_copy, reverse=True):
        for index, left in enumerate(free):
            if left >= gpus:
                free[index] -= gpus
                break
        else:
            free.append(gpus_per_instance - gpus)
    return len(free)
