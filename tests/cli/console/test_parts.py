"""Parts of the console's page as functions of what AWS answers, where the embedded AWS answers less than AWS can."""

from __future__ import annotations

import datetime as dt
from typing import Any

from cdk_sglang.cli.console.events import EVENTS_MAX, read_events
from cdk_sglang.cli.console.fleet import endpoint_content
from cdk_sglang.cli.console.gpus import read_gpus
from cdk_sglang.cli.status.prometheus import NotMeasuredError
from cdk_sglang.cli.status.report import ComponentStatus, EndpointReport, InstancesStatus
from cdk_sglang.metrics.series import COMPONENT, GPU, INSTANCE, INSTANCE_TYPE
from tests.support.observed import LLAMA, observed


class Events:
    """A stack that was created, and whose update of many resources failed."""

    def __init__(self) -> None:
        self.count = 0

    def describe_stack_events(self, *, StackName: str) -> Any:
        def event(logical: str, kind: str, status: str) -> dict[str, Any]:
            self.count += 1
            at = dt.datetime(2026, 11, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=self.count)
            return {"Timestamp": at, "StackName": StackName, "LogicalResourceId": logical, "ResourceType": kind, "ResourceStatus": status}  # fmt: skip

        stack = (StackName, "AWS::CloudFormation::Stack")
        events = [
            event(*stack, "CREATE_IN_PROGRESS"),
            event(*stack, "CREATE_COMPLETE"),
            event(*stack, "UPDATE_IN_PROGRESS"),
        ]
        events += [event("First", "AWS::S3::Bucket", "UPDATE_FAILED")]
        events += [event(f"R{number}", "AWS::S3::Bucket", "UPDATE_COMPLETE") for number in range(80)]
        events += [event(*stack, "UPDATE_ROLLBACK_IN_PROGRESS"), event(*stack, "UPDATE_ROLLBACK_COMPLETE")]
        return {"StackEvents": events[::-1]}


def test_the_failure_that_began_a_rollback_is_not_crowded_out_and_older_operations_are_not_shown() -> None:
    shown = read_events(Events(), ["prod"])
    states = [one["state"] for one in shown]
    assert len(shown) == EVENTS_MAX
    assert states[0] == "UPDATE_ROLLBACK_COMPLETE"
    assert states[-2:] == ["UPDATE_FAILED", "UPDATE_IN_PROGRESS"]
    assert "CREATE_COMPLETE" not in states
    assert [one["time"] for one in shown] == sorted((one["time"] for one in shown), reverse=True)


def report(*instances: InstancesStatus, **component: Any) -> EndpointReport:
    one = ComponentStatus(
        name="llama", component_name=LLAMA, state="in service", copies_running=3, copies_wanted=3, **component
    )
    return EndpointReport(name="chat", endpoint_name="prod-chat", state="in service", status="InService", instances=instances, components=(one,), instances_wanted=2)  # fmt: skip


def test_gpus_of_several_types_are_coloured_only_if_sagemaker_tells_copies_by_type() -> None:
    two = (
        InstancesStatus(type="ml.g6e.12xlarge", running=1, gpus=4),
        InstancesStatus(type="ml.g6e.24xlarge", running=1, gpus=4),
    )
    endpoint = observed().endpoints[0]
    shown = endpoint_content(report(*two, gpus_reserved=6), endpoint, "us-east-1")["instances"]
    assert [(one["placed"], one["gpus"]) for one in shown] == [(False, [None] * 4)] * 2
    copies = {"ml.g6e.12xlarge": 2, "ml.g6e.24xlarge": 1}
    shown = endpoint_content(report(*two, gpus_reserved=3, copies_by_type=copies), endpoint, "us-east-1")["instances"]
    assert [(one["placed"], sum(gpu is not None for gpu in one["gpus"])) for one in shown] == [(True, 2), (True, 1)]


def test_instances_that_are_wanted_and_types_without_a_price_are_said() -> None:
    shown = endpoint_content(
        report(InstancesStatus(type="ml.new.large", running=1, gpus=0)), observed().endpoints[0], "us-east-1"
    )
    assert shown["next"] == "2 instances are wanted, 1 run"
    assert (shown["cost"]["usd"], shown["cost"]["unknown"]) == (0, ["ml.new.large"])
    assert shown["instances"][0]["id"].startswith("a type that the package does not know")


class Promql:
    def __init__(self, answer: list[Any] | NotMeasuredError) -> None:
        self.answer = answer

    def series(self, query: str) -> list[Any]:
        assert "DCGM_FI_DEV_GPU_UTIL" in query
        assert '"prod-chat"' in query
        if isinstance(self.answer, NotMeasuredError):
            raise self.answer
        return self.answer


def test_gpus_stand_by_instance_in_the_order_of_their_index_with_their_component_where_it_is_told() -> None:
    def of(host: str, gpu: int, **more: str) -> dict[str, str]:
        return {INSTANCE: host, INSTANCE_TYPE: "ml.p5en.48xlarge", GPU: str(gpu), **more}

    api: Any = Promql([(of("i-2", 0), 5.0), (of("i-1", 10), 90.0), (of("i-1", 9, **{COMPONENT: LLAMA}), 80.0)])
    first, second = read_gpus(api, "prod-chat")
    assert (first["id"], first["type"], second["id"]) == ("i-1", "ml.p5en.48xlarge", "i-2")
    assert [list(one.values()) for one in first["gpus"]] == [["9", 80.0, LLAMA], ["10", 90.0, ""]]
    unread: Any = Promql(NotMeasuredError("no"))
    assert read_gpus(unread, "prod-chat") == []
