"""The check before a deployment: which plans an endpoint may be deployed on, and what the deployment says of the others."""

from __future__ import annotations

import datetime as dt
import importlib
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from localcloud.aws import faults
from localcloud.aws.settings import current
from tests.localcloud.helpers import SESSION, eventually
from tests.support.reservations import PREFIX, TYPE, Fleet, Runtime, bought

START, END = dt.datetime(2027, 1, 1, 11, 30, tzinfo=dt.UTC), dt.datetime(2027, 3, 1, 11, 30, tzinfo=dt.UTC)


def plan(**changes: Any) -> dict[str, Any]:
    block = {"InstanceType": TYPE, "Status": "Active", "StartTime": START, "EndTime": END}
    described = {
        "TrainingPlanName": "peak",
        "Status": "Active",
        "StartTime": START,
        "EndTime": END,
        "TotalInstanceCount": 2,
        "TargetResources": ["endpoint"],
        "ReservedCapacitySummaries": [block],
    }
    return described | changes


def problems_of(runtime: Runtime, **changes: Any) -> list[str]:
    requirements = runtime.plan.Requirements(plan_arn="arn", instance_type=TYPE, count=2, until=dt.date(2027, 3, 1))
    with pytest.raises(runtime.plan.PlanError) as error:
        runtime.plan.check(plan(**changes), requirements)
    return str(error.value).splitlines()


def test_an_active_plan_of_the_right_kind_is_passed(runtime: Runtime) -> None:
    requirements = runtime.plan.Requirements(plan_arn="arn", instance_type=TYPE, count=2, until=dt.date(2027, 3, 1))
    assert runtime.plan.check(plan(), requirements) is None


CASES: list[tuple[dict[str, Any], str]] = [
    (
        {"Status": "Scheduled"},
        "starts at 2027-01-01 11:30 UTC, and an endpoint can use it only from then on; deploy then",
    ),
    (
        {"Status": "Pending", "StatusMessage": "allocating"},
        "is being set up (allocating); deploy once it is active: cdk-sglang capacity status --wait",
    ),
    (
        {"Status": "Expired"},
        (
            "ended at 2027-03-01 11:30 UTC; name another plan (cdk-sglang capacity search), "
            "or take `reserved` out of the capacity"
        ),
    ),
    (
        {"Status": "Failed", "StatusMessage": "payment"},
        "is Failed (payment); name another plan (cdk-sglang capacity search), or take `reserved` out of the capacity",
    ),
    (
        {"TargetResources": ["training-job"]},
        "was bought for training-job, not for endpoints; name one bought for endpoints",
    ),
    (
        {"ReservedCapacitySummaries": [{"InstanceType": "ml.p5.48xlarge"}]},
        "holds ml.p5.48xlarge instances, ml.p5en.48xlarge asked; set reserved.type to its type",
    ),
    ({"TotalInstanceCount": 4}, "holds 4 instances, 2 asked; set reserved.count to 4"),
    (
        {"EndTime": END - dt.timedelta(days=1)},
        "ends at 2027-02-28 11:30 UTC, 2027-03-01 asked; set reserved.until to 2027-02-28, or extend it",
    ),
]


@pytest.mark.parametrize(("changes", "problem"), CASES, ids=[problem.split(";")[0] for _, problem in CASES])
def test_what_speaks_against_a_plan_is_said_with_a_next_step(
    runtime: Runtime, changes: dict[str, Any], problem: str
) -> None:
    assert problems_of(runtime, **changes) == [f"training plan peak: {problem}"]


def test_all_that_speaks_against_a_plan_is_said_at_once(runtime: Runtime) -> None:
    assert len(problems_of(runtime, TotalInstanceCount=4, TargetResources=["training-job"])) == 2


def test_a_plan_of_two_blocks_ends_with_the_block_that_runs(runtime: Runtime) -> None:
    def block(start: str, end: str) -> dict[str, Any]:
        times = (dt.datetime.fromisoformat(f"2027-01-{day}T11:30:00+00:00") for day in (start, end))
        return dict(zip(("StartTime", "EndTime"), times, strict=True)) | {"InstanceType": TYPE, "Status": "Active"}

    def ends(now: str, *blocks: dict[str, Any]) -> str:
        found = runtime.plan.serves_until(
            plan(ReservedCapacitySummaries=blocks), dt.datetime.fromisoformat(f"2027-01-{now}T12:00:00+00:00")
        )
        return f"{found:%m-%d}"

    first, second, third = block("01", "05"), block("08", "12"), block("12", "15")
    assert ends("02", first, second) == "01-05"
    assert ends("09", first, second) == "01-12"
    assert ends("09", first, third, second) == "01-15"  # the third follows without a break
    assert ends("06", first, second) == "03-01"  # between two blocks: of the plan


# The handler, as CloudFormation and the schedule call it.


@pytest.fixture
def handler(runtime: Runtime, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name, value in {
        "DEFAULT_REGION": "us-east-1",
        "ACCESS_KEY_ID": "testing",
        "SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    return importlib.import_module("reservation.handler")


@pytest.fixture
def event(fleet: Fleet) -> Callable[..., dict[str, Any]]:
    """Make an event of CDK's provider framework."""

    def make(kind: str = "Create", *, stack: str = "arn:none", **changes: Any) -> dict[str, Any]:
        properties = {"endpoint": "chat", "plan": fleet.plan_arn, "type": TYPE, "count": 2, "prefix": PREFIX}
        properties |= {"until": f"{fleet.end.date()}", "config": "1"} | changes
        return {"RequestType": kind, "StackId": stack, "ResourceProperties": {"Asked": json.dumps(properties)}}

    return make


def test_a_plan_that_is_as_asked_lets_the_deployment_go_on(handler: ModuleType, event: Any) -> None:
    for kind in ("Create", "Update", "Update"):
        assert handler.on_event(event(kind), None) == {"PhysicalResourceId": "chat/reservation"}


def test_a_plan_that_starts_later_fails_the_deployment(handler: ModuleType, event: Any, fleet: Fleet) -> None:
    later = bought(fleet.sagemaker, name="later")
    fleet.clock.advance(current().job_s + 1)  # until it is paid
    stack(status="CREATE_IN_PROGRESS")
    with pytest.raises(Exception, match=r"training plan later: starts at .* UTC, and an endpoint can use it only from"):
        handler.on_event(event(plan=later, stack="s"), None)


def test_a_plan_that_does_not_exist_fails_the_deployment(handler: ModuleType, event: Any, fleet: Fleet) -> None:
    stack(status="CREATE_IN_PROGRESS")
    with pytest.raises(Exception, match="does not exist; name one that does: cdk-sglang capacity status"):
        handler.on_event(event(plan=fleet.plan_arn.replace("peak", "other"), stack="s"), None)


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"])
def test_a_rollback_is_not_kept_back_by_a_plan_that_has_ended(
    handler: ModuleType, event: Any, fleet: Fleet, status: str
) -> None:
    fleet.clock._now = fleet.end.timestamp() + 1
    stack(status=status)
    assert handler.on_event(event("Update", stack="s"), None) == {"PhysicalResourceId": "chat/reservation"}


def test_a_failing_describe_is_never_taken_for_a_good_plan(handler: ModuleType, event: Any) -> None:
    faults.inject("throttling", target="DescribeTrainingPlan")
    with pytest.raises(ClientError, match="ThrottlingException"):
        handler.on_event(event(), None)


def test_a_describe_that_times_out_is_never_taken_for_a_good_plan(
    handler: ModuleType, event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(**_: Any) -> None:
        raise ReadTimeoutError(endpoint_url="https://sagemaker")

    monkeypatch.setattr(handler._sagemaker, "describe_training_plan", hang)
    with pytest.raises(ReadTimeoutError):
        handler.on_event(event(), None)


def test_a_check_without_permission_fails_the_deployment(
    handler: ModuleType, event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied(monkeypatch, handler._sagemaker, "describe_training_plan")
    with pytest.raises(ClientError, match="AccessDeniedException"):
        handler.on_event(event(), None)


def test_deleting_looks_at_no_plan_and_deletes_no_config_in_use(handler: ModuleType, event: Any, fleet: Fleet) -> None:
    assert handler.on_event(event("Delete", plan="gone"), None) == {"PhysicalResourceId": "chat/reservation"}
    assert fleet.described()["EndpointConfigName"] == "Config-1"


def test_the_schedule_says_for_which_moment_it_calls(
    handler: ModuleType, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = {"endpoint": "chat", "plan": fleet.plan_arn, "prefix": PREFIX, "hours_before": 6, "max_instances": 2}
    monkeypatch.setenv("WATCHED", json.dumps(watched))
    assert handler.look({}, None)["endpoint"] == "reserved"
    moment = f"{fleet.end - dt.timedelta(hours=5):%Y-%m-%dT%H:%M:%SZ}"
    found = handler.look({"time": moment}, None)
    assert found["endpoint"] == "move started"
    assert found["days_left"] == pytest.approx(5 / 24, abs=0.001)


def test_a_role_without_a_permission_fails_the_call_and_moves_nothing(
    handler: ModuleType, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = {"endpoint": "chat", "plan": fleet.plan_arn, "prefix": PREFIX, "hours_before": 6, "max_instances": 2}
    monkeypatch.setenv("WATCHED", json.dumps(watched))
    denied(monkeypatch, handler._sagemaker, "create_endpoint_config")
    with pytest.raises(ClientError, match="AccessDeniedException"):
        handler.look({"time": f"{fleet.end - dt.timedelta(hours=5):%Y-%m-%dT%H:%M:%SZ}"}, None)
    assert fleet.metric("MoveFailed") == [1]
    assert fleet.described()["EndpointStatus"] == "InService"


def denied(monkeypatch: pytest.MonkeyPatch, client: Any, operation: str) -> None:
    def refuse(**_: Any) -> None:
        error = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized to perform this action"}}
        raise ClientError(error, operation)

    monkeypatch.setattr(client, operation, refuse)


def stack(*, status: str) -> None:
    from moto.cloudformation.models import cloudformation_backends

    parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/x", "Type": "String", "Value": "x"}}
    cloudformation = SESSION.client("cloudformation")
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps({"Resources": {"P": parameter}}))
    eventually(lambda: cloudformation.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")
    (backend_stack,) = cloudformation_backends["123456789012"]["us-east-1"].stacks.values()
    backend_stack.status = status
