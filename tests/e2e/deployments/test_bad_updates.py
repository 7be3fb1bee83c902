"""Updates that go wrong, by the unmodified CDK CLI: each ends with the old version serving, and the reason on screen."""

from __future__ import annotations

import threading
from subprocess import CompletedProcess

import pytest

from cdk_sglang import BatchSize, ComponentRollout, RollbackAlarms
from localcloud.aws import clock as clocks
from localcloud.aws import faults
from localcloud.aws.hosting.store import stores
from tests.localcloud.helpers import eventually
from tests.support.deployments import Fleet, Wanted, flat

pytestmark = pytest.mark.timeout(600)
VERSION = "SM_TEST_VERSION"
OLD, NEW = {VERSION: "old"}, {VERSION: "new"}
ROLLOUT = ComponentRollout.rolling(
    max_batch=BatchSize.percent(50), wait_seconds=600, alarms=RollbackAlarms(p99_latency_ms=2000)
)


def test_a_silent_rollback_fails_the_deployment_that_cloudformation_believed_in(fleet: Fleet) -> None:
    fleet.deployed(Wanted(variables=OLD))
    before = fleet.config()
    faults.inject("silent-rollback", target="fleet", times=1)

    done = fleet.deploy(Wanted(variables=OLD, max_instances=4))

    assert done.returncode == 1
    output = flat(done)
    assert "endpoint fleet: asked for configuration ChatConfig" in output
    assert f"serves with {before}: SageMaker rolled the update back without a reason; the old version serves" in output
    assert fleet.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert fleet.config() == before
    assert fleet.variable(VERSION) == "old"

    fleet.deployed(Wanted(variables=OLD, max_instances=4))
    assert fleet.config() != before


def test_a_component_that_never_gets_healthy_leaves_the_old_version(fleet: Fleet) -> None:
    fleet.deployed(Wanted(variables=OLD))
    faults.inject("component-health-check", target="fleet-llama", times=1)

    done = fleet.deploy(Wanted(variables=NEW))

    assert done.returncode == 1
    assert "Container failed to start: no healthy /ping within the start-up time" in flat(done)
    assert fleet.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert fleet.variable(VERSION) == "old"


def test_an_alarm_in_the_middle_of_a_roll_takes_the_update_back(fleet: Fleet) -> None:
    fleet.deployed(Wanted(variables=OLD, copies=4, rollout=ROLLOUT))
    ended: list[CompletedProcess[str]] = []
    deploying = threading.Thread(
        target=lambda: ended.append(fleet.deploy(Wanted(variables=NEW, copies=4, rollout=ROLLOUT)))
    )
    deploying.start()
    component = next(state.components["fleet-llama"] for state in stores() if "fleet-llama" in state.components)
    eventually(
        lambda: sum(copy.revision == component.revision and copy.state == "healthy" for copy in component.copies) == 2,
        within_s=120,
    )
    assert component.status == "Updating"

    component.latencies_us = [5e6] * 50  # what the two new copies are measured to take
    clocks.clock().advance(120)
    deploying.join(timeout=120)

    (done,) = ended
    assert done.returncode == 1
    output = flat(done)
    assert "went into ALARM" in output
    assert "RollbackLatency" in output
    assert fleet.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert fleet.variable(VERSION) == "old"
    assert fleet.copies() == (4, 4)
