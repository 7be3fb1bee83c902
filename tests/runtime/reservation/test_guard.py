"""The hourly look at a plan: what it publishes, when it moves the endpoint, and that the endpoint answers all along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from localcloud.aws import faults
from tests.support.reservations import PREFIX, Fleet, Runtime, component

Look = Callable[..., dict[str, Any]]


def in_service(fleet: Fleet) -> bool:
    """Whether a request would be answered now: the endpoint is there, and the component has a copy that serves."""
    found = component(fleet.sagemaker)
    copies = found["RuntimeConfig"]["CurrentCopyCount"]
    return fleet.described()["EndpointStatus"] in {"InService", "Updating", "RollingBack"} and copies >= 1


def test_a_plan_that_ends_in_three_days_is_said_to(fleet: Fleet, look: Look) -> None:
    fleet.before_the_end(days=3)

    found = look()

    assert found["plan"] == "Active"
    assert found["endpoint"] == "reserved"
    assert found["days_left"] == pytest.approx(3, abs=0.001)
    assert fleet.metric("DaysLeft") == pytest.approx([3], abs=0.001)
    assert fleet.metric("OnDemand") == [0]
    assert fleet.metric("MoveFailed") == [0]


def test_the_endpoint_leaves_its_plan_six_hours_before_the_end_and_answers_all_along(fleet: Fleet, look: Look) -> None:
    fleet.before_the_end(hours=6.5)
    assert look()["endpoint"] == "reserved"

    fleet.before_the_end(hours=5.9)
    assert look()["endpoint"] == "move started"

    answered = []
    while fleet.described()["EndpointStatus"] != "InService":
        fleet.clock.advance(1)
        answered.append(in_service(fleet))
    (variant,) = fleet.live_config()["ProductionVariants"]
    assert answered
    assert all(answered)
    assert "CapacityReservationConfig" not in variant
    assert look()["endpoint"] == "on-demand"
    fleet.clock._now = fleet.end.timestamp()
    for _ in range(60):
        fleet.clock.advance(1)
        assert in_service(fleet)


def test_the_copy_is_the_config_without_its_plan(fleet: Fleet, look: Look) -> None:
    before = fleet.live_config()
    fleet.before_the_end(hours=2)
    look(max_instances=3)
    fleet.settle()

    after = fleet.live_config()

    assert after["EndpointConfigName"].startswith(PREFIX)
    (old,), (new,) = before["ProductionVariants"], after["ProductionVariants"]
    del old["CapacityReservationConfig"]
    old["ManagedInstanceScaling"]["MaxInstanceCount"] = 3
    assert new == old
    for member in ("ExecutionRoleArn", "EnableNetworkIsolation", "MetricsConfig"):
        assert after[member] == before[member]
    tags = fleet.sagemaker.list_tags(ResourceArn=after["EndpointConfigArn"])["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"cost-centre": "ml", "cdk-sglang:moved-from": "Config-1"}


def test_alarms_alone_leave_the_endpoint_where_it_is(fleet: Fleet, look: Look) -> None:
    fleet.before_the_end(hours=1)
    assert look(hours_before=None)["endpoint"] == "reserved"
    assert fleet.described()["EndpointConfigName"] == "Config-1"


def test_called_twice_it_updates_once(fleet: Fleet, look: Look) -> None:
    fleet.before_the_end(hours=2)
    assert [look()["endpoint"], look()["endpoint"]] == ["move started", "busy"]
    fleet.settle()
    assert look()["endpoint"] == "on-demand"
    configs = fleet.sagemaker.list_endpoint_configs(NameContains=PREFIX)["EndpointConfigs"]
    assert len(configs) == 1


def test_called_twice_at_the_same_moment_it_updates_once(
    fleet: Fleet, look: Look, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.before_the_end(hours=2)
    place = runtime.move.place(fleet.sagemaker, "chat", fleet.plan_arn)
    assert look()["endpoint"] == "move started"
    monkeypatch.setattr(runtime.move, "place", lambda *_: place)  # the second had looked before the first acted
    assert look()["endpoint"] == "busy"
    assert len(fleet.sagemaker.list_endpoint_configs(NameContains=PREFIX)["EndpointConfigs"]) == 1


def test_a_call_that_times_out_fails_the_look_and_says_so(
    fleet: Fleet, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(**_: Any) -> None:
        raise ReadTimeoutError(endpoint_url="https://sagemaker")

    fleet.before_the_end(hours=2)
    with monkeypatch.context() as broken:
        broken.setattr(fleet.sagemaker, "update_endpoint", hang)
        with pytest.raises(ReadTimeoutError):
            look()
    assert fleet.metric("MoveFailed") == [1]
    assert look()["endpoint"] == "move started again"


def test_an_update_in_progress_is_left_alone(fleet: Fleet, look: Look) -> None:
    fleet.before_the_end(hours=2)
    fleet.sagemaker.update_endpoint(EndpointName="chat", EndpointConfigName="Config-1")

    assert look()["endpoint"] == "busy"

    fleet.settle()
    assert fleet.described()["EndpointConfigName"] == "Config-1"
    assert look()["endpoint"] == "move started"


def test_a_move_that_is_rolled_back_is_tried_again_and_said(fleet: Fleet, look: Look) -> None:
    fleet.before_the_end(hours=4)
    faults.inject("silent-rollback", target="chat", times=1)
    assert look()["endpoint"] == "move started"
    fleet.settle()
    assert fleet.described()["EndpointConfigName"] == "Config-1"

    assert look()["endpoint"] == "move started again"

    assert max(fleet.metric("MoveFailed")) == 1
    fleet.settle()
    assert look()["endpoint"] == "on-demand"


def test_no_on_demand_capacity_leaves_the_endpoint_serving_on_its_plan(fleet: Fleet, look: Look) -> None:
    fleet.before_the_end(hours=4)
    faults.inject("insufficient-capacity", target="chat")
    look()
    for _ in range(30):
        fleet.clock.advance(1)
        assert in_service(fleet)
    fleet.settle()
    assert fleet.described()["EndpointConfigName"] == "Config-1"
    faults.clear()
    assert look()["endpoint"] == "move started again"


def test_an_endpoint_still_on_an_expired_plan_is_moved_late_rather_than_never(fleet: Fleet, look: Look) -> None:
    fleet.clock._now = fleet.end.timestamp()
    fleet.clock.advance(1)
    found = look()
    assert (found["plan"], found["days_left"], found["endpoint"]) == ("Expired", 0, "move started")


def test_an_endpoint_on_another_plan_is_not_touched(fleet: Fleet, look: Look) -> None:
    other = fleet.plan_arn.replace("/peak", "/other")
    fleet.before_the_end(hours=1)
    before = fleet.described()["EndpointConfigName"]
    with pytest.raises(Exception, match=r"training plan .*/other does not exist; name one that does"):
        look(plan_arn=other)
    assert fleet.described()["EndpointConfigName"] == before


def test_throttling_fails_the_call_so_that_it_is_tried_again(fleet: Fleet, look: Look) -> None:
    fleet.before_the_end(hours=2)
    faults.inject("throttling", target="UpdateEndpoint")
    with pytest.raises(ClientError, match="ThrottlingException"):
        look()
    assert fleet.metric("MoveFailed") == [1]
    faults.clear()

    assert look()["endpoint"] == "move started again"  # the copy is there already: a partial state that is gone on with
    fleet.settle()
    assert look()["endpoint"] == "on-demand"


def test_a_failed_endpoint_is_a_failed_move_with_the_reason(
    fleet: Fleet, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    from localcloud.aws.hosting.store import store

    endpoint = store("123456789012", "us-east-1").endpoints["chat"]
    fleet.before_the_end(hours=2)
    monkeypatch.setitem(endpoint.data, "EndpointStatus", "UpdateRollbackFailed")
    monkeypatch.setitem(endpoint.data, "FailureReason", "no capacity")
    with pytest.raises(Exception, match="endpoint chat is UpdateRollbackFailed, which cannot be updated: no capacity"):
        look()
    assert fleet.metric("MoveFailed") == [1]


def test_copies_are_deleted_with_the_reservation_unless_they_are_in_use(
    fleet: Fleet, look: Look, runtime: Runtime
) -> None:
    fleet.before_the_end(hours=2)
    look()
    fleet.settle()
    live = fleet.described()["EndpointConfigName"]
    assert runtime.move.delete_copies(fleet.sagemaker, endpoint="chat", prefix=PREFIX) == []

    of_the_endpoint_chat_on_demand = f"{PREFIX}on-demand-{'a' * 12}"
    for name in ("Config-2", of_the_endpoint_chat_on_demand):
        fleet.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ExecutionRoleArn="arn:aws:iam::123456789012:role/hosting",
            ProductionVariants=fleet.live_config()["ProductionVariants"],
        )
    fleet.sagemaker.update_endpoint(EndpointName="chat", EndpointConfigName="Config-2")
    fleet.settle()

    assert runtime.move.delete_copies(fleet.sagemaker, endpoint="chat", prefix=PREFIX) == [live]
    assert runtime.move.delete_copies(fleet.sagemaker, endpoint="chat", prefix=PREFIX) == []
