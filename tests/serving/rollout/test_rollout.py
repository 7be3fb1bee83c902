"""What the library writes into templates for rollouts, the truth check and copies that survive, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Match, Template

from cdk_sglang import (
    AdapterSource,
    Alarms,
    BatchSize,
    Capacity,
    ComponentRollout,
    ComponentScaling,
    Concurrency,
    ConfigurationError,
    EndpointRollout,
    InferenceEndpoint,
    LoraOptions,
    ModelSource,
    NoTruthCheck,
    RollbackAlarms,
    ServingImage,
    SglangOptions,
    SmokeRequest,
    TruthCheck,
    Window,
)

HALF = BatchSize.percent(50)


def scaling(low: int = 2, high: int = 8, **more: Any) -> ComponentScaling:
    return ComponentScaling(min_copies=low, max_copies=high, target=Concurrency(requests_per_copy=5), **more)


class Built:
    """A fleet, and its template."""

    def __init__(self, **options: Any) -> None:
        self.app = cdk.App()
        self.stack = cdk.Stack(self.app, "Fleet", env=cdk.Environment(account="111122223333", region="us-east-1"))
        options.setdefault("capacity", Capacity.on_demand("ml.g6e.12xlarge", min_instances=2, max_instances=40))
        options.setdefault("image", ServingImage.from_dlc())
        options.setdefault("endpoint_name", "chat")
        options.setdefault("truth_check", NoTruthCheck(reason="not asked for here"))
        self.endpoint = InferenceEndpoint(self.stack, "Chat", **options)

    def add(self, name: str = "llama", **options: Any) -> Any:
        options.setdefault("model", ModelSource.from_s3("s3://models/llama/", check=False))
        return self.endpoint.add_component(name, **options)

    def template(self) -> Template:
        return Template.from_stack(self.stack)

    def all(self, kind: str) -> dict[str, Any]:
        return dict(self.template().find_resources(kind))

    def one(self, kind: str) -> Any:
        ((_, resource),) = self.all(kind).items()
        return resource["Properties"]


def problems(make: Callable[[], object]) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        make()
    return list(error.value.problems)


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
    ("make", "said"),
    [
        (lambda: ROLLING(max_batch=BatchSize.percent(51)), ["rollout.max_batch: 51% is not allowed; use 5 to 50"]),
        (lambda: ROLLING(max_batch=BatchSize.percent(4)), ["rollout.max_batch: 4% is not allowed; use 5 to 50"]),
        (
            lambda: ROLLING(max_batch=BatchSize.copies(0)),
            ["rollout.max_batch: 0 copies are not allowed; use 1 or more"],
        ),
        (lambda: ROLLING(max_batch=BatchSize()), ["rollout.max_batch: give exactly one of percent and copies"]),
        (
            lambda: ROLLING(
                max_batch=HALF, wait_seconds=3601, timeout_seconds=599, rollback_batch=BatchSize.percent(101)
            ),
            [
                "rollout.rollback_batch: 101% is not allowed; use 1 to 100",
                "rollout.wait_seconds: 3601 is not allowed; use 0 to 3600 seconds",
                "rollout.timeout_seconds: 599 is not allowed; use 600 to 28800 seconds",
            ],
        ),
        (lambda: EndpointRollout.canary(percent=51), ["rollout.percent: 51% is not allowed; use 1 to 50"]),
        (lambda: EndpointRollout.linear(percent=9), ["rollout.percent: 9% is not allowed; use 10 to 50"]),
        (lambda: EndpointRollout.rolling(percent=4), ["rollout.percent: 4% is not allowed; use 5 to 50"]),
        (
            lambda: EndpointRollout.linear(
                percent=10, wait_seconds=600, termination_wait_seconds=60, timeout_seconds=6000
            ),
            [
                "rollout.timeout_seconds: 6000 is not above the 6060 s that its steps wait; raise it, wait less, or take bigger steps"
            ],
        ),
        (
            lambda: RollbackAlarms(server_errors=0, p99_latency_ms=-1, minutes=0),
            [
                "rollout.alarms.server_errors: 0 is not allowed; use a number above 0, or leave it out with null",
                "rollout.alarms.p99_latency_ms: -1 is not allowed; use a number above 0, or leave it out with null",
                "rollout.alarms.minutes: 0 is not allowed; use 1 to 60",
            ],
        ),
        (
            lambda: RollbackAlarms(server_errors=None, model_errors=None, no_capacity=None),
            [
                (
                    "rollout.alarms: alarms missing for rollback; without one SageMaker finishes every update, however bad: "
                    "give server_errors, model_errors or p99_latency_ms"
                )
            ],
        ),
        (
            lambda: TruthCheck(timeout_minutes=61),
            [
                "truth_check.timeout_minutes: 61 is not allowed; use 5 to 55: CloudFormation waits an hour for it and no longer"
            ],
        ),
        (lambda: NoTruthCheck(reason=" "), ["truth_check: no reason given; say why a deployment need not be checked"]),
        (
            lambda: SmokeRequest(body={"stream": True}, expect=("a..b",), timeout_seconds=61),
            [
                "smoke.expect: 'a..b' is not a path; write field names and positions with dots, such as choices.0.message.content",
                "smoke.timeout_seconds: 61 is not allowed; use 1 to 60, which is what SageMaker waits",
                "smoke.body.stream: streams are not read by the check; leave it out",
            ],
        ),
        (
            lambda: SmokeRequest(expect=()),
            ["smoke.expect: empty; name a field of the answer, such as choices.0.message.content"],
        ),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object], said: list[str]) -> None:
    assert problems(make) == said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"copies": 1, "rollout": ROLLING(max_batch=HALF)},
            (
                "llama.rollout.max_batch: 50% of 1 copy is no copy, and the component may have 1 when an update comes; "
                "give it 2 or more copies at least, or leave the rollout out: SageMaker then starts the new copy before the old one goes"
            ),
        ),
        (
            {"scaling": scaling(0), "rollout": ROLLING(max_batch=HALF)},
            (
                "llama.rollout.max_batch: 50% of 1 copy is no copy, and the component may have 1 when an update comes; "
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
            "llama.rollout.timeout_seconds: 1200 is not above the 1200 s that its steps wait; raise it, wait less, or take bigger steps",
        ),
    ],
)
def test_a_rollout_fits_the_copies_a_component_may_have(options: dict[str, Any], said: str) -> None:
    assert problems(lambda: Built().add(**options)) == [said]


def test_a_component_that_is_off_at_night_rolls_with_the_copies_it_has_by_day() -> None:
    night = Window.weekly(days=("mon",), begins="20:00", ends="06:00", min_copies=0, max_copies=0)
    built = Built()
    built.add(scaling=scaling(2, 4, schedules={"night": night}), rollout=ROLLING(max_batch=HALF))
    component = built.one("AWS::SageMaker::InferenceComponent")
    assert (
        len(component["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]) == 2
    )  # asking in vain is no reason to go back


def test_an_endpoint_that_may_have_one_instance_has_no_steps() -> None:
    said = problems(
        lambda: Built(
            capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=4), rollout=EndpointRollout.rolling(percent=50)
        )
    )
    assert said == [
        (
            "Chat.rollout.percent: 50% of 1 instance is no instance, and the endpoint may have 1 when an update comes; "
            "raise min_instances to 2 or more, or move all traffic at once"
        )
    ]


def test_waking_a_component_does_not_take_an_endpoints_update_back() -> None:
    built = Built(rollout=EndpointRollout.blue_green_all_at_once())
    (said,) = problems(lambda: built.add(scaling=scaling(0)))
    assert said == (
        "llama.scaling: the component may have zero copies, and a request that wakes it would undo a rollout of the endpoint; "
        "set no_capacity of the endpoint's rollout.alarms to null, or keep a copy"
    )


def test_only_copies_that_scale_are_asked_about() -> None:
    built = Built()
    built.add("fixed", copies=2)
    built.add("scaled", scaling=scaling())
    ((name, asked),) = built.all("Custom::CdkSglangCopies").items()
    assert "DeletionPolicy" not in asked
    properties = asked["Properties"]
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


def test_the_functions_may_describe_this_endpoint_alone() -> None:
    built = Built(truth_check=TruthCheck())
    built.add(scaling=scaling())
    built.add("odd", component_name="elsewhere", scaling=scaling())
    statements = {
        tuple([actions] if isinstance(actions := statement["Action"], str) else actions): statement
        for name, policy in built.all("AWS::IAM::Policy").items()
        if "Truth" in name or "CopiesFunction" in name
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    }
    written = json.dumps(statements[("sagemaker:DescribeInferenceComponent",)]["Resource"])
    assert ":inference-component/chat-*" in written
    models = statements[("sagemaker:DescribeModel",)]
    assert models["Condition"] == {"StringEquals": {"aws:ResourceTag/cdk-sglang:endpoint": "chat"}}
    everywhere = {action for action, statement in statements.items() if statement["Resource"] == "*"}
    assert ("application-autoscaling:DescribeScalableTargets",) in everywhere
    assert not any("*" in action for actions in statements for action in actions)


def asked_truth(built: Built) -> list[dict[str, Any]]:
    return [json.loads(_flat(found["Properties"]["Asked"])) for found in built.all("Custom::CdkSglangTruth").values()]


def _flat(text: Any) -> str:
    if isinstance(text, str):
        return text
    return "".join(
        part if isinstance(part, str) else f"<{next(iter(part.values()))}>" for part in text["Fn::Join"][1]
    ).replace("'", "")


def test_the_check_holds_everything_that_was_asked() -> None:
    built = Built(truth_check=TruthCheck(timeout_minutes=20))
    night = Window.weekly(days=("mon",), begins="20:00", ends="06:00", min_copies=0, max_copies=0)
    built.add(
        scaling=scaling(2, 4, schedules={"night": night}),
        environment={"SM_LONG": "x" * 100},
        smoke=SmokeRequest(body={"messages": []}, expect=("id",), timeout_seconds=9),
    )
    (asked,) = asked_truth(built)
    assert asked["endpoint"] == "chat"
    assert "EndpointConfigName" in asked["config"]
    assert asked["timeout_seconds"] == 1200
    (component,) = asked["components"]
    assert "ModelName" in component["model"]
    assert component["copies"] == [0, 4]
    assert component["scaling"] == [[2, 4], [0, 0]]
    assert component["environment"]["SM_SGLANG_ENABLE_METRICS"] == "true"
    assert component["environment"]["SM_LONG"].startswith("sha256:")
    assert component["smoke"] == {"body": {"messages": []}, "expect": ["id"], "timeout_seconds": 9}


def test_types_of_a_pool_are_checked_too() -> None:
    pool = Capacity.pool(["ml.g6e.12xlarge", "ml.g6e.24xlarge"], max_instances=2)
    built = Built(truth_check=TruthCheck(), capacity=pool)
    built.add()
    (asked,) = asked_truth(built)
    assert asked["components"][0]["instance_types"] == ["ml.g6e.12xlarge", "ml.g6e.24xlarge"]


def test_the_check_comes_after_components_scaling_and_adapters() -> None:
    built = Built(truth_check=TruthCheck(), image=_build(Built().stack))
    lora = SglangOptions(lora=LoraOptions(max_rank=16, target_modules=("all",)))
    llama = built.add(scaling=scaling(), server=lora)
    llama.add_adapter("triage", AdapterSource.from_s3("s3://models/adapters/triage.tar.gz"))
    template = built.template().to_json()["Resources"]
    ((_, check),) = ((name, it) for name, it in template.items() if it["Type"] == "Custom::CdkSglangTruth")
    after = {template[name]["Type"] for name in check["DependsOn"]}
    assert after == {
        "AWS::SageMaker::Endpoint",
        "AWS::SageMaker::InferenceComponent",
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
    }
    assert sum(template[name]["Type"] == "AWS::SageMaker::InferenceComponent" for name in check["DependsOn"]) == 2


def _build(_: cdk.Stack) -> ServingImage:
    from aws_cdk import aws_ecr as ecr

    repository = ecr.Repository.from_repository_name(cdk.Stack(), "Images", "sglang")
    return ServingImage.from_repository(repository, digest=f"sha256:{'1' * 64}", cuda="13.0", sglang_version="0.5.23")


def test_many_components_are_checked_by_several_resources_and_one_pair_of_functions() -> None:
    built = Built(truth_check=TruthCheck(), capacity=Capacity.on_demand("ml.g6e.48xlarge", max_instances=90))
    for index in range(81):
        built.add(f"m{index}")
    parts = asked_truth(built)
    assert [len(part["components"]) for part in parts] == [40, 40, 1]
    built.template().resource_count_is("AWS::StepFunctions::StateMachine", 1)
    for part in built.all("Custom::CdkSglangTruth").values():
        assert len(json.dumps(part)) < 60_000  # twice that, on an update, must fit into 256 KiB


def test_an_endpoint_without_a_check_says_why() -> None:
    built = Built()
    built.add()
    built.template().has_resource(
        "AWS::SageMaker::Endpoint", {"Metadata": Match.object_like({"cdk-sglang:no-truth-check": "not asked for here"})}
    )
    assert built.all("Custom::CdkSglangTruth") == {}
