"""Which instances an endpoint may have, how many, and how they are removed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field, Strict, model_validator

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.hardware import GpuInstance, pool_region_problems, zero_instances_problems
from cdk_sglang.spec.kinds import Count, Instance, unique
from cdk_sglang.spec.reservation import MAX_INSTANCES, OnDemandMove, Reservation
from cdk_sglang.spec.scale_in import ScaleIn
from cdk_sglang.tokens import is_text_token
from cdk_sglang.validation import Spec
from cdk_sglang.wording import exactly_one


def _named_once(instances: tuple[GpuInstance, ...]) -> tuple[GpuInstance, ...]:
    unique(tuple(instance.name for instance in instances))
    return instances


class Capacity(Spec):
    """GPU instances of an endpoint: one type, a pool of types by priority, or a reservation.

    The number of instances follows the copies of the components, within the bounds. An instance above `min_instances` is paid for only
    while copies need it, unless it is reserved.
    """

    _noun = "capacity"

    # Only by alias: in Python, `pool`, `reserved` and the bounds have other meanings.
    model_config = ConfigDict(
        populate_by_name=False,
        serialize_by_alias=True,
        json_schema_extra={
            "oneOf": [
                {"required": ["type", "max_instances"]},
                {"required": ["pool", "max_instances"]},
                {"required": ["reserved"]},
            ]
        },
    )

    type: Instance | None = None
    """Instance type, such as ml.g6e.12xlarge."""
    # Five: botocore 1.44.5, sagemaker CreateEndpointConfig, InstancePools.
    pool_types: (
        Annotated[tuple[Instance, ...], Strict(False), Count(2, 5, "instance types"), AfterValidator(_named_once)]
        | None
    ) = Field(default=None, alias="pool")
    """Two to five instance types in order of preference; SageMaker uses the next type if the first has no capacity. They share one inference
    AMI, so it must support all their families."""
    reservation: Reservation | None = Field(default=None, alias="reserved")
    """A training plan: paid up front, available until it ends."""
    lower_bound: int | None = Field(default=None, alias="min_instances", ge=0, le=MAX_INSTANCES)
    """Minimum number of instances over all types, which always run and are paid for; by default 1, or 0 if every component may scale to zero."""
    upper_bound: int | None = Field(default=None, alias="max_instances", ge=1, le=MAX_INSTANCES)
    """Maximum number of instances over all types; limits the cost. With `reserved`, all instances of the plan by default."""
    scale_in: ScaleIn | None = None
    """How instances are removed; SageMaker decides by default."""

    @classmethod
    @checked()
    def on_demand(
        cls,
        instance: GpuInstance | str,
        *,
        min_instances: int | None = None,
        max_instances: int,
        scale_in: ScaleIn | None = None,
    ) -> Capacity:
        """Return the capacity of one instance type, on demand.

        Args:
            instance: The type, such as `GpuInstance.G6E_12XLARGE` or "ml.g6e.12xlarge"; `GpuInstance.of` describes one that this version
                does not know.
            min_instances: Minimum number of instances, which always run and are paid for; by default 1, or 0 if every component may
                scale to zero.
            max_instances: Maximum number of instances; limits the cost.
            scale_in: How instances are removed; SageMaker decides by default.

        Raises:
            ConfigurationError: The type is unknown or the bounds contradict each other.
        """
        return cls._of(min_instances, max_instances, scale_in, type=instance)

    @classmethod
    @checked()
    def pool(
        cls,
        instances: Sequence[GpuInstance | str],
        *,
        min_instances: int | None = None,
        max_instances: int,
        scale_in: ScaleIn | None = None,
    ) -> Capacity:
        """Return the capacity of up to five instance types by priority: SageMaker uses the next type if the first has no capacity.

        Args:
            instances: Types in order of preference, at least two. They share one inference AMI, so it must support all their families.
            min_instances: Minimum number of instances over all types, which always run and are paid for; by default 1, or 0 if every
                component may scale to zero.
            max_instances: Maximum number of instances over all types.
            scale_in: How instances are removed, the least preferred type first; SageMaker decides by default.

        Raises:
            ConfigurationError: A type is unknown or repeated, there are too many, or the bounds contradict each other.
        """
        if len(instances) == 1:
            return cls._of(min_instances, max_instances, scale_in, type=instances[0])
        return cls._of(min_instances, max_instances, scale_in, pool=tuple(instances))

    @classmethod
    @checked(but=("until",))
    def reserved(
        cls,
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
        """Return the capacity of a training plan that was bought for endpoints: paid up front, available until it ends.

        The deployment fails unless the plan is active, has this type and count, and lasts until `until`. A guard then raises alarms 14, 3
        and 1 days before its end. Nothing is ever bought.

        Args:
            training_plan_arn: Literal ARN of the plan, in the stack's Region and account.
            instance: Instance type of the plan; a pool cannot be reserved.
            count: Number of instances in the plan.
            until: Earliest day on which the plan may end.
            min_instances: Minimum number of instances, which always run; 1 or more, since they are paid for whether they run or not.
            max_instances: Maximum number of instances; `count` by default, and at most `count`.
            on_expiry: Move to on-demand instances before the plan ends; only alarms by default.
            scale_in: How instances are removed; SageMaker decides by default.

        Raises:
            ConfigurationError: The ARN, the type, the count or the bounds are not possible.
        """
        plan = {"training_plan": training_plan_arn, "type": instance, "count": count, "until": until}
        if on_expiry is not None:
            plan |= {
                "on_expiry": "on_demand",
                "on_demand_max_instances": on_expiry.max_instances,
                "on_demand_hours_before": on_expiry.hours_before,
            }
        return cls._of(min_instances, max_instances, scale_in, reserved=plan)

    @classmethod
    def _of(
        cls,
        min_instances: int | None,
        max_instances: int | None,
        scale_in: ScaleIn | None,
        **kind: Any,
    ) -> Capacity:
        return cls(min_instances=min_instances, max_instances=max_instances, scale_in=scale_in, **kind)

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        problems: list[Problem] = []
        kinds = {"type": self.type, "pool": self.pool_types, "reserved": self.reservation}
        present_names = [name for name, kind in kinds.items() if kind is not None]
        if len(present_names) != 1:
            problems.append(Problem("", exactly_one(list(kinds), present_names)))
        if self.upper_bound is None and self.reservation is None:
            problems.append(Problem("max_instances", "missing; it bounds the bill, so it has no default"))
        problems += self._bound_problems()
        raise_if_any(problems)
        return self

    def _bound_problems(self) -> list[Problem]:
        problems = []
        plan, most, least = self.reservation, self.max_instances, self.lower_bound or 0
        if plan is not None and self.lower_bound == 0:
            problems.append(
                Problem("min_instances", "0 saves nothing, reserved instances are paid for already; use 1 or more")
            )
        if most and most < least:
            path = "max_instances" if self.upper_bound is not None else "reserved.count"
            problems.append(Problem(path, f"{most} is below min_instances {least}; raise it to {least} or more"))
        if plan is not None and most > plan.count:
            problems.append(
                Problem(
                    "max_instances",
                    f"{most} is above the {plan.count} reserved, and SageMaker refuses to scale beyond a reservation; "
                    f"lower it to {plan.count}, or reserve more",
                )
            )
        after = None if plan is None else plan.on_demand_max_instances
        if after is not None and after < least:
            problems.append(
                Problem(
                    "reserved.on_demand_max_instances",
                    f"{after} is below min_instances {least}; raise it to {least} or more",
                )
            )
        return problems

    @property
    def instances(self) -> tuple[GpuInstance, ...]:
        """Instance types in order of preference."""
        if self.reservation is not None:
            return (self.reservation.type,)
        return self.pool_types or (() if self.type is None else (self.type,))

    @property
    def min_instances(self) -> int | None:
        """Minimum number of instances; None if unspecified, then the components decide. With a reservation at least one runs, since it is paid for."""
        return 1 if self.lower_bound is None and self.reservation is not None else self.lower_bound

    @property
    def max_instances(self) -> int:
        """Maximum number of instances."""
        if self.upper_bound is not None:
            return self.upper_bound
        return 0 if self.reservation is None else self.reservation.count

    @property
    def initial_instances(self) -> int:
        """Number of instances an endpoint starts with: at least one, even if it may scale to zero afterwards."""
        return max(self.min_instances or 1, 1)

    @property
    def is_pool(self) -> bool:
        """Whether SageMaker may choose between several types."""
        return len(self.instances) > 1

    @property
    def gpus_per_instance(self) -> int:
        """GPUs that a copy can rely on: those of the smallest type, since any type of a pool may be the one with capacity."""
        return min(instance.gpu_count for instance in self.instances)

    @property
    def on_demand_move(self) -> OnDemandMove | None:
        """Move to on-demand instances before the reservation ends; None without one."""
        return None if self.reservation is None else self.reservation.move(max_instances=self.max_instances)

    def place_problems(self, *, region: str, account: str) -> list[Problem]:
        """Return the problems of this capacity in a Region and account; none if those are known only at deployment.

        Args:
            region: Region of the stack; may be a token.
            account: Account of the stack; may be a token.
        """
        problems: list[Problem] = []
        if not is_text_token(region):
            if self.is_pool:
                problems += [Problem("pool", problem) for problem in pool_region_problems(region)]
            if self.min_instances == 0:
                problems += [Problem("min_instances", problem) for problem in self._zero_refusals(region)]
        if self.reservation is not None:
            found = self.reservation.place_problems(region=region, account=account)
            problems += [problem.under("reserved") for problem in found]
        return problems

    def zero_copies_problems(self, *, region: str) -> list[Problem]:
        """Return why an endpoint may not scale to zero instances in a Region, if `min_instances` is unset and every component may have zero copies.

        Args:
            region: Region of the stack; may be a token.
        """
        if self.min_instances is not None or is_text_token(region):
            return []
        return [
            Problem(
                "", f"0 copies would leave no instance, and {problem} (min_instances: 1 keeps one, which is paid for)"
            )
            for problem in self._zero_refusals(region)
        ]

    def _zero_refusals(self, region: str) -> list[str]:
        return [problem for instance in self.instances for problem in zero_instances_problems(region, instance)]
