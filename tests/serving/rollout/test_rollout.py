"""What the library writes into templates for rollouts and for copies that survive, and which rollouts do not fit their component."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sns as sns

from cdk_sglang import (
    Alarms,
    BatchSize,
    Capacity,
    ComponentRollout,
    ComponentScaling,
    Concurrency,
    EndpointRollout,
    RollbackAlarms,
    SmokeRequest,
    Window,
)
from tests.support.fleets import Built, problems

HALF = BatchSize.percent(50)


def scaling(low: int = 2, high: int = 8, **more: Any) -> ComponentScaling:
    return ComponentScaling(min_copies=low, max_copies=high, target=Concurrency(requests_per_copy=5), **more)


def test_a_component_rolls_in_batches_watched_by_its_own_alarms() -> None:
    built = Built()
    rollout = ComponentRollout.rolling(
        max_batch=HALF,
        wait_seconds=120,
        rollback_batch=BatchSize.copies(4),
        timeout_seconds=3600,
        alarms=RollbackAlarms(p99_latency_ms=1500),
    )
    built.add(copies=4, rollout=rollout)
    deployment = built.one("AWS::SageMaker::InferenceComponent")["DeploymentConfig"]
    assert deployment["RollingUpdatePolicy"] == {
        "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        "WaitIntervalInSeconds": 120,
        "RollbackMaximumBatchSize": {"Type": "COPY_COUNT", "Value": 4},
        "MaximumExecutionTimeoutInSeconds": 3600,
    }
    alarms = built.all("AWS::CloudWatch::Alarm")
    watched = [
        alarms[alarm["AlarmName"]["Ref"]]["Properties"] for alarm in deployment["AutoRollbackConfiguration"]["Alarms"]
    ]
    assert {
        (alarm["MetricName"], alarm.get("Statistic") or alarm["ExtendedStatistic"], alarm["Threshold"])
        for alarm in watched
    } == {
        ("Invocation5XXErrors", "Sum", 5),
        ("InvocationModelErrors", "Sum", 5),
        ("ModelLatency", "p99", 1_500_000),
        ("NoCapacityInvocationFailures", "Sum", 1),
    }
    for alarm in watched:
        assert alarm["Dimensions"] == [{"Name": "InferenceComponentName", "Value": "chat-llama"}]
        assert alarm["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize(
    ("rollout", "policy"),
    [
        (
            EndpointRollout.blue_green_all_at_once(wait_seconds=60, termination_wait_seconds=30),
            {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 60},
        ),
        (
            EndpointRollout.canary(percent=10),
            {"Type": "CANARY", "WaitIntervalInSeconds": 300, "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10}},
        ),
        (
            EndpointRollout.linear(percent=50),
            {
                "Type": "LINEAR",
                "WaitIntervalInSeconds": 300,
                "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
            },
        ),
    ],
)
def test_an_endpoint_shifts_traffic_to_a_second_fleet(rollout: EndpointRollout, policy: dict[str, Any]) -> None:
    deployment = Built(rollout=rollout).one("AWS::SageMaker::Endpoint")["DeploymentConfig"]
    assert deployment["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"] == policy
    assert len(deployment["AutoRollbackConfiguration"]["Alarms"]) == 3


def test_an_endpoint_rolls_and_tells_its_topic() -> None:
    topic = sns.Topic.from_topic_arn(cdk.Stack(), "Topic", "arn:aws:sns:us-east-1:111122223333:alarms")
    built = Built(rollout=EndpointRollout.rolling(percent=25, rollback_percent=100), alarms=Alarms(topic=topic))
    assert built.one("AWS::SageMaker::Endpoint")["DeploymentConfig"]["RollingUpdatePolicy"] == {
        "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 25},
        "WaitIntervalInSeconds": 300,
        "RollbackMaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 100},
    }
    for alarm in built.all("AWS::CloudWatch::Alarm").values():
        assert alarm["Properties"]["AlarmActions"] == ["arn:aws:sns:us-east-1:111122223333:alarms"]
        assert {dimension["Name"] for dimension in alarm["Properties"]["Dimensions"]} == {"EndpointName", "VariantName"}


def test_managed_instances_are_not_set_back_by_a_new_configuration() -> None:
    assert Built().one("AWS::SageMaker::Endpoint")["RetainAllVariantProperties"] is True


def test_only_a_rollout_lets_sagemaker_read_alarms() -> None:
    assert "cloudwatch:DescribeAlarms" not in json.dumps(Built().template().to_json())
    built = Built(rollout=EndpointRollout.blue_green_all_at_once())
    built.add("llama", copies=2, rollout=ComponentRollout.rolling(max_batch=HALF))
    assert json.dumps(built.template().to_json()).count("cloudwatch:DescribeAlarms") == 1


ROLLING = ComponentRollout.rolling


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"copies": 1, "rollout": ROLLING(max_batch=HALF)},
            (
                "llama.rollout.max_batch: 50% of 1 copy is less than one copy, and the component may have 1 when an update comes; "
                "give it 2 or more copies at least, or leave the rollout out: SageMaker then starts the new copy before the old one goes"
            ),
        ),
        (
            {"scaling": scaling(0), "rollout": ROLLING(max_batch=HALF)},
            (
                "llama.rollout.max_batch: 50% of 1 copy is less than one copy, and the component may have 1 when an update comes; "
                "give it 2 or more copies at least, or leave the rollout out: SageMaker then starts the new copy before the old one goes"
            ),
        ),
        (
            {"copies": 4, "rollout": ROLLING(max_batch=BatchSize.copies(3))},
            "llama.rollout.max_batch: 3 copies at a time is not allowed; a step is 5 to 50% of the copies, which are 4, so use 1 to 2",
        ),
        (
            {"scaling": scaling(2, 80), "rollout": ROLLING(max_batch=BatchSize.copies(1))},
            (
                "llama.rollout.max_batch: 1 copies at a time is not allowed; a step is 5 to 50% of the copies, which are 2 to 80, so use "
                "no number; give it as percent, or narrow the bounds of its copies"
            ),
        ),
        (
            {"copies": 4, "rollout": ROLLING(max_batch=BatchSize.copies(1), wait_seconds=300, timeout_seconds=1200)},
            "llama.rollout.timeout_seconds: 1200 is not above the 1200 s that its steps wait; raise it, shorten the waits, or use larger steps",
        ),
    ],
)
def test_a_rollout_fits_the_copies_a_component_may_have(options: dict[str, Any], problem: str) -> None:
    assert problems(lambda: Built().add(**options)) == [problem]


def test_a_component_that_is_off_at_night_rolls_with_the_copies_it_has_by_day() -> None:
    night = Window.weekly(days=("mon",), begins="20:00", ends="06:00", min_copies=0, max_copies=0)
    built = Built()
    built.add(scaling=scaling(2, 4, schedules={"night": night}), rollout=ROLLING(max_batch=HALF))
    component = built.one("AWS::SageMaker::InferenceComponent")
    assert (
        len(component["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]) == 2
    )  # asking in vain is no reason to go back


def test_an_endpoint_that_may_have_one_instance_has_no_steps() -> None:
    lines = problems(
        lambda: Built(
            capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=4), rollout=EndpointRollout.rolling(percent=50)
        )
    )
    assert lines == [
        (
            "Chat.rollout.percent: 50% of 1 instance is less than one instance, and the endpoint may have 1 when an update comes; "
            "raise min_instances to 2 or more, or move all traffic at once"
        )
    ]


def test_waking_a_component_does_not_take_an_endpoints_update_back() -> None:
    built = Built(rollout=EndpointRollout.blue_green_all_at_once())
    (problem,) = problems(lambda: built.add(scaling=scaling(0)))
    assert problem == (
        "llama.scaling: the component may have zero copies, and a request that wakes it would undo a rollout of the endpoint; "
        "set no_capacity of the endpoint's rollout.alarms to null, or keep a copy"
    )


def test_only_copies_that_scale_are_asked_about() -> None:
    built = Built()
    built.add("fixed", copies=2)
    built.add("scaled", scaling=scaling())
    ((name, resource),) = built.all("Custom::CdkSglangCopies").items()
    assert "DeletionPolicy" not in resource
    properties = resource["Properties"]
    assert properties["Component"] == "chat-scaled"
    assert (properties["Initial"], properties["Fewest"], properties["Most"]) == (2, 2, 8)
    assert properties["Model"]["Fn::GetAtt"][1] == "ModelName"
    assert properties["Endpoint"]["Fn::GetAtt"][1] == "EndpointName"  # so it is read after the endpoint's own update
    counts = {
        component["Properties"]["InferenceComponentName"]: component["Properties"]["RuntimeConfig"]["CopyCount"]
        for component in built.all("AWS::SageMaker::InferenceComponent").values()
    }
    assert counts == {"chat-fixed": 2, "chat-scaled": {"Fn::GetAtt": [name, "Copies"]}}


def asked_copies(*, tag: str | None = None, **options: Any) -> Any:
    built = Built()
    built.add(scaling=scaling(), **options)
    if tag is not None:
        cdk.Tags.of(built.app).add("cost-centre", tag)
    return built.one("Custom::CdkSglangCopies")


def test_the_count_is_asked_for_again_exactly_when_the_component_changes() -> None:
    from cdk_sglang import HostResources, StartupTimeouts

    first = asked_copies()
    assert asked_copies() == first
    assert asked_copies(smoke=SmokeRequest(timeout_seconds=5)) == first
    for changed in (
        asked_copies(resources=HostResources(cpu_cores=2, memory_mib=4096)),
        asked_copies(startup=StartupTimeouts(download_seconds=60, health_check_seconds=60)),
        asked_copies(rollout=ROLLING(max_batch=HALF)),
        asked_copies(rollout=ROLLING(max_batch=HALF, wait_seconds=10)),
        asked_copies(tag="ml"),
    ):
        assert changed["Fingerprint"] != first["Fingerprint"]
    renamed = asked_copies(component_name="llama")
    assert renamed["Component"] == "llama"


def test_a_threshold_that_is_known_at_deployment_alone_is_in_the_alarm_and_its_description() -> None:
    built = Built()
    errors = cdk.CfnParameter(built.stack, "Errors", type="Number")
    alarms = RollbackAlarms(server_errors=errors.value_as_number, model_errors=None)
    built.add(copies=4, rollout=ROLLING(max_batch=HALF, alarms=alarms))
    (alarm,) = (
        alarm["Properties"]
        for alarm in built.all("AWS::CloudWatch::Alarm").values()
        if alarm["Properties"]["MetricName"] == "Invocation5XXErrors"
    )
    assert alarm["Threshold"] == {"Ref": "Errors"}
    _, (before, *parameter, after) = alarm["AlarmDescription"]["Fn::Join"]
    assert (before, parameter) == ("Component chat-llama: ", [{"Ref": "Errors"}])
    assert after.startswith(" or more requests a minute failed on the serving side")


def test_a_wait_that_is_known_at_deployment_alone_is_in_the_policy() -> None:
    built = Built()
    wait = cdk.CfnParameter(built.stack, "Wait", type="Number").value_as_number
    built.add(copies=4, rollout=ROLLING(max_batch=HALF, wait_seconds=wait))
    policy = built.one("AWS::SageMaker::InferenceComponent")["DeploymentConfig"]["RollingUpdatePolicy"]
    assert policy["WaitIntervalInSeconds"] == {"Ref": "Wait"}
