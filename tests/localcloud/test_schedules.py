"""Schedule expressions, scheduled actions and EventBridge Scheduler, on a driven clock."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import ClientError

from localcloud.aws.clock import Clock
from localcloud.aws.hosting.store import stores
from localcloud.aws.schedules import expressions
from tests.localcloud.helpers import ROLE, SESSION, any_component, any_endpoint

RESOURCE = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "inference-component/llama",
    "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
}


def epoch(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def moments(expression: str, after: str, until: str, zone: str | None = None) -> list[str]:
    due = expressions.parse(expression, zone).due(epoch(after), epoch(until), anchor=epoch(after))
    return [f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M}" for moment in due]


@pytest.mark.parametrize(
    ("expression", "until", "due"),
    [
        ("cron(0 8 ? * MON-FRI *)", "2026-12-02T00:00", ["2026-11-30T08:00", "2026-12-01T08:00"]),
        ("cron(0/20 9 28 * ? *)", "2026-12-01T00:00", ["2026-11-28T09:00", "2026-11-28T09:20", "2026-11-28T09:40"]),
        (
            "cron(0 12 15 APR-JUN ? 2027)",
            "2028-01-01T00:00",
            ["2027-04-15T12:00", "2027-05-15T12:00", "2027-06-15T12:00"],
        ),
        ("cron(30 6,18 ? DEC SUN 2026)", "2026-12-07T00:00", ["2026-12-06T06:30", "2026-12-06T18:30"]),
        ("rate(12 hours)", "2026-11-29T00:00", ["2026-11-28T00:00", "2026-11-28T12:00", "2026-11-29T00:00"]),
        ("at(2026-12-24T18:00:00)", "2027-01-01T00:00", ["2026-12-24T18:00"]),
        ("at(2026-11-01T18:00:00)", "2027-01-01T00:00", []),
    ],
)
def test_expression_is_due_at(expression: str, until: str, due: list[str]) -> None:
    assert moments(expression, "2026-11-27T12:00", until) == due


def test_every_schedule_of_the_environments_is_evaluated(root: Path) -> None:
    templates = [path.read_text() for path in (root / "tests" / "stacks" / "__snapshots__").rglob("*.json")]
    found = {text for template in templates for text in re.findall(r'"((?:cron|rate|at)\([^"]+\))"', template)}
    assert found, "no schedule was found to look at"
    for expression in found:
        assert expressions.parse(expression).due(epoch("2026-11-27"), epoch("2026-12-04"), anchor=epoch("2026-11-27"))


def test_hours_are_those_of_the_time_zone() -> None:
    assert moments("cron(0 8 1 * ? *)", "2026-06-30T00:00", "2026-07-02T00:00", "Europe/Berlin") == ["2026-07-01T06:00"]
    assert moments("at(2026-12-24T18:00:00)", "2026-12-24T00:00", "2026-12-25T00:00", "America/New_York") == [
        "2026-12-24T23:00"
    ]


def test_hour_that_does_not_exist_is_skipped_and_one_that_comes_twice_counts_once() -> None:
    spring = moments("cron(30 2 ? * * *)", "2026-03-28T12:00", "2026-03-30T12:00", "Europe/Berlin")
    assert spring == ["2026-03-30T00:30"]
    autumn = moments("cron(30 2 ? * * *)", "2026-10-24T12:00", "2026-10-25T12:00", "Europe/Berlin")
    assert autumn == ["2026-10-25T00:30"]


def test_zone_is_known_on_machines_without_a_time_zone_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "ZoneInfo", lambda name: ZoneInfo(f"absent/{name}"))
    assert moments("cron(0 8 1 * ? *)", "2026-06-30T00:00", "2026-07-02T00:00", "Europe/Berlin") == ["2026-07-01T06:00"]


@pytest.mark.parametrize(
    ("expression", "zone", "says"),
    [
        ("cron(0 8 * * * *)", None, "One of the two day fields must be"),
        ("cron(0 8 ? * ? *)", None, "One of the two day fields must be"),
        ("cron(0 8 * * ?)", None, "5 fields, not 6"),
        ("cron(60 8 * * ? *)", None, "60 is not between 0 and 59"),
        ("cron(0 8 ? * FRI-MON *)", None, "ends before it begins"),
        ("cron(0 8 ? * MONDAY *)", None, "MONDAY is not between 1 and 7"),
        ("cron(0/0 8 * * ? *)", None, "has no step"),
        ("cron(0 0 L * ? *)", None, "does not evaluate L, W and #, got L"),
        ("cron(0 0 1W AUG ? 2027)", None, "does not evaluate L, W and #, got 1W"),
        ("cron(0 0 ? * 6L *)", None, "does not evaluate L, W and #, got 6L"),
        ("cron(0 0 ? * MON#1 *)", None, "does not evaluate L, W and #, got MON#1"),
        ("rate(0 minutes)", None, "Must be rate"),
        ("rate(5 weeks)", None, "Must be rate"),
        ("at(2026-13-01T00:00:00)", None, "month must be in"),
        ("at(tomorrow)", None, "Must be at"),
        ("0 8 * * *", None, "Must be at(...), rate(...) or cron(...)"),
        ("rate(5 minutes)", "Europe/Nowhere", "Invalid time zone"),
    ],
)
def test_expression_is_refused(expression: str, zone: str | None, says: str) -> None:
    with pytest.raises(
        expressions.ScheduleError, match=says.replace("(", r"\(").replace(")", r"\)").replace(".", r"\.")
    ):
        expressions.parse(expression, zone)


def at(driven: Clock, ahead_s: float) -> str:
    return f"at({datetime.fromtimestamp(driven.now() + ahead_s, UTC):%Y-%m-%dT%H:%M:%S})"


def component() -> Any:
    return next(state.components["llama"] for state in stores())


@pytest.fixture
def scaling(sagemaker: Any, driven: Any) -> Any:
    any_endpoint(sagemaker)
    driven.advance(5)
    any_component(sagemaker)
    driven.advance(5)
    client = SESSION.client("application-autoscaling")
    client.register_scalable_target(**RESOURCE, MinCapacity=1, MaxCapacity=4)
    return client


def plan(scaling: Any, schedule: str, name: str = "peak", **more: Any) -> None:
    scaling.put_scheduled_action(**RESOURCE, ScheduledActionName=name, Schedule=schedule, **more)


def bounds(scaling: Any) -> tuple[int, int]:
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    return target["MinCapacity"], target["MaxCapacity"]


def test_one_time_action_moves_the_bounds_and_copies_follow(scaling: Any, driven: Any) -> None:
    plan(scaling, at(driven, 60), ScalableTargetAction={"MinCapacity": 3, "MaxCapacity": 3})
    driven.advance(50)
    assert (bounds(scaling), component().desired) == ((1, 4), 1)
    driven.advance(30)
    assert (bounds(scaling), component().desired) == ((3, 3), 3)


def test_night_follows_day_follows_night(scaling: Any, driven: Any) -> None:
    day = driven.utc() + timedelta(minutes=5)
    night = day + timedelta(minutes=10)
    plan(scaling, f"cron({day.minute} {day.hour} ? * * *)", "day", ScalableTargetAction={"MinCapacity": 2})
    quiet = {"MinCapacity": 0, "MaxCapacity": 0}
    plan(scaling, f"cron({night.minute} {night.hour} ? * * *)", "night", ScalableTargetAction=quiet)
    driven.advance(6 * 60)
    assert component().desired == 2
    driven.advance(10 * 60)
    assert component().desired == 0


def test_action_outside_its_start_and_end_does_nothing(scaling: Any, driven: Any) -> None:
    late = {"StartTime": driven.utc() + timedelta(minutes=10), "ScalableTargetAction": {"MinCapacity": 2}}
    plan(scaling, "rate(1 minute)", "late", **late)
    over = {"EndTime": driven.utc() + timedelta(seconds=30), "ScalableTargetAction": {"MinCapacity": 4}}
    plan(scaling, "rate(1 minute)", "over", **over)
    driven.advance(9 * 60)
    assert bounds(scaling) == (1, 4)
    driven.advance(2 * 60)
    assert bounds(scaling) == (2, 4)


def test_suspended_scheduled_scaling_leaves_the_bounds(scaling: Any, driven: Any) -> None:
    scaling.register_scalable_target(**RESOURCE, SuspendedState={"ScheduledScalingSuspended": True})
    plan(scaling, at(driven, 10), ScalableTargetAction={"MinCapacity": 3})
    driven.advance(30)
    assert bounds(scaling) == (1, 4)


@pytest.mark.parametrize(
    ("schedule", "more", "code"),
    [
        ("cron(0 8 * * * *)", {}, "ValidationException"),
        ("rate(1 hour)", {"Timezone": "Mars/Olympus"}, "ValidationException"),
        ("rate(1 hour)", {"ScalableTargetAction": {"MinCapacity": 5, "MaxCapacity": 2}}, "ValidationException"),
        ("rate(1 hour)", {"ResourceId": "inference-component/other"}, "ObjectNotFoundException"),
    ],
)
def test_scheduled_action_is_refused_for(scaling: Any, schedule: str, more: dict[str, Any], code: str) -> None:
    request = RESOURCE | {"ScheduledActionName": "x", "Schedule": schedule} | more
    with pytest.raises(ClientError) as caught:
        scaling.put_scheduled_action(**request)
    assert caught.value.response["Error"]["Code"] == code


def test_target_of_a_template_loses_the_actions_that_are_gone(scaling: Any, driven: Any) -> None:
    actions = [
        {"ScheduledActionName": "early", "Schedule": at(driven, 3600), "ScalableTargetAction": {"MinCapacity": 2}},
        {"ScheduledActionName": "peak", "Schedule": at(driven, 120), "ScalableTargetAction": {"MinCapacity": 3}},
    ]
    properties = RESOURCE | {"MinCapacity": 1, "MaxCapacity": 4, "RoleARN": ROLE, "ScheduledActions": actions}
    target = {"Type": "AWS::ApplicationAutoScaling::ScalableTarget", "Properties": properties}
    cloudformation = SESSION.client("cloudformation")
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps({"Resources": {"T": target}}))
    found = scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"]
    assert {action["ScheduledActionName"] for action in found} == {"early", "peak"}
    del actions[0]
    cloudformation.update_stack(StackName="s", TemplateBody=json.dumps({"Resources": {"T": target}}))
    (left,) = scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"]
    assert left["ScheduledActionName"] == "peak"
    driven.advance(150)
    assert component().desired == 3
    cloudformation.delete_stack(StackName="s")
    assert scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"] == []
