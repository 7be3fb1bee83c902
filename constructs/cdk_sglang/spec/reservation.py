"""A SageMaker training plan that an endpoint runs on, and what happens before it ends."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.hardware import PLAN_COUNTS, GpuInstance, plan_count_problem, reservable_problem
from cdk_sglang.spec.kinds import Instance
from cdk_sglang.spec.schedules import NOT_BEFORE
from cdk_sglang.tokens import is_text_token
from cdk_sglang.validation import Spec

MAX_INSTANCES: Final = 1000
"""Maximum number of instances of an endpoint. Not a limit of AWS: a larger bound is assumed to be a typing error."""

_PLAN_ARN: Final = r"arn:aws[a-z-]*:sagemaker:([a-z0-9-]+):([0-9]{12}):training-plan/[a-zA-Z0-9](-*[a-zA-Z0-9]){0,63}"
"""TrainingPlanArn with TrainingPlanName (botocore 1.44.5, sagemaker); the first two groups are Region and account."""

_HOURS_BEFORE: Final = 6
"""The guard runs once an hour, and instances are terminated from 30 minutes before the plan ends. Two hours therefore leave one attempt; six
leave room for a fleet that takes an hour to start and for attempts that find no on-demand capacity."""

HoursBefore = Annotated[int, Field(ge=2, le=336)]
"""Hours between the start of a move to on-demand instances and the end of the plan."""


def _plan_arn(arn: str) -> str:
    if is_text_token(arn):
        raise ValueError("must be known at synth, got a token; give the ARN itself")
    if not re.fullmatch(_PLAN_ARN, arn):
        raise ValueError(
            f"{arn!r} is not the ARN of a training plan; use arn:aws:sagemaker:<region>:<account>:training-plan/<name>, "
            "as `cdk-sglang capacity status` prints it"
        )
    return arn


def _reservable(instance: GpuInstance) -> GpuInstance:
    if problem := reservable_problem(instance):
        raise ValueError(problem)
    return instance


def _count(count: int) -> int:
    if problem := plan_count_problem(count):
        raise ValueError(problem)
    return count


def _day(value: object) -> object:
    """Parse a quoted day, "2027-03-01", like an unquoted one, which YAML parses as a date."""
    if not (isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value)):
        return value
    try:
        return dt.date.fromisoformat(value)
    except ValueError:  # no such day
        return value


class OnDemandMove(Spec):
    """Move from a reservation to on-demand instances before it ends; on-demand prices are paid from then on."""

    _noun = "on_expiry"

    max_instances: int = Field(ge=1, le=MAX_INSTANCES)
    """Maximum number of instances after the move; limits the cost."""
    hours_before: HoursBefore = _HOURS_BEFORE
    """Hours between the start of the move and the end of the plan."""


class Reservation(Spec):
    """A training plan that was bought for endpoints. No deployment ever buys one; `cdk-sglang capacity reserve` does, after asking."""

    training_plan: Annotated[
        str, AfterValidator(_plan_arn), WithJsonSchema({"type": "string", "pattern": f"^{_PLAN_ARN}$"})
    ]
    """ARN of the plan, in this account and Region; `cdk-sglang capacity status` prints it."""
    type: Annotated[Instance, AfterValidator(_reservable)]
    """Instance type of the plan."""
    count: Annotated[int, AfterValidator(_count), WithJsonSchema({"type": "integer", "enum": list(PLAN_COUNTS)})]
    """Number of instances in the plan."""
    until: Annotated[dt.date, BeforeValidator(_day)]
    """Earliest day on which the plan may end, such as 2027-03-01; a deployment fails if the plan ends before it."""
    on_expiry: Literal["alarm", "on_demand"] = "alarm"
    """What happens before the plan ends: `alarm` notifies 14, 3 and 1 days before; `on_demand` also moves the endpoint to on-demand
    instances."""
    on_demand_max_instances: int | None = Field(default=None, ge=1, le=MAX_INSTANCES)
    """With `on_expiry: on_demand`: maximum number of on-demand instances after the move; max_instances by default."""
    on_demand_hours_before: HoursBefore | None = None
    """With `on_expiry: on_demand`: hours between the start of the move and the end of the plan; 6 by default."""

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        problems = [
            Problem(name, f"goes with on_expiry: on_demand, got on_expiry: {self.on_expiry}; remove it")
            for name in ("on_demand_max_instances", "on_demand_hours_before")
            if getattr(self, name) is not None and self.on_expiry != "on_demand"
        ]
        if self.until < NOT_BEFORE.date():
            text = f"{self.until} is in the past; name a day that the plan still lasts to, as `cdk-sglang capacity status` prints it"
            problems.append(Problem("until", text))
        raise_if_any(problems)
        return self

    def move(self, *, max_instances: int) -> OnDemandMove | None:
        """Return the move before the plan ends; None if only alarms announce the end.

        Args:
            max_instances: Maximum number of instances of the endpoint, which the move keeps by default.
        """
        if self.on_expiry == "alarm":
            return None
        return OnDemandMove(
            max_instances=self.on_demand_max_instances or max_instances,
            hours_before=self.on_demand_hours_before or _HOURS_BEFORE,
        )

    def place_problems(self, *, region: str | None, account: str | None) -> list[Problem]:
        """Return a problem if the plan belongs to another Region or account than the stack; a Region or account that is None or a token is skipped."""
        parts = re.fullmatch(_PLAN_ARN, self.training_plan)
        assert parts is not None
        others = [
            (f"{name} {there}", here)
            for name, there, here in (("region", parts[1], region), ("account", parts[2], account))
            if here is not None and not is_text_token(here) and there != here
        ]
        if not others:
            return []
        theirs, ours = (" and ".join(words) for words in zip(*others, strict=True))
        text = f"{self.training_plan} is of {theirs}, the stack of {ours}; a plan cannot be used elsewhere, so name one of {ours}"
        return [Problem("training_plan", f"{text}: cdk-sglang capacity status")]
