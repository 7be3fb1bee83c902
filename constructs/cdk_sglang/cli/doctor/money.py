"""The plan, and its price against the budget."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from cdk_sglang.cli.doctor.account import Account
from cdk_sglang.cli.doctor.check import Check, Finding, failure, ok, unknown
from cdk_sglang.environments.account_needs import Needs


def checks(needs: Needs, account: Account) -> Iterator[Check]:
    """Yield the checks of plan and budget.

    Args:
        needs: What the environment needs.
        account: The account.
    """
    yield Check(name="plan", look=partial(_plan, needs))
    yield Check(name="budget", look=partial(_budget, needs, account))


def _plan(needs: Needs) -> Finding:
    if needs.problems:
        first, *others = needs.problems
        more = f", and {len(others)} more" if others else ""
        return failure(f"{first}{more}", f"see all: cdk-sglang plan --env {needs.environment}")
    return ok("the plan says that everything fits")


def _budget(needs: Needs, account: Account) -> Finding:
    most, budget = needs.usd_per_hour, needs.budget_usd_per_hour
    update = "cdk-sglang prices update"
    if most is None:
        return unknown("the price of an instance type is not known here", f"fetch AWS's price list: {update}")
    low, high = f"{most.low:,.2f}", f"{most.high:,.2f}"
    text = f"{high if low == high else f'{low} to {high}'} $/h on demand"
    if needs.region is None and account.region != needs.planned_region:
        text += f" at the prices of {needs.planned_region}, since the file names no Region"
    if budget is None:
        return ok(f"{text}; no budget_usd_per_hour is set")
    if most.high > budget:
        return failure(
            f"{text}, above budget_usd_per_hour of {budget:,.2f}",
            f"lower max_instances or raise the budget: cdk-sglang plan --env {needs.environment}",
        )
    return ok(f"{text}, within budget_usd_per_hour of {budget:,.2f}")
