"""A capacity reservation as a value: a SageMaker training plan that was bought for endpoints, and what is to happen when it ends."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final

from cdk_sglang.arguments import checked_fields
from cdk_sglang.errors import Problem
from cdk_sglang.hardware import GpuInstance, plan_count_problem, reservable_problem
from cdk_sglang.serving.shared.tokens import is_token, token_problem

PLAN_ARN_PATTERN: Final = (
    r"arn:aws[a-z-]*:sagemaker:([a-z0-9-]+):([0-9]{12}):training-plan/[a-zA-Z0-9](-*[a-zA-Z0-9]){0,63}"
)
"""botocore 1.44.5, sagemaker: TrainingPlanArn with TrainingPlanName; Region and account are its groups."""

HOURS_BEFORE_MIN: Final = 2
HOURS_BEFORE_MAX: Final = 336
HOURS_BEFORE_DEFAULT: Final = 6
"""The guard looks once an hour and instances end from 30 minutes before the plan does, so two hours leave one attempt, and six
leave room for a fleet that takes an hour to start and for attempts that find no on-demand capacity."""


def plan_arn_problem(arn: str) -> str | None:
    """Say why a text is no ARN of a training plan; None when it is one."""
    if re.fullmatch(PLAN_ARN_PATTERN, arn):
        return None
    return (
        f"{arn!r} is not the ARN of a training plan; use arn:aws:sagemaker:<region>:<account>:training-plan/<name>, "
        "as `cdk-sglang capacity status` prints it"
    )


@checked_fields
@dataclass(frozen=True, kw_only=True)
class OnDemandMove:
    """Leave the reservation for on-demand instances before it ends; on-demand prices are paid from then on.

    Args:
        max_instances: Most instances afterwards; it bounds the bill.
        hours_before: How long before the end of the plan it starts; 2 to 336.
    """

    max_instances: int
    hours_before: int = HOURS_BEFORE_DEFAULT

    def problems(self, path: str, *, min_instances: int) -> list[Problem]:
        """Say what is wrong with it; an empty list when nothing is.

        Args:
            path: Path of the settings, for messages.
            min_instances: Fewest instances of the endpoint; None if unspecified.
        """
        found = [
            token_problem(f"{path}.{name}", "the number itself")
            for name, value in (("max_instances", self.max_instances), ("hours_before", self.hours_before))
            if is_token(value)
        ]
        if found:
            return found
        if self.max_instances < max(min_instances, 1):
            found.append(
                Problem(
                    f"{path}.max_instances",
                    f"{self.max_instances} is below min_instances {min_instances}; "
                    f"raise it to {max(min_instances, 1)} or more",
                )
            )
        if not HOURS_BEFORE_MIN <= self.hours_before <= HOURS_BEFORE_MAX:
            found.append(
                Problem(
                    f"{path}.hours_before",
                    f"{self.hours_before} is not allowed; use {HOURS_BEFORE_MIN} to {HOURS_BEFORE_MAX}",
                )
            )
        return found


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """The plan an endpoint runs on.

    Args:
        training_plan_arn: Of a plan bought for endpoints; `cdk-sglang capacity reserve` prints it.
        count: Instances the plan holds.
        until: Day the plan is expected to last to, at the least; the deployment fails when it ends before.
        on_expiry: What the guard does before the end besides alarms; nothing when None.
    """

    training_plan_arn: str
    count: int
    until: dt.date
    on_expiry: OnDemandMove | None = None

    def problems(self, *, instance: GpuInstance | None, min_instances: int, max_instances: int) -> list[Problem]:
        """Say what is wrong with it as far as the values themselves tell; an empty list when nothing is."""
        found = []
        if is_token(self.training_plan_arn):
            found.append(token_problem("training_plan", "the ARN itself"))
        elif problem := plan_arn_problem(self.training_plan_arn):
            found.append(Problem("training_plan", f"{problem}"))
        if instance is not None and (problem := reservable_problem(instance)):
            found.append(Problem("type", f"{problem}"))
        if type(self.until) is not dt.date:
            found.append(
                Problem(
                    "until", f"{self.until!r} is not a date; give a datetime.date, such as datetime.date(2027, 3, 1)"
                )
            )
        if is_token(self.count):
            found.append(token_problem("count", "the number itself"))
        elif problem := plan_count_problem(self.count):
            found.append(Problem("count", f"{problem}"))
        elif not is_token(max_instances) and max_instances > self.count:
            found.append(
                Problem(
                    "max_instances",
                    f"{max_instances} is above the {self.count} reserved, and SageMaker refuses to scale beyond a reservation; "
                    f"lower it to {self.count}, or reserve more",
                )
            )
        if self.on_expiry is not None:
            found += self.on_expiry.problems("on_expiry", min_instances=min_instances)
        return found

    def place_problems(self, *, region: str, account: str) -> list[Problem]:
        """Say whether the plan belongs to another Region or account than the stack, where those are known."""
        parts = re.fullmatch(PLAN_ARN_PATTERN, self.training_plan_arn)
        assert parts is not None
        return [
            Problem(
                "training_plan",
                f"{self.training_plan_arn} is of {name} {there}, the stack of {here}; a plan cannot be used elsewhere, "
                f"so name one of {here}: cdk-sglang capacity status",
            )
            for name, there, here in (("region", parts[1], region), ("account", parts[2], account))
            if not is_token(here) and there != here
        ]
