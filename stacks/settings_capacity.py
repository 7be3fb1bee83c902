"""Capacity of an endpoint: one instance type, a pool of them, or a reservation; how many, and how they leave."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.hardware import PLAN_COUNTS, GpuInstance, plan_count_problem, reservable_problem
from cdk_sglang.serving.capacity.training_plan import (
    HOURS_BEFORE_DEFAULT,
    HOURS_BEFORE_MAX,
    HOURS_BEFORE_MIN,
    PLAN_ARN_PATTERN,
    plan_arn_problem,
)
from cdk_sglang.serving.scaling.scale_in import (
    COOLDOWN_DEFAULT_MINUTES,
    COOLDOWN_MAX_MINUTES,
    COOLDOWN_MIN_MINUTES,
    STEP_MAX,
    STEP_MIN,
)
from cdk_sglang.spec.kinds import InstanceType, unique
from stacks.settings_base import Settings

_MAX_INSTANCES = 1000


def _plan_arn(value: str) -> str:
    if problem := plan_arn_problem(value):
        raise ValueError(problem)
    return value


def _reservable(value: str) -> str:
    if problem := reservable_problem(GpuInstance.named(value)):
        raise ValueError(problem)
    return value


def _count(value: int) -> int:
    if problem := plan_count_problem(value):
        raise ValueError(problem)
    return value


def _day(value: object) -> object:
    """YAML makes a day of 2027-03-01 and a text of the same in quotes; both are meant."""
    if not (isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value)):
        return value
    try:
        return dt.date.fromisoformat(value)
    except ValueError:  # no such day
        return value


class Reserved(Settings):
    """A training plan that was bought for endpoints; nothing here ever buys one (`cdk-sglang capacity reserve` asks)."""

    training_plan: Annotated[
        str, AfterValidator(_plan_arn), WithJsonSchema({"type": "string", "pattern": f"^{PLAN_ARN_PATTERN}$"})
    ]
    """ARN of the plan, of this account and Region; `cdk-sglang capacity status` prints it."""
    type: Annotated[InstanceType, AfterValidator(_reservable)]
    """Instance type of the plan."""
    count: Annotated[int, AfterValidator(_count), WithJsonSchema({"type": "integer", "enum": list(PLAN_COUNTS)})]
    """Instances the plan holds."""
    until: Annotated[dt.date, BeforeValidator(_day)]
    """Day the plan lasts to, at the least, such as 2027-03-01: a deployment fails when the plan ends before."""
    on_expiry: Literal["alarm", "on_demand"] = "alarm"
    """Before the plan ends: `alarm` 14, 3 and 1 days before; `on_demand`: alarm, and move the endpoint to on-demand instances."""
    on_demand_max_instances: int | None = Field(default=None, ge=1, le=_MAX_INSTANCES)
    """With `on_expiry: on_demand`: most on-demand instances afterwards; max_instances by default."""
    on_demand_hours_before: int | None = Field(default=None, ge=HOURS_BEFORE_MIN, le=HOURS_BEFORE_MAX)
    """With `on_expiry: on_demand`: how long before the end of the plan the move starts; 6 hours by default."""

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        raise_if_any(
            Problem(name, f"goes with on_expiry: on_demand, got on_expiry: {self.on_expiry}; remove it")
            for name in ("on_demand_max_instances", "on_demand_hours_before")
            if getattr(self, name) is not None and self.on_expiry != "on_demand"
        )
        return self

    @property
    def hours_before(self) -> int:
        """How long before the end of the plan a move starts."""
        return HOURS_BEFORE_DEFAULT if self.on_demand_hours_before is None else self.on_demand_hours_before


class ScaleIn(Settings):
    """How instances leave once copies need fewer."""

    strategy: Literal["idle_release", "consolidation"]
    """`idle_release`: an instance leaves when no copy is on it; `consolidation`: copies are moved together first."""
    cooldown_minutes: int = Field(default=COOLDOWN_DEFAULT_MINUTES, ge=COOLDOWN_MIN_MINUTES, le=COOLDOWN_MAX_MINUTES)
    """Minutes between two steps."""
    max_step: int = Field(default=STEP_MIN, ge=STEP_MIN, le=STEP_MAX)
    """Instances that leave in one step."""


class Capacity(Settings):
    """GPU instances of an endpoint: one type, a pool of types by priority, or a reservation."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["type", "max_instances"]},
                {"required": ["pool", "max_instances"]},
                {"required": ["reserved"]},
            ]
        }
    )

    type: InstanceType | None = None
    """Instance type, such as ml.g6e.12xlarge."""
    # The length comes first: pydantic writes it as minItems only while it still sees a sequence.
    pool: (
        Annotated[tuple[InstanceType, ...], Field(min_length=2, max_length=5, strict=False), AfterValidator(unique)]
        | None
    ) = None
    """Two to five types, most wanted first; SageMaker takes the next where the first has no capacity."""
    reserved: Reserved | None = None
    """A training plan: paid up front, there until it ends."""
    min_instances: int | None = Field(default=None, ge=0, le=_MAX_INSTANCES)
    """Always running and paid for; by default 1, or 0 where every component may go to zero."""
    max_instances: int | None = Field(default=None, ge=1, le=_MAX_INSTANCES)
    """Never more than this: it bounds the bill. With `reserved`, all of the plan by default."""
    scale_in: ScaleIn | None = None
    """How instances leave; SageMaker decides by default."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems: list[Problem] = []
        if sum(kind is not None for kind in (self.type, self.pool, self.reserved)) != 1:
            problems.append(Problem("", "give exactly one of type, pool and reserved"))
        if self.max_instances is None and self.reserved is None:
            problems.append(Problem("max_instances", "missing; it bounds the bill, so it has no default"))
        problems += self._bound_problems()
        raise_if_any(problems)
        return self

    def _bound_problems(self) -> list[Problem]:
        problems = []
        reserved, most, least = self.reserved, self.most_instances, self.min_instances or 0
        if reserved is not None and self.min_instances == 0:
            problems.append(
                Problem("min_instances", "0 saves nothing, reserved instances are paid for already; use 1 or more")
            )
        if most and most < least:
            what = "max_instances" if self.max_instances is not None else "reserved.count"
            problems.append(Problem(what, f"{most} is below min_instances {least}; raise it to {least} or more"))
        if reserved is not None and most > reserved.count:
            problems.append(
                Problem(
                    "max_instances",
                    f"{most} is above the {reserved.count} reserved, and SageMaker refuses to scale beyond a reservation; "
                    f"lower it to {reserved.count}, or reserve more",
                )
            )
        after = None if reserved is None else reserved.on_demand_max_instances
        if after is not None and after < least:
            problems.append(
                Problem(
                    "reserved.on_demand_max_instances",
                    f"{after} is below min_instances {least}; raise it to {least} or more",
                )
            )
        return problems

    @property
    def most_instances(self) -> int:
        """Instances the endpoint can have at most."""
        if self.max_instances is not None:
            return self.max_instances
        return 0 if self.reserved is None else self.reserved.count

    @property
    def types(self) -> tuple[str, ...]:
        """The instance types by priority."""
        if self.reserved is not None:
            return (self.reserved.type,)
        return self.pool if self.pool is not None else (self.type or "",)
