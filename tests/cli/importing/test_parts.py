"""Single parts of an endpoint, as AWS describes them and as the file then says them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import aws_cdk as cdk
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdk_sglang.cli.importing.capacity import imported_capacity
from cdk_sglang.cli.importing.image import Container, imported_image
from cdk_sglang.cli.importing.names import short_name
from cdk_sglang.cli.importing.notes import Kind, Notes
from cdk_sglang.cli.importing.rollouts import imported_component_rollout, imported_endpoint_rollout
from cdk_sglang.cli.importing.running import Running, Scaling
from cdk_sglang.cli.importing.scaling import imported_scaling
from cdk_sglang.cli.importing.schedules import Schedules, imported_schedules
from cdk_sglang.cli.importing.yaml_text import environment_text
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.serving.rollout.rendering import render_endpoint_rollout
from cdk_sglang.serving.scaling.actions import actions
from cdk_sglang.spec.endpoint_rollout import EndpointRollout
from cdk_sglang.spec.scaling import ComponentScaling
from cdk_sglang.spec.schedules import DAYS, WEEK_MINUTES, Window

TODAY = dt.date(2026, 12, 1)
PLAN = "arn:aws:sagemaker:us-east-1:123456789012:training-plan/peak"


def action(schedule: str, low: int | None = None, high: int | None = None, **more: Any) -> dict[str, Any]:
    bounds = {key: value for key, value in (("MinCapacity", low), ("MaxCapacity", high)) if value is not None}
    return {"ScheduledActionName": schedule, "Schedule": schedule, "ScalableTargetAction": bounds, **more}


def imported(*found: dict[str, Any], now: tuple[int, int] = (1, 4)) -> Schedules:
    return imported_schedules(found, now, today=TODAY)


def bounds_of_a_week(windows: dict[str, Window], own: tuple[int, int]) -> list[tuple[int, int]]:
    held = [own] * WEEK_MINUTES
    for window in windows.values():
        for start, end in window.minutes():
            for minute in range(start, end):
                held[minute % WEEK_MINUTES] = window.bounds(own)
    return held


@settings(max_examples=40, deadline=None)
@given(
    own=st.tuples(st.integers(0, 3), st.integers(4, 8)),
    hours=st.lists(
        st.tuples(
            st.sets(st.sampled_from(DAYS), min_size=1, max_size=6),
            st.sampled_from(["00:00", "07:30", "19:00"]),
            st.sampled_from(["06:00", "07:30", "12:15", "00:00"]),
            st.integers(0, 8),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_the_hours_of_any_windows_come_back_from_their_actions(
    own: tuple[int, int], hours: list[tuple[set[Any], str, str, int]]
) -> None:
    try:
        scaling = ComponentScaling(
            min_copies=own[0],
            max_copies=own[1],
            schedules={
                f"w{number}": Window.weekly(days=sorted(days), begins=begins, ends=ends, min_copies=low)
                for number, (days, begins, ends, low) in enumerate(hours)
            },
        )
    except ConfigurationError:  # windows that overlap, or never end
        return
    scheduled_actions = [action(one.schedule, *one.bounds) for one in actions(scaling.schedules.values(), own)]
    found = imported(*scheduled_actions, now=own)
    assert found.refused == {}
    windows = {name: Window(**window) for name, window in found.windows.items()}
    assert bounds_of_a_week(windows, found.own) == bounds_of_a_week(dict(scaling.schedules), own)


def test_actions_of_others_are_read_with_ranges_of_days_and_one_bound() -> None:
    found = imported(action("cron(30 7 ? * MON-FRI *)", 3), action("cron(0 19 ? * 2-6 *)", 1))
    assert found.own == (1, 4)
    assert list(found.windows.values()) == [
        {"days": ["mon", "tue", "wed", "thu", "fri"], "begins": "07:30", "ends": "19:00", "min_copies": 3}
    ]
    daily = imported(action("cron(0 22 * * ? *)", 0, 0), action("cron(0 6 * * ? *)", 1, 4))
    assert [window["days"] for window in daily.windows.values()] == [list(DAYS)]


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ([action("rate(1 hour)", 1)], "no hour of days of the week"),
        ([action("cron(0 8 1 * ? *)", 1)], "no hour of days of the week"),
        ([action("cron(0 8 ? * MON#1 *)", 1)], "no hour of days of the week"),
        ([action("cron(0 8 ? * MON *)", 1, StartTime=TODAY)], "begins or ends at a date"),
        ([action("at(2030-01-01T08:00:00)", 3)], "no later action resets"),
        (
            [action("cron(0 8 ? * MON *)", 1, Timezone="Europe/Berlin"), action("cron(0 9 ? * MON *)", 2)],
            "several time zones",
        ),
    ],
)
def test_actions_that_no_window_says_are_named(found: list[dict[str, Any]], why: str) -> None:
    schedules = imported(*found)
    assert why in " ".join(schedules.refused.values())
    assert schedules.windows == {}


def test_moments_that_are_over_are_left_out() -> None:
    assert imported(action("at(2026-01-01T08:00:00)", 3), action("at(2026-01-01T09:00:00)", 1)).refused == {}


def scaled(policy: dict[str, Any], low: int = 1, high: int = 4) -> tuple[dict[str, Any], Notes]:
    notes = Notes()
    scaling_policy = {"PolicyName": "p", "PolicyARN": "arn:p", "PolicyType": "TargetTrackingScaling"} | policy
    scaling = Scaling(target={"MinCapacity": low, "MaxCapacity": high}, policies=[scaling_policy])
    return imported_scaling(scaling, {}, where="c", component_name="llama", today=TODAY, notes=notes), notes


def test_targets_of_others_become_concurrency_and_formulas() -> None:
    own = [{"Name": "InferenceComponentName", "Value": "llama"}]
    custom = {"MetricName": "Waiting", "Namespace": "Mine", "Statistic": "Average", "Dimensions": own}
    content, _ = scaled(
        {"TargetTrackingScalingPolicyConfiguration": {"TargetValue": 2.5, "CustomizedMetricSpecification": custom}}
    )
    assert content["metric"] == {
        "expression": "m1",
        "metrics": {"m1": {"name": "Waiting", "statistic": "Average", "namespace": "Mine"}},
        "target": 2.5,
    }
    predefined = {"PredefinedMetricType": "SageMakerInferenceComponentConcurrentRequestsPerCopy"}
    content, notes = scaled(
        {
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": 5.0,
                "PredefinedMetricSpecification": predefined,
                "DisableScaleIn": True,
            }
        }
    )
    assert content["concurrency"] == 5
    assert [one.has for one in notes.differences] == [
        "requests in flight in 1-minute points",
        "scaling in is switched off",
    ]


def test_policies_in_steps_are_lost_and_zero_copies_get_a_wake_up() -> None:
    content, notes = scaled({"PolicyType": "StepScaling"}, low=0)
    assert content == {"min_copies": 0, "max_copies": 4}
    assert [(one.kind, one.has) for one in notes.differences] == [
        (Kind.CHANGED, "bounds without a policy that follows load"),
        (Kind.LOST, "policy in steps p"),
        (Kind.CHANGED, "nothing starts the first copy"),
    ]


def running(variant: dict[str, Any], plan: dict[str, Any] | None = None) -> Running:
    endpoint = {"EndpointName": "e", "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e"}
    return Running(endpoint=endpoint, config={"ProductionVariants": [variant]}, plan=plan)


def capacity(variant: dict[str, Any], plan: dict[str, Any] | None = None) -> dict[str, Any]:
    scaling = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 2}
    whole = running({"ManagedInstanceScaling": scaling} | variant, plan)
    return imported_capacity(whole, [1], where="e", today=TODAY, notes=Notes())


def test_pools_and_training_plans_are_capacity() -> None:
    pools = [{"InstanceType": "ml.g6e.24xlarge", "Priority": 2}, {"InstanceType": "ml.g6e.12xlarge", "Priority": 1}]
    assert capacity({"InstancePools": pools}) == {"pool": ["ml.g6e.12xlarge", "ml.g6e.24xlarge"], "max_instances": 2}
    reserved = {"InstanceType": "ml.p5en.48xlarge", "CapacityReservationConfig": {"MlReservationArn": PLAN}}
    plan = {"TotalInstanceCount": 4, "EndTime": dt.datetime(2027, 3, 1, 11, 30, tzinfo=dt.UTC)}
    kind = {"training_plan": PLAN, "type": "ml.p5en.48xlarge"}
    assert capacity(reserved, plan) == {
        "reserved": kind | {"count": 4, "until": dt.date(2027, 3, 1)},
        "max_instances": 2,
    }
    assert capacity(reserved) == {"reserved": kind | {"count": 2, "until": TODAY}}


def alarm(metric: str, threshold: float, **more: Any) -> dict[str, Any]:
    return {
        "MetricName": metric,
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": threshold,
        **more,
    }


def updated(policy: dict[str, Any], *alarms: str) -> dict[str, Any]:
    rollback = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarms]}}
    return {"LastDeploymentConfig": policy | (rollback if alarms else {})}


def test_rollouts_come_back_with_the_rules_of_their_alarms_and_others_are_named() -> None:
    notes = Notes()
    alarms = {"errors": alarm("Invocation5XXErrors", 7), "mine": alarm("Mine", 1)}
    batch = {"Type": "CAPACITY_PERCENT", "Value": 20}
    rolling = {"RollingUpdatePolicy": {"MaximumBatchSize": batch, "WaitIntervalInSeconds": 60}}
    assert imported_endpoint_rollout(updated(rolling, "errors", "mine"), alarms, where="e", notes=notes) == {
        "strategy": "rolling",
        "percent": 20,
        "wait_seconds": 60,
        "alarms": {"server_errors": 7, "model_errors": None, "no_capacity": None},
    }
    assert [one.has for one in notes.differences] == ["alarm mine"]
    copies = {
        "RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 2}, "WaitIntervalInSeconds": 60}
    }
    assert imported_component_rollout(updated(copies, "errors"), alarms, where="c", may_be_zero=True, notes=notes) == {
        "max_batch": {"copies": 2},
        "wait_seconds": 60,
        "alarms": {"server_errors": 7, "model_errors": None},
    }
    assert imported_component_rollout(updated(copies), {}, where="c", may_be_zero=False, notes=notes) == {}
    assert "no alarm rolls back" in notes.differences[-1].makes


@pytest.mark.parametrize(
    "rollout",
    [
        {"strategy": "linear", "percent": 25, "wait_seconds": 120, "termination_wait_seconds": 60},
        {"strategy": "linear", "percent": 50, "wait_seconds": 300, "timeout_seconds": 7200},
        {"strategy": "canary", "percent": 10, "wait_seconds": 300},
        {"strategy": "all_at_once", "termination_wait_seconds": 600},
        {"strategy": "rolling", "percent": 20, "wait_seconds": 60, "rollback_percent": 100},
    ],
    ids=lambda rollout: rollout["strategy"],
)
def test_a_rollout_comes_back_from_what_cloudformation_was_told(rollout: dict[str, Any]) -> None:
    names = ["errors", "model", "room"]
    metrics = ("Invocation5XXErrors", "InvocationModelErrors", "NoCapacityInvocationFailures")
    alarms = {name: alarm(metric, default) for name, metric, default in zip(names, metrics, (5, 5, 5), strict=True)}
    rules = {"server_errors": 5, "model_errors": 5, "no_capacity": 5}
    spec = EndpointRollout(**rollout, alarms=rules)
    properties = cdk.Stack().resolve(render_endpoint_rollout(spec, names))
    described = {"LastDeploymentConfig": as_described(properties)}
    notes = Notes()
    found = imported_endpoint_rollout(described, alarms, where="e", notes=notes)
    assert EndpointRollout(**found) == spec
    assert notes.differences == []


def as_described(properties: Any) -> Any:
    """Return properties of CloudFormation as SageMaker's API has them: names begin with a capital letter."""
    if isinstance(properties, list):
        return [as_described(one) for one in properties]
    if not isinstance(properties, dict):
        return properties
    return {f"{name[0].upper()}{name[1:]}": as_described(one) for name, one in properties.items()}


AWS_IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/sglang"
DIGEST = f"sha256:{'e' * 64}"


@pytest.mark.parametrize(
    ("image", "resolved", "content", "difference"),
    [
        (f"{AWS_IMAGE}:0.5.19-gpu-py312-cu130-ubuntu24.04-sagemaker@{DIGEST}", "", {"digest": DIGEST}, None),
        (f"{AWS_IMAGE}@{DIGEST}", "", {"digest": DIGEST}, "of an unknown tag"),
        (f"{AWS_IMAGE}:0.5.99-gpu-sagemaker", f"{AWS_IMAGE}@{DIGEST}", {"digest": DIGEST}, "of tag 0.5.99-gpu-sagemaker"),
        (f"{AWS_IMAGE}:0.5.99-gpu-sagemaker", "", {}, "tag 0.5.99-gpu-sagemaker, which this version does not know"),
        (f"{AWS_IMAGE}:server-sagemaker-cuda-v9", f"{AWS_IMAGE}@{DIGEST}", {"digest": DIGEST}, "of tag server-"),
    ],
)  # fmt: skip
def test_a_digest_that_is_unknown_is_kept_and_its_release_taken_from_the_tag(
    image: str, resolved: str, content: dict[str, str], difference: str | None
) -> None:
    notes = Notes()
    container = Container(image=image, resolved=resolved or image, environment={})
    found = imported_image(
        container, region="us-east-1", account="1", parameters={}, versions=(None, None), notes=notes
    )
    release = {"0.5.19-": "0.5.19-gpu", "0.5.99-": "0.5.20-gpu", "server-": "server-"}
    nearest = next((tag for part, tag in release.items() if f":{part}" in image), "0.5.17-gpu")
    assert str(found.content["dlc"]).startswith(nearest)
    assert {name: value for name, value in found.content.items() if name != "dlc"} == content
    assert [difference in one.has for one in notes.differences] == ([] if difference is None else [True])


def test_an_image_of_the_own_repository_whose_digest_nobody_published_is_taken_for_a_pinned_base() -> None:
    notes = Notes()
    uri = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/cdk-sglang/prod@{DIGEST}"
    for image in (uri, uri.partition("@")[0]):
        found = imported_image(
            Container(image=image, resolved=image, environment={}),
            region="us-east-1",
            account="123456789012",
            parameters={"images-repository": "cdk-sglang/prod"},
            versions=(None, None),
            notes=notes,
        )
        assert set(found.content["build"]) == {"unpinned"}
        assert notes.differences[-1].has == "a base by its digest, or the reason why there is none"


def test_names_of_others_become_short_names_and_no_two_the_same() -> None:
    assert short_name("prod-chat-llama", within="prod-chat") == "llama"
    assert short_name("My_Model.v2", within="prod") == "my-model-v2"
    assert short_name("9B", within="e") == "b"
    assert short_name("Llama", within="e", taken={"llama"}) == "llama-2"
    assert short_name("x" * 60, within="e", taken={"x" * 40}) == f"{'x' * 38}-2"


def test_no_comment_can_become_a_setting() -> None:
    text = environment_text({"region": "x"}, {"region": ["one\nendpoints: {}"]}, head=["head\nmore: 1"])
    assert [line for line in text.splitlines() if not line.startswith("#")] == ["region: x"]
