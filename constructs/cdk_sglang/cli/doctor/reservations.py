"""Training plans that endpoints run on: state, type, count and end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import Final

from botocore.exceptions import ClientError

from cdk_sglang.cli.doctor.account import Account, code_of
from cdk_sglang.cli.doctor.check import Check, Finding, failure, ok
from cdk_sglang.cli.offerings import moment
from cdk_sglang.cli.plans import PlanStatus, plan_status
from cdk_sglang.environments.account_needs import Needs
from cdk_sglang.spec.reservation import Reservation

_ENDPOINTS: Final = "endpoint"


def checks(needs: Needs, account: Account) -> Iterator[Check]:
    """Yield a check for each endpoint that runs on a training plan.

    Args:
        needs: What the environment needs.
        account: The account.
    """
    for endpoint in needs.endpoints:
        if endpoint.reservation is not None:
            yield Check(name=f"training plan: {endpoint.name}", look=partial(_look, endpoint.reservation, account))


def _look(reservation: Reservation, account: Account) -> Finding:
    name = reservation.training_plan.rpartition("/")[2]
    try:
        plan = plan_status(account.call("sagemaker", "describe_training_plan", TrainingPlanName=name))
    except ClientError as error:
        if code_of(error) not in {"ResourceNotFound", "ResourceNotFoundException", "ValidationException"}:
            raise
        return failure(f"there is no training plan {name} in {account.region}", "list them: cdk-sglang capacity status")
    problems = list(_problems(plan, reservation))
    if problems:
        return failure(
            "; ".join(problems),
            f"correct `reserved`, or find another plan: cdk-sglang capacity search --type {reservation.type.name}",
        )
    return ok(f"{plan.count} x {plan.instance}, {plan.explanation}")


def _problems(plan: PlanStatus, reservation: Reservation) -> Iterator[str]:
    if plan.status != "Active":
        yield plan.explanation
    if plan.instance != reservation.type.name:
        yield f"it holds {plan.instance}, and the file says {reservation.type.name}"
    if plan.count != reservation.count:
        yield f"it holds {plan.count} instances, and the file says {reservation.count}"
    if plan.targets and _ENDPOINTS not in plan.targets:
        yield f"it is for {', '.join(plan.targets)}, not for endpoints"
    if plan.end is not None and plan.end.astimezone(dt.UTC).date() < reservation.until:
        yield f"it ends at {moment(plan.end)} UTC, and the file says {reservation.until}"
