"""A pool whose first type is not to be had: the copy runs on the second, split over that type's own number of GPUs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cdk_sglang import Capacity
from localcloud.aws import faults
from tests.support.deployments import Fleet, Wanted, scaling

pytestmark = pytest.mark.timeout(600)
SMALL, LARGE = "ml.g6e.12xlarge", "ml.g6e.48xlarge"
POOL = Wanted(
    capacity=Capacity.pool([SMALL, LARGE], min_instances=1, max_instances=2),
    tp_size_by_type={SMALL: 4, LARGE: 2},
    scaling=scaling(1, 2),
)


def test_a_copy_starts_on_the_second_type_with_its_own_split_and_the_check_passes(fleet: Fleet) -> None:
    faults.inject("insufficient-capacity", target=f"fleet/{SMALL}")
    fleet.deployed(POOL)
    specifications = fleet.component()["Specifications"]
    models = {one["InstanceType"]: one["ModelName"] for one in specifications}
    assert models.keys() == {SMALL, LARGE}
    assert models[SMALL] != models[LARGE]
    assert {
        one["InstanceType"]: one["ComputeResourceRequirements"]["NumberOfAcceleratorDevicesRequired"]
        for one in specifications
    } == {SMALL: 4, LARGE: 2}
    assert fleet.variable("SM_SGLANG_TP_SIZE") == "2"

    # Another split of the second type alone changes no model but its own, and is an update as any other.
    fleet.deployed(replace(POOL, tp_size_by_type={SMALL: 4, LARGE: 1}))
    assert fleet.variable("SM_SGLANG_TP_SIZE") is None
    after = {one["InstanceType"]: one["ModelName"] for one in fleet.component()["Specifications"]}
    assert after[SMALL] == models[SMALL]
    assert after[LARGE] != models[LARGE]
