"""A first deployment that fails can be tried again."""

from __future__ import annotations

import pytest

from localcloud.aws import faults
from tests.localcloud.helpers import eventually
from tests.support.deployments import UNCHECKED, Fleet, Wanted

pytestmark = pytest.mark.timeout(400)
GROUPS = ["/aws/sagemaker/Endpoints/fleet", "/aws/sagemaker/InferenceComponents/fleet-llama"]


def _groups(fleet: Fleet) -> list[str]:
    found = fleet.client("logs").describe_log_groups(logGroupNamePrefix="/aws/sagemaker/")["logGroups"]
    return sorted(group["logGroupName"] for group in found)


def test_a_failed_first_deployment_leaves_no_log_group_in_the_way_of_the_next(fleet: Fleet) -> None:
    faults.inject("component-health-check", target="fleet-llama")
    reasons = fleet.apply(Wanted(check=UNCHECKED))
    assert fleet.status() == "ROLLBACK_COMPLETE", reasons
    assert _groups(fleet) == []

    faults.clear()
    fleet.client("cloudformation").delete_stack(StackName="Fleet")  # as the CDK CLI does before it tries again
    gone = lambda: fleet.client("cloudformation").list_stacks(StackStatusFilter=["ROLLBACK_COMPLETE"])
    eventually(lambda: gone()["StackSummaries"] == [])
    fleet.deployed(Wanted(check=UNCHECKED))
    assert _groups(fleet) == GROUPS

    fleet.client("cloudformation").delete_stack(StackName="Fleet")
    eventually(lambda: fleet.client("sagemaker").list_endpoints()["Endpoints"] == [])
    assert _groups(fleet) == GROUPS  # what has served is kept
