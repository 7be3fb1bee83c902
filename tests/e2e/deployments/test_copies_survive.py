"""Copies that were scaled stay as they are, whatever an update changes: CloudFormation, Lambda and SageMaker of the embedded AWS."""

from __future__ import annotations

import pytest

from localcloud.aws import faults
from tests.localcloud.helpers import eventually
from tests.support.deployments import UNCHECKED, Fleet, Wanted, scaling

pytestmark = pytest.mark.timeout(600)
VERSION = "SM_TEST_VERSION"


def fleet_version(version: str = "old", **more: object) -> Wanted:
    options = {"variables": {VERSION: version}, "scaling": scaling(), "check": UNCHECKED} | more
    return Wanted(**options)


def scaled(fleet: Fleet, copies: int) -> None:
    fleet.scale(copies)
    eventually(
        lambda: fleet.copies() == (copies, copies) and fleet.component()["InferenceComponentStatus"] == "InService"
    )


def test_five_copies_stay_five_across_an_environment_variable_and_an_image(fleet: Fleet) -> None:
    fleet.deployed(fleet_version())
    assert fleet.copies() == (1, 1)
    scaled(fleet, 5)

    fleet.deployed(fleet_version("new"))
    assert fleet.variable(VERSION) == "new"
    assert fleet.copies() == (5, 5)

    fleet.deployed(fleet_version("new", image="2"))
    model = fleet.component()["Specification"]["ModelName"]
    image = fleet.client("sagemaker").describe_model(ModelName=model)["PrimaryContainer"]["Image"]
    assert image.endswith("2" * 64)
    assert fleet.copies() == (5, 5)


def test_an_update_that_is_taken_back_leaves_five_copies(fleet: Fleet) -> None:
    fleet.deployed(fleet_version())
    scaled(fleet, 5)
    faults.inject("component-health-check", target="fleet-llama", times=1)

    reasons = fleet.apply(fleet_version("new"))

    assert "no healthy /ping" in " ".join(reasons)
    assert fleet.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert fleet.variable(VERSION) == "old"
    assert fleet.copies() == (5, 5)


def test_what_an_update_does_not_touch_is_neither_asked_about_nor_updated(fleet: Fleet) -> None:
    fleet.deployed(fleet_version(siblings={"qwen": {VERSION: "old"}}))
    scaled(fleet, 5)
    fleet.scale(2, "fleet-qwen")
    eventually(lambda: fleet.copies("fleet-qwen") == (2, 2))
    before, events = fleet.component()["LastModifiedTime"], fleet.events("llama")

    fleet.deployed(fleet_version(siblings={"qwen": {VERSION: "new"}}))

    assert fleet.component()["LastModifiedTime"] == before
    assert fleet.events("llama") == events
    assert fleet.copies() == (5, 5)
    assert fleet.copies("fleet-qwen") == (2, 2)


def test_other_bounds_alone_do_not_touch_the_component(fleet: Fleet) -> None:
    fleet.deployed(fleet_version())
    scaled(fleet, 5)
    before = fleet.component()["LastModifiedTime"]

    fleet.deployed(fleet_version(scaling=scaling(1, 9)))
    assert fleet.component()["LastModifiedTime"] == before
    assert fleet.copies() == (5, 5)

    fleet.deployed(fleet_version("new", scaling=scaling(1, 3)))  # an update of the component keeps to the new bounds
    assert fleet.copies() == (3, 3)


def test_a_component_at_zero_copies_is_updated_at_zero(fleet: Fleet) -> None:
    fleet.deployed(fleet_version(scaling=scaling(0)))
    fleet.scale(0)
    eventually(lambda: fleet.copies() == (0, 0) and fleet.component()["InferenceComponentStatus"] == "InService")

    fleet.deployed(fleet_version("new", scaling=scaling(0)))

    assert fleet.copies() == (0, 0)


def test_a_component_that_gets_scaling_later_keeps_what_somebody_gave_it_by_hand(fleet: Fleet) -> None:
    fleet.deployed(fleet_version(scaling=None))
    scaled(fleet, 3)

    fleet.deployed(fleet_version())

    assert fleet.copies() == (3, 3)
