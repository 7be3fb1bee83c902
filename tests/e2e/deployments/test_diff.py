"""What `cdk-sglang diff` says of a deployment, read from the deployed template, and what the embedded AWS then does."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cdk_sglang import BatchSize, Capacity, ComponentRollout, RollbackAlarms
from cdk_sglang.cli.diff.folders import report_of
from cdk_sglang.cli.diff.report import DiffReport
from localcloud.aws.hosting.store import stores
from localcloud.aws.server import LocalCloud
from tests.localcloud.helpers import eventually
from tests.support.deployments import UNCHECKED, Fleet, Wanted, scaling
from tests.support.diffs import by_name, effects

pytestmark = pytest.mark.timeout(600)
BASE = Wanted(check=UNCHECKED, scaling=scaling(2, 4), siblings={"other": {}})
ROLLOUT = ComponentRollout.rolling(max_batch=BatchSize.percent(50), wait_seconds=0, alarms=RollbackAlarms())


@pytest.fixture(autouse=True)
def signed_in(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {**cloud.credentials.environment, "AWS_ENDPOINT_URL": cloud.url}.items():
        monkeypatch.setenv(name, value)
    return


@pytest.fixture
def report_on(fleet: Fleet) -> Callable[[Wanted], DiffReport]:
    return lambda version: report_of("fleet", Path(fleet.synth(version)))


@dataclass(frozen=True, kw_only=True)
class State:
    """What one look at the embedded AWS sees."""

    config: str
    revisions: dict[str, int]
    updates: dict[str, int]


def look(fleet: Fleet) -> State:
    (state,) = (one for one in stores() if one.endpoints)
    fragments = {"endpoint": "Chat22ADE1FF", **{name: f"Chat{name}" for name in ("llama", "other", "third", "fourth")}}
    return State(
        config=fleet.config(),
        revisions={name: one.revision for name, one in state.components.items()},
        updates={name: fleet.events(part).count("UPDATE_COMPLETE") for name, part in fragments.items()},
    )


def happened(before: State, after: State) -> dict[str, str]:
    """What a deployment did, in the words of the command."""
    found: dict[str, str] = {}
    if before.config != after.config:
        found["fleet"] = "second fleet"
    for name in {*before.revisions, *after.revisions}:
        word = name.removeprefix("fleet-")
        if name not in after.revisions:
            found[f"fleet/{word}"] = "removed"
        elif name not in before.revisions:
            found[f"fleet/{word}"] = "created"
        elif before.revisions[name] != after.revisions[name]:
            found[f"fleet/{word}"] = "new copies"
        elif before.updates[word] != after.updates[word]:
            found[f"fleet/{word}"] = "updated in place"
    return found


def test_what_it_says_is_what_the_embedded_aws_does(fleet: Fleet, report_on: Callable[[Wanted], DiffReport]) -> None:
    assert report_on(BASE).is_first
    fleet.deployed(BASE)
    versions: dict[str, Wanted] = {"nothing": BASE}

    def step(name: str, **changes: Any) -> None:
        versions[name] = replace(list(versions.values())[-1], **changes)

    step("variable", variables={"SM_TEST_VERSION": "new"})
    step("image", image="2")
    step("max_instances and bounds of copies", max_instances=4, scaling=scaling(2, 6))
    step("rollout, and a component more", rollout=ROLLOUT, siblings={"other": {}, "third": {}})
    step("variable under a rollout", variables={"SM_TEST_VERSION": "newer"})
    step("one component less, another renamed", siblings={"fourth": {}})
    step("type", capacity=Capacity.on_demand("ml.g6e.24xlarge", min_instances=2, max_instances=4))
    step("min_instances", capacity=Capacity.on_demand("ml.g6e.24xlarge", min_instances=3, max_instances=4))
    predictions, done = {}, {}
    for name, version in versions.items():
        predictions[name] = effects(report_on(version))
        before = look(fleet)
        if name != "nothing":  # which CloudFormation refuses
            fleet.deployed(version)
        done[name] = happened(before, look(fleet))
    assert predictions == done
    assert {effect for one in predictions.values() for effect in one.values()} == {
        "new copies",
        "second fleet",
        "updated in place",
        "created",
        "removed",
    }


def test_adapters_are_loaded_again_and_come_and_go_without_a_new_copy(
    fleet: Fleet, report_on: Callable[[Wanted], DiffReport]
) -> None:
    for key in ("triage-v1.tar.gz", "triage-v2.tar.gz", "billing-v1.tar.gz"):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.addfile(tarfile.TarInfo("adapter_config.json"), io.BytesIO())
        fleet.client("s3").put_object(Bucket="models", Key=key, Body=packed.getvalue())
    first = Wanted(check=UNCHECKED, adapters={"triage": "triage-v1.tar.gz"})
    fleet.deployed(first)
    before = look(fleet)
    second = replace(first, adapters={"triage": "triage-v2.tar.gz", "billing": "billing-v1.tar.gz"})
    assert effects(report_on(second)) == {
        "fleet/llama/triage": "updated in place",
        "fleet/llama/billing": "created",
    }
    fleet.deployed(second)
    after = look(fleet)
    assert after.revisions["fleet-llama"] == before.revisions["fleet-llama"]
    assert (
        after.revisions["fleet-llama-triage"] == before.revisions["fleet-llama-triage"] + 1
    )  # its archive, on the same copy
    assert fleet.ask()["adapters"] == ["fleet-llama-billing", "fleet-llama-triage"]
    assert effects(report_on(replace(first, adapters={}))) == {
        "fleet/llama/triage": "removed",
        "fleet/llama/billing": "removed",
    }
    fleet.deployed(replace(first, adapters={}))
    assert look(fleet).revisions == {"fleet-llama": before.revisions["fleet-llama"]}


def test_the_only_copy_without_room_stops_first_as_it_says(
    fleet: Fleet, report_on: Callable[[Wanted], DiffReport]
) -> None:
    one = Wanted(check=UNCHECKED, capacity=Capacity.on_demand("ml.g6e.2xlarge", max_instances=1))
    fleet.deployed(one)
    changed = replace(one, variables={"SM_TEST_VERSION": "new"})
    assert by_name(report_on(changed))["fleet/llama"].effect == "replaced"

    deploying = threading.Thread(target=lambda: fleet.deployed(changed))
    deploying.start()
    component = next(state.components["fleet-llama"] for state in stores() if "fleet-llama" in state.components)
    eventually(
        lambda: component.revision > 0 and not any(copy.state == "healthy" for copy in component.copies), within_s=120
    )
    deploying.join(timeout=120)
    assert fleet.variable("SM_TEST_VERSION") == "new"
