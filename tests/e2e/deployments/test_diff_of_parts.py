"""What `cdk-sglang diff` says of changes to parts of one endpoint, several in one deployment, and what the embedded AWS then does to each."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms

from cdk_sglang import (
    BatchSize,
    Capacity,
    ComponentRollout,
    ComponentScaling,
    EndpointNetwork,
    EndpointRollout,
    HostResources,
    InferenceEndpoint,
    ModelSource,
    RollbackAlarms,
    SglangOptions,
    Window,
)
from cdk_sglang.cli.diff.folders import report_of
from cdk_sglang.cli.diff.report import DiffReport
from localcloud.aws.hosting.store import store
from localcloud.aws.server import LocalCloud
from tests.localcloud.helpers import SESSION
from tests.support.deployments import UNCHECKED, Fleet, image_of
from tests.support.diffs import by_name, effects

pytestmark = pytest.mark.timeout(600)
OTHER_REGION = "us-west-2"
TYPES = ("ml.g6e.12xlarge", "ml.g6e.24xlarge")
_OF_COMPONENTS = re.compile(r"inference-component/([a-z0-9-]+)")
_OWN_TYPES = ("AWS::SageMaker::InferenceComponent", "AWS::ApplicationAutoScaling::")


def hours(begins: str) -> ComponentScaling:
    window = Window.weekly(days=["mon"], begins=begins, ends="19:00", min_copies=2)
    return ComponentScaling(min_copies=1, max_copies=2, concurrency=16, schedules={"office": window})


COMPONENTS: dict[str, dict[str, Any]] = {
    "length": {"server": SglangOptions(context_length=16384)},
    "tensor": {"server": SglangOptions(tp_size=1)},
    "folder": {},
    "cores": {"resources": HostResources(cpu_cores=2, memory_mib=4096)},
    "owned": {"team": "search"},
    "locked": {},
    "timed": {"scaling": hours("07:30")},
    "guarded": {
        "copies": 2,
        "rollout": ComponentRollout.rolling(
            max_batch=BatchSize.percent(50), wait_seconds=0, alarms=RollbackAlarms(server_errors=5)
        ),
    },
}


@dataclass(frozen=True, kw_only=True)
class Parts:
    """One version of an endpoint whose components differ in what is going to change."""

    types: tuple[str, ...] = TYPES
    options: Mapping[str, Any] = field(default_factory=dict)
    components: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: COMPONENTS)
    folders: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    """ARNs of the KMS keys of models by component."""
    log_key: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def make(self, stack: cdk.Stack) -> None:
        def key(name: str, arn: str | None) -> kms.IKey | None:
            return None if arn is None else kms.Key.from_key_arn(stack, f"Key-{name}", arn)

        endpoint = InferenceEndpoint(
            stack,
            "Chat",
            capacity=Capacity.pool(self.types, min_instances=3, max_instances=6),
            image=image_of(stack),
            endpoint_name="fleet",
            verification=UNCHECKED,
            log_key=key("logs", self.log_key),
            **self.options,
        )
        for name, options in self.components.items():
            place = f"s3://models/{self.folders.get(name, 'llama')}/"
            model = ModelSource.from_s3(place, key=key(name, self.keys.get(name)), check=False)
            endpoint.add_component(name, model=model, **options)
        for name, value in self.tags.items():
            cdk.Tags.of(stack).add(name, value)


def but(parts: Parts, **changes: Any) -> Parts:
    """Return a version with other options of some components, by name."""
    return replace(parts, components={name: changes.get(name, options) for name, options in parts.components.items()})


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a look at the embedded AWS and CloudFormation's events shows."""

    config: str | None
    revisions: Mapping[str, int]
    updates: Mapping[str, int]
    """Updates of a component or of its scaling, by name; those of the endpoint as "fleet"."""


def look(fleet: Fleet) -> Seen:
    state = store("123456789012", fleet.region)
    done = [one for one in fleet.all_events() if one["ResourceStatus"] == "UPDATE_COMPLETE"] if fleet.is_there() else []
    names = (
        found[1]
        for one in done
        if one["ResourceType"].startswith(_OWN_TYPES) and (found := _OF_COMPONENTS.search(one["PhysicalResourceId"]))
    )
    of_endpoint = ["fleet" for one in done if one["ResourceType"] == "AWS::SageMaker::Endpoint"]
    return Seen(
        config=fleet.config() if state.endpoints else None,
        revisions={name: one.revision for name, one in state.components.items()},
        updates=Counter([*names, *of_endpoint]),
    )


def happened(before: Seen, after: Seen) -> dict[str, str]:
    """What a deployment did, in the words of the command."""
    found = {}
    if before.config != after.config:
        found["fleet"] = "created" if before.config is None else "second fleet"
    elif before.updates["fleet"] != after.updates["fleet"]:
        found["fleet"] = "updated in place"
    for name in {*before.revisions, *after.revisions}:
        word = f"fleet/{name.removeprefix('fleet-')}"
        if name not in before.revisions or name not in after.revisions:
            found[word] = "created" if name in after.revisions else "removed"
        elif before.revisions[name] != after.revisions[name]:
            found[word] = "new copies"
        elif before.updates[name] != after.updates[name]:
            found[word] = "updated in place"
    return found


@pytest.fixture
def fleet(fleet: Fleet, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    for name, value in {**cloud.credentials.environment, "AWS_ENDPOINT_URL": cloud.url}.items():
        monkeypatch.setenv(name, value)
    return fleet


def report_on(fleet: Fleet, version: Parts) -> DiffReport:
    return report_of("fleet", Path(fleet.synth(version)))


def deploy(fleet: Fleet, version: Parts) -> tuple[DiffReport, dict[str, str]]:
    """Deploy a version; what the command said before, and what then happened."""
    report, before = report_on(fleet, version), look(fleet)
    copies = {name: fleet.copies(name)[1] for name in before.revisions}
    fleet.deployed(version)
    for name, item in by_name(report).items():
        if item.copies is not None and item.effect == "new copies":
            assert item.copies.low <= copies[name.replace("/", "-")] <= item.copies.high
    return report, happened(before, look(fleet))


def alarms(fleet: Fleet) -> dict[str, float]:
    pages = fleet.client("cloudwatch").describe_alarms()["MetricAlarms"]
    return {one["AlarmName"]: one["Threshold"] for one in pages if "Threshold" in one}


def test_changes_of_parts_are_what_it_says_and_keep_to_their_part(fleet: Fleet, client: Callable[[str], Any]) -> None:
    keys = [client("kms").create_key()["KeyMetadata"]["Arn"] for _ in "12"]
    vpc = client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = tuple(
        client("ec2").create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")[
            "Subnet"
        ]["SubnetId"]
        for number, zone in enumerate("ab")
    )
    group = client("ec2").create_security_group(GroupName="mine", Description="mine", VpcId=vpc)["GroupId"]
    client("s3").put_object(Bucket="models", Key="llama-2/config.json", Body=b"{}")

    base = Parts()
    report, done = deploy(fleet, base)
    assert (report.is_first, effects(report)) == (True, done)

    # context_length, tp_size, the weights' folder, host resources, team, a model's KMS key, hours, an alarm's bound, the logs' key and days, the endpoint's rollout
    parts = replace(
        but(
            base,
            length={"server": SglangOptions(context_length=8192)},
            tensor={"server": SglangOptions(tp_size=2)},
            cores={"resources": HostResources(cpu_cores=3, memory_mib=4096)},
            owned={"team": "support"},
            timed={"scaling": hours("08:00")},
            guarded={
                "copies": 2,
                "rollout": ComponentRollout.rolling(
                    max_batch=BatchSize.percent(50), wait_seconds=0, alarms=RollbackAlarms(server_errors=8)
                ),
            },
        ),
        folders={"folder": "llama-2"},
        keys={"locked": keys[0]},
        log_key=keys[1],
        options={
            "log_retention_days": 90,
            "rollout": EndpointRollout.blue_green_all_at_once(wait_seconds=0, alarms=RollbackAlarms()),
        },
    )
    bounds = alarms(fleet)
    report, done = deploy(fleet, parts)
    assert (
        effects(report)
        == done
        == {
            "fleet": "updated in place",
            "fleet/length": "new copies",
            "fleet/tensor": "new copies",
            "fleet/folder": "new copies",
            "fleet/cores": "new copies",
            "fleet/owned": "updated in place",
            "fleet/timed": "updated in place",
        }
    )
    moved = {(bounds[name], bound) for name, bound in alarms(fleet).items() if bounds.get(name, bound) != bound}
    assert moved == {(5.0, 8.0)}
    assert sum("Threshold: 5 -> 8" in text for text in report.alarms) == 1
    actions = client("application-autoscaling").describe_scheduled_actions(ServiceNamespace="sagemaker")
    assert {one["Schedule"] for one in actions["ScheduledActions"]} == {"cron(0 8 ? * MON *)", "cron(0 19 ? * MON *)"}
    logs = client("logs").describe_log_groups(logGroupNamePrefix="/aws/sagemaker/")["logGroups"]
    assert {(one["kmsKeyId"], one["retentionInDays"]) for one in logs} == {(keys[1], 90)}
    others = {one.type for one in report.others}
    assert {"AWS::Logs::LogGroup", "AWS::IAM::Policy"} <= others or {"AWS::Logs::LogGroup", "AWS::IAM::Role"} <= others
    assert keys[0] in json.dumps(_execution_rights(fleet))

    # each a configuration of its own: the order of the pool, beside components that go, and the network; then tags of everything
    few = ("length", "timed")
    fewer = replace(parts, types=TYPES[::-1], components={name: parts.components[name] for name in few})
    report, done = deploy(fleet, fewer)
    gone = {f"fleet/{name}": "removed" for name in COMPONENTS if name not in few}
    new = {"fleet": "second fleet"} | {f"fleet/{name}": "new copies" for name in few}
    assert effects(report) == done == new | gone
    network = EndpointNetwork(subnet_ids=subnets, security_group_ids=(group,))
    report, done = deploy(fleet, joined := replace(fewer, options={**parts.options, "network": network}))
    assert effects(report) == done == new
    report, done = deploy(fleet, replace(joined, tags={"cost-centre": "ml"}))
    assert effects(report) == done == dict.fromkeys(new, "updated in place")


def _execution_rights(fleet: Fleet) -> list[Any]:
    iam = fleet.client("iam")
    role = fleet.client("sagemaker").describe_endpoint_config(EndpointConfigName=fleet.config())["ExecutionRoleArn"]
    name = role.rpartition("/")[2]
    return [
        iam.get_role_policy(RoleName=name, PolicyName=one)["PolicyDocument"]
        for one in iam.list_role_policies(RoleName=name)["PolicyNames"]
    ]


def test_another_region_is_another_fleet_and_leaves_the_first_one_as_it_is(
    fleet: Fleet, cloud: LocalCloud, tmp_path: Path
) -> None:
    one = Parts(components={"length": COMPONENTS["length"]})
    fleet.deployed(one)
    here = look(fleet)
    elsewhere = partial(SESSION.client, endpoint_url=cloud.url, region_name=OTHER_REGION)
    other = Fleet(None, elsewhere, tmp_path, OTHER_REGION)
    report, done = deploy(other, one)
    assert effects(report) == done == {"fleet": "created", "fleet/length": "created"}
    assert look(fleet) == here
