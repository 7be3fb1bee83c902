"""Scaling activities: why a number of copies was changed, or was not, on a driven clock."""

from typing import Any

import pytest

from localcloud.aws.console.overview import overview
from tests.localcloud.helpers import SESSION
from tests.localcloud.test_scaling import RESOURCE, component, load, scaling, track

__all__ = ["scaling"]  # the fixture of an endpoint whose component may have up to four copies


def activities(client: Any, **more: Any) -> Any:
    return client.describe_scaling_activities(**RESOURCE, **more)["ScalingActivities"]


def test_a_change_of_copies_has_its_alarm_and_policy_as_cause_and_ends_when_they_serve(
    scaling: Any, driven: Any
) -> None:
    track(scaling)
    load(driven, 35, per_copy=10)
    driven.advance(30)
    (one,) = activities(scaling)
    assert (one["Description"], one["StatusCode"]) == ("Setting desired copy count to 3.", "Successful")
    assert one["StatusMessage"] == "Successfully set desired copy count to 3."
    assert one["Cause"].startswith("monitor alarm TargetTracking-inference-component/llama-AlarmHigh-")
    assert one["Cause"].endswith(" in state ALARM triggered policy track")
    assert one["StartTime"] < one["EndTime"]
    decision = overview("123456789012", "us-east-1")["decisions"][0]
    assert (decision["component"], decision["before"], decision["after"]) == ("llama", 1, 3)
    assert decision["figures"] == "ConcurrentRequestsPerCopy 10, above 4"


def test_what_the_bounds_forbid_is_said_once_and_only_to_who_asks(scaling: Any, driven: Any) -> None:
    track(scaling, ScaleOutCooldown=0)
    load(driven, 180, per_copy=100)
    assert component().desired == 4
    assert all("NotScaledReasons" not in one for one in activities(scaling))
    newest = activities(scaling, IncludeNotScaledActivities=True)[0]
    assert newest["NotScaledReasons"] == [
        {"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 4, "MinCapacity": 0, "CurrentCapacity": 4}
    ]
    not_scaled = [one for one in activities(scaling, IncludeNotScaledActivities=True) if "NotScaledReasons" in one]
    assert len(not_scaled) == 1


def test_bounds_that_are_moved_are_a_cause(scaling: Any, driven: Any) -> None:
    scaling.register_scalable_target(**RESOURCE, MinCapacity=2, MaxCapacity=4)
    driven.advance(30)
    scaling.register_scalable_target(**RESOURCE, MinCapacity=0, MaxCapacity=1)
    driven.advance(30)
    assert [one["Cause"] for one in activities(scaling)] == [
        "maximum capacity was set to 1",
        "minimum capacity was set to 2",
    ]


def test_activities_come_in_pages_and_of_the_resource_that_is_named(scaling: Any, driven: Any) -> None:
    for least in (2, 3, 4):
        scaling.register_scalable_target(**RESOURCE, MinCapacity=least, MaxCapacity=4)
        driven.advance(30)
    pages = scaling.get_paginator("describe_scaling_activities").paginate(
        ServiceNamespace="sagemaker", PaginationConfig={"PageSize": 2}
    )
    assert [len(page["ScalingActivities"]) for page in pages] == [2, 1]
    other = RESOURCE | {"ResourceId": "inference-component/other"}
    assert scaling.describe_scaling_activities(**other)["ScalingActivities"] == []
    assert (
        SESSION.client("application-autoscaling").describe_scaling_activities(ServiceNamespace="ecs")[
            "ScalingActivities"
        ]
        == []
    )


def test_an_activity_whose_copies_find_no_instance_is_unfulfilled(scaling: Any, driven: Any) -> None:
    scaling.register_scalable_target(**RESOURCE, MinCapacity=9, MaxCapacity=9)
    driven.advance(60)
    (one,) = activities(scaling)
    assert one["StatusCode"] == "Unfulfilled"
    assert "Not enough accelerators" in one["StatusMessage"]


@pytest.mark.usefixtures("driven")
def test_without_any_activity_there_is_an_empty_page() -> None:
    client = SESSION.client("application-autoscaling")
    assert client.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"] == []
