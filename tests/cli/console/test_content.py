"""What the console shows is what was deployed, read by the operations that its documentation names, and by no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from cdk_sglang.cli.console import beside, content
from cdk_sglang.cli.console.account import Clients
from cdk_sglang.cli.console.content import Content
from cdk_sglang.cli.status.prometheus import NotMeasuredError
from localcloud.aws.hosting.store import store
from tests.localcloud.helpers import SESSION
from tests.support import console as console_support
from tests.support.observed import LLAMA, QWEN, observed

ENGINE = {LLAMA: {"ttft_mean_ms": 400.0, "ttft_p99_ms": 900.0, "tpot_mean_ms": 20.0, "output_tok_s": 4e5}}


class World:
    """A deployed fleet on a driven clock, and every operation that was asked for."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.operations: list[str] = []
        self.denied: set[str] = set()

    def settled(self, *names: str) -> None:
        sagemaker = SESSION.client("sagemaker")

        def status(name: str) -> str:
            described = sagemaker.describe_inference_component(InferenceComponentName=name)
            return str(described["InferenceComponentStatus"])

        self.clock.wait_until(
            lambda: sagemaker.describe_endpoint(EndpointName="prod-chat")["EndpointStatus"] == "InService",
            timeout_s=3600,
            what="the endpoint",
        )
        for name in names:
            self.clock.wait_until(lambda: status(name) in {"InService", "Failed"}, timeout_s=7200, what=name)

    def deploy(self) -> None:
        sagemaker = SESSION.client("sagemaker")
        console_support.deploy_endpoint(sagemaker)
        self.settled()
        console_support.deploy_components(sagemaker)
        self.settled(LLAMA, QWEN)
        console_support.deploy_scaling(SESSION.client("application-autoscaling"))
        console_support.deploy_stack(SESSION.client("cloudformation"))


@pytest.fixture
def world(driven: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setattr(beside, "engine_values", lambda *_: ENGINE)  # nothing here answers PromQL
    monkeypatch.setattr(content, "read_gpus", lambda *_: [])
    world = World(driven)
    original = BaseClient._make_api_call

    def call(self: Any, operation: str, arguments: Any) -> Any:
        if operation in world.denied:
            message = f"User: someone is not authorized to perform: {operation}"
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": message}}, operation)
        return original(self, operation, arguments)

    def register(clients: Clients, service: str) -> Any:
        client = of(clients, service)
        client.meta.events.register(
            "before-call", lambda model, **_: world.operations.append(model.name), unique_id="a test"
        )
        return client

    of = Clients.__getitem__
    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    monkeypatch.setattr(Clients, "__getitem__", register)
    return world


def console() -> Content:
    return console_support.console_of()


def test_endpoints_instances_gpus_copies_and_dollars_are_those_that_were_deployed(world: World) -> None:
    world.deploy()
    shown = console_support.read_once(console())
    (endpoint,) = shown["endpoints"]
    described = SESSION.client("sagemaker").describe_endpoint(EndpointName="prod-chat")
    assert (endpoint["name"], endpoint["status"]) == ("prod-chat", described["EndpointStatus"])
    (instances,) = endpoint["instances"]
    (variant,) = described["ProductionVariants"]
    assert (instances["type"], instances["count"]) == ("ml.g6e.12xlarge", variant["CurrentInstanceCount"])
    assert [gpu and gpu["component"] for gpu in instances["gpus"]] == [LLAMA, LLAMA, QWEN, QWEN]
    assert endpoint["cost"]["usd"] == pytest.approx(13.12, abs=0.01)
    assert endpoint["cost"]["note"].startswith("on demand in us-east-1, price of 20")
    assert [(one["name"], one["running"], one["wanted"]) for one in endpoint["components"]] == [
        (LLAMA, 1, 1),
        (QWEN, 1, 1),
    ]
    assert (shown["problems"], shown["credentials"]) == ({}, "")


def test_an_adapter_is_shown_with_its_state_and_the_reason_of_a_failure(world: World) -> None:
    world.deploy()
    console_support.deploy_adapter(SESSION.client("sagemaker"))
    world.settled(f"{LLAMA}-triage")
    llama, qwen = console_support.read_once(console())["endpoints"][0]["components"]
    assert [list(one.values()) for one in llama["adapters"]] == [["triage", "InService", ""]]
    assert qwen["adapters"] == []
    adapter = store("123456789012", "us-east-1").components[f"{LLAMA}-triage"]
    adapter.status, adapter.data["FailureReason"] = "Failed", "its rank is too high"
    llama, _ = console_support.read_once(console())["endpoints"][0]["components"]
    assert [list(one.values()) for one in llama["adapters"]] == [["triage", "Failed", "its rank is too high"]]


def test_requests_and_latency_stand_in_the_minute_in_which_they_were(world: World) -> None:
    world.deploy()
    cloudwatch = SESSION.client("cloudwatch")
    console_support.publish(cloudwatch, "Invocations", 600, minutes_ago=3)
    console_support.publish(cloudwatch, "Invocations", 60, minutes_ago=14)
    console_support.publish(cloudwatch, "Invocations", 9, minutes_ago=40)
    console_support.publish(cloudwatch, "ModelLatency", 1_500_000, minutes_ago=3)
    console_support.publish(cloudwatch, "ConcurrentRequestsPerCopy", 7, minutes_ago=3)
    shown = console_support.read_once(console())["traffic"]
    llama = shown[LLAMA]
    assert len(llama["requests"]) == 15
    assert [value for value in llama["requests"] if value] == [60, 600]
    index = llama["requests"].index(600)
    assert index in {11, 12}  # three minutes before the end, or two whole ones
    assert (llama["p90_us"][index], llama["concurrent"][index]) == (1_500_000, 7)
    assert shown[QWEN]["requests"] == [None] * 15


def test_a_decision_is_shown_with_its_cause_and_the_bounds_with_their_policy(world: World) -> None:
    world.deploy()
    component = store("123456789012", "us-east-1").components[LLAMA]
    for _ in range(35):
        for copy in component.copies:
            copy.outstanding = copy.peak = 10
        world.clock.advance(1)
    world.clock.advance(900)
    shown = console_support.read_once(console())
    first = shown["decisions"][-1]
    assert (first["component"], first["before"], first["after"]) == (LLAMA, None, 3)
    assert first["cause"].startswith(f"monitor alarm TargetTracking-inference-component/{LLAMA}-AlarmHigh-")
    for newer, older in zip(shown["decisions"], shown["decisions"][1:], strict=False):
        assert newer["time"] >= older["time"]
    assert shown["scaling"] == {
        LLAMA: {
            "least": 0,
            "most": 4,
            "policies": ["keeps ConcurrentRequestsPerCopyHighResolution at 4"],
            "suspended": "",
        }
    }
    SESSION.client("application-autoscaling").register_scalable_target(
        **console_support.RESOURCE, SuspendedState={"DynamicScalingOutSuspended": True}
    )
    assert console_support.read_once(console())["scaling"][LLAMA]["suspended"] == "scaling out"


def test_alarms_of_stacks_and_of_policies_are_shown_with_their_states_and_those_of_others_only_on_our_metrics(
    world: World,
) -> None:
    world.deploy()
    cloudwatch = SESSION.client("cloudwatch")
    for name, component in (("mine", LLAMA), ("of-somebody-else", "other-llama")):
        cloudwatch.put_metric_alarm(
            AlarmName=name, Namespace="AWS/SageMaker", MetricName="Invocations", Statistic="Sum", Period=60, EvaluationPeriods=1,
            Threshold=1, ComparisonOperator="GreaterThanThreshold", Dimensions=[{"Name": "InferenceComponentName", "Value": component}],
        )  # fmt: skip
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    shown = console_support.read_once(console())["alarms"]
    mine, missing, *scaling = (one["name"] for one in shown)
    assert (mine, missing.split("-")[-2]) == ("mine", "CopiesMissing")  # <stack>-<logical id>-<random>
    assert [name.partition("-")[0] for name in scaling] == ["TargetTracking"] * 2
    assert [one["scaling"] for one in shown] == [False, False, True, True]
    assert (shown[0]["state"], shown[0]["arn"]) == ("ALARM", "")
    assert shown[1]["runbook"] == "https://docs.example.com/runbooks/copies.md"
    assert shown[1]["state"] in {"OK", "INSUFFICIENT_DATA"}


def test_events_are_those_of_the_last_operation_of_each_stack(world: World) -> None:
    world.deploy()
    shown = console_support.read_once(console())["events"]
    assert [(one["what"].split()[1], one["state"]) for one in shown] == [
        (console_support.STACK, "CREATE_COMPLETE"),
        ("CopiesMissing", "CREATE_COMPLETE"),
        ("CopiesMissing", "CREATE_IN_PROGRESS"),
        (console_support.STACK, "CREATE_IN_PROGRESS"),
    ]


def test_the_plan_stands_beside_what_was_measured(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deploy()
    ttft, tpot, tokens = console_support.read_once(console())["plan"]
    planned = observed().endpoints[0].components[0].plan
    assert planned is not None
    assert planned.ttft_ms is not None
    assert (ttft["low"], ttft["high"]) == (planned.ttft_ms.low, planned.ttft_ms.high)
    assert [(one["value"], one["within"]) for one in ttft["measured"]] == [(400, True), (900, None)]
    assert (tpot["measured"][0]["value"], tpot["measured"][0]["within"]) == (20, False)
    assert (tokens["measured"][0]["label"], tokens["measured"][0]["within"]) == ("of all copies", False)

    def off(*_: object) -> Any:
        raise NotMeasuredError("CloudWatch has no metrics of the engine")

    monkeypatch.setattr(beside, "engine_values", off)
    for row in console_support.read_once(console())["plan"]:
        assert (row["measured"], row["notes"]) == ([], ["CloudWatch has no metrics of the engine"])
    assert console_support.read_once(console_support.console_of(observed(enrichment=False)))["plan"][0]["notes"][
        0
    ].startswith("enrichment is off")


def test_an_environment_that_is_not_deployed_says_so_and_the_next_command(world: World) -> None:
    shown = console_support.read_once(console())
    (endpoint,) = shown["endpoints"]
    assert (endpoint["status"], endpoint["cost"]) == ("not deployed", None)
    assert endpoint["next"] == "deploy it: cdk-sglang deploy --env prod"
    assert (shown["alarms"], shown["events"], shown["decisions"], shown["plan"]) == ([], [], [], [])
    assert shown["problems"] == {}


DENIALS = {
    "DescribeEndpoint": "endpoint",
    "DescribeEndpointConfig": "endpoint",
    "ListInferenceComponents": "endpoint",
    "DescribeInferenceComponent": "endpoint",
    "GetMetricData": "fleet",
    "DescribeScalableTargets": "fleet",
    "DescribeScalingPolicies": "fleet",
    "DescribeScalingActivities": "decisions",
    "DescribeAlarms": "alarms",
    "ListStackResources": "alarms",
    "DescribeStackEvents": "events",
}


def test_each_operation_that_is_denied_is_said_where_it_is_missed_and_the_rest_lives(world: World) -> None:
    world.deploy()
    whole = console_support.read_once(console())
    missed = {"endpoint": {"endpoints", "plan"}, "fleet": {"traffic", "scaling"}}
    for operation, part in DENIALS.items():
        world.denied = {operation}
        shown = console_support.read_once(console())
        problem = shown["endpoints"][0]["problem"] if part == "endpoint" else shown["problems"][part][0]
        assert f"not allowed (User: someone is not authorized to perform: {operation})" in problem
        different = {name for name in whole if name != "problems" and shown[name] != whole[name]}
        assert different <= missed.get(part, {part}), operation


def test_every_operation_only_reads_and_stands_in_the_documentation(world: World, root: Path) -> None:
    world.deploy()
    page = console()
    console_support.read_once(page)
    operations = set(world.operations)
    assert operations == set(DENIALS)
    assert all(re.match("(Describe|Get|List)", operation) for operation in operations)
    text = (root / "docs" / "status.md").read_text(encoding="utf-8")
    policy = text[text.index('"Action": [') :].partition("]")[0]
    assert {name.partition(":")[2] for name in re.findall(r'"([a-z-]+:\w+)"', policy)} == operations | {"QueryMetrics"}
    assert page.beat()["calls"] == len(world.operations)
