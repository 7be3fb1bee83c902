"""OTel enrichment of the account and Region, on which dashboards and alarms over SGLang's own metrics rely."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from cdk_sglang.cli.doctor.account import Account
from cdk_sglang.cli.doctor.check import Check, Finding, failure, ok
from cdk_sglang.environments.account_needs import Needs


def checks(needs: Needs, account: Account) -> Iterator[Check]:
    """Yield the check of enrichment, if the environment relies on it.

    Args:
        needs: What the environment needs.
        account: The account.
    """
    if needs.enrichment != "none":
        yield Check(name="OTel enrichment", look=partial(_enrichment, needs, account))


def _enrichment(needs: Needs, account: Account) -> Finding:
    status = account.call("cloudwatch", "get_otel_enrichment")["Status"]
    runs = status == "RUNNING"
    if needs.enrichment == "enabled" and not runs:
        return failure(
            f"the environment relies on it, and in {account.region} it is {status}",
            "set observability: {enrichment: enable}, or start it: aws cloudwatch start-otel-enrichment",
        )
    if needs.enrichment == "enable" and runs and not account.stack_resources(needs.enrichment_stack):
        return failure(
            f"is on in {account.region} already, outside of stack {needs.enrichment_stack}, which would fail",
            "set observability: {enrichment: enabled}",
        )
    return ok("is on" if runs else f"stack {needs.enrichment_stack} turns it on")
