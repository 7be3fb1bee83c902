"""What a reserved endpoint is made of: a check before its config, an hourly look, alarms; each role with what it needs and no more."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Match, Template

from cdk_sglang import Alarms, Capacity, InferenceEndpoint, NoAlarms, OnDemandMove, ServingImage
from cdk_sglang.serving.capacity.reservation import copy_prefix
from tests.support.policies import policies_of

PLAN = "arn:aws:sagemaker:us-east-1:111122223333:training-plan/peak"
CONFIGS = "arn:aws:sagemaker:us-east-1:111122223333:endpoint-config"


def reserved_template(*, move: OnDemandMove | None = None, alarms: bool = True, max_instances: int = 2) -> Template:
    stack = cdk.Stack(cdk.App(), "Fleet", env=cdk.Environment(account="111122223333", region="us-east-1"))
    topic = sns.Topic.from_topic_arn(stack, "Topic", "arn:aws:sns:us-east-1:111122223333:alarms")
    InferenceEndpoint(
        stack,
        "Chat",
        capacity=Capacity.reserved(
            PLAN, "ml.p5en.48xlarge", 2, until=dt.date(2027, 3, 1), max_instances=max_instances, on_expiry=move
        ),
        image=ServingImage.from_dlc(),
        endpoint_name="chat",
        alarms=Alarms(topic=topic) if alarms else NoAlarms(reason="a test"),
    )
    return Template.from_stack(stack)


@pytest.fixture(scope="module")
def alarming() -> Template:
    return reserved_template()


@pytest.fixture(scope="module")
def moving() -> Template:
    return reserved_template(move=OnDemandMove(max_instances=3, hours_before=12))


def resources(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    return dict(template.find_resources(kind))


def function(template: Template, entry: str) -> dict[str, Any]:
    (found,) = template.find_resources(
        "AWS::Lambda::Function", {"Properties": {"Handler": f"reservation.handler.{entry}"}}
    ).values()
    return dict(found["Properties"])


def allowed(template: Template, entry: str) -> dict[str, Any]:
    """Return resources and condition by action, for the role of a function."""
    role = function(template, entry)["Role"]["Fn::GetAtt"][0]
    found = {}
    for policy in policies_of(template).values():
        if {"Ref": role} in policy["Properties"]["Roles"]:
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                actions = statement["Action"]
                for action in [actions] if isinstance(actions, str) else actions:
                    found[action] = (statement["Resource"], statement.get("Condition"))
    return found


def test_the_plan_is_checked_before_the_config_uses_it(alarming: Template) -> None:
    (check,) = resources(alarming, "Custom::CdkSglangReservation")
    (config,) = resources(alarming, "AWS::SageMaker::EndpointConfig").values()
    assert check in config["DependsOn"]


def test_the_check_is_told_what_is_asked_of_the_plan(alarming: Template) -> None:
    (check,) = resources(alarming, "Custom::CdkSglangReservation").values()
    requirements = json.loads(check["Properties"]["Asked"])
    assert len(requirements.pop("config")) == 16
    assert requirements == {
        "endpoint": "chat",
        "plan": PLAN,
        "type": "ml.p5en.48xlarge",
        "count": 2,
        "until": "2027-03-01",
        "prefix": "chat-on-demand-",
    }


def test_a_config_that_changes_has_its_plan_checked_anew(alarming: Template) -> None:
    def checked_config(template: Template) -> str:
        (check,) = resources(template, "Custom::CdkSglangReservation").values()
        return str(json.loads(check["Properties"]["Asked"])["config"])

    assert (
        checked_config(reserved_template(max_instances=1))
        != checked_config(alarming)
        == checked_config(reserved_template())
    )


def test_an_endpoint_without_a_reservation_has_none_of_it() -> None:
    stack = cdk.Stack(cdk.App(), "Fleet")
    capacity = Capacity.on_demand("ml.p5en.48xlarge", max_instances=2)
    InferenceEndpoint(stack, "Chat", capacity=capacity, image=ServingImage.from_dlc(), endpoint_name="chat")
    template = Template.from_stack(stack)
    template.resource_count_is("AWS::Scheduler::Schedule", 0)
    template.resource_count_is("AWS::Lambda::Function", 0)


def test_the_schedule_looks_every_hour_and_keeps_what_it_cannot_deliver(alarming: Template) -> None:
    (queue,) = resources(alarming, "AWS::SQS::Queue")
    (schedule,) = resources(alarming, "AWS::Scheduler::Schedule").values()
    properties = schedule["Properties"]
    assert properties["ScheduleExpression"] == "rate(1 hour)"
    assert json.loads(properties["Target"]["Input"]) == {"time": "<aws.scheduler.scheduled-time>"}
    assert properties["Target"]["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": [queue, "Arn"]}}
    assert properties["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 3}
    (endpoint,) = resources(alarming, "AWS::SageMaker::Endpoint")
    assert endpoint in schedule["DependsOn"]


def test_calls_that_fail_end_in_the_queue_too(alarming: Template) -> None:
    (queue,) = resources(alarming, "AWS::SQS::Queue")
    assert function(alarming, "look")["DeadLetterConfig"] == {"TargetArn": {"Fn::GetAtt": [queue, "Arn"]}}


def test_only_schedules_of_this_account_and_group_take_the_schedulers_role(alarming: Template) -> None:
    alarming.has_resource_properties(
        "AWS::IAM::Role",
        {
            "AssumeRolePolicyDocument": {
                "Statement": [
                    {
                        "Action": "sts:AssumeRole",
                        "Effect": "Allow",
                        "Principal": {"Service": "scheduler.amazonaws.com"},
                        "Condition": {
                            "StringEquals": {
                                "aws:SourceAccount": "111122223333",
                                "aws:SourceArn": Match.object_like(
                                    {
                                        "Fn::Join": [
                                            "",
                                            [
                                                "arn:",
                                                {"Ref": "AWS::Partition"},
                                                ":scheduler:us-east-1:111122223333:schedule-group/default",
                                            ],
                                        ]
                                    }
                                ),
                            }
                        },
                    }
                ]
            }
        },
    )


def test_a_guard_that_only_alarms_may_change_nothing(alarming: Template) -> None:
    actions = set(allowed(alarming, "look"))
    assert actions == {
        "cloudwatch:PutMetricData",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sagemaker:DescribeEndpoint",
        "sagemaker:DescribeEndpointConfig",
        "sagemaker:DescribeTrainingPlan",
        "sqs:SendMessage",
    }


def test_a_guard_that_moves_may_update_the_one_endpoint_to_its_own_copies(moving: Template) -> None:
    found = allowed(moving, "look")
    added = set(found) - set(allowed(reserved_template(), "look"))
    assert added == {
        "iam:PassRole",
        "sagemaker:AddTags",
        "sagemaker:CreateEndpointConfig",
        "sagemaker:ListTags",
        "sagemaker:UpdateEndpoint",
    }
    copies = {  # twelve digits and no more: those of the endpoint chat-on-demand begin alike
        "Fn::Join": [
            "",
            ["arn:", {"Ref": "AWS::Partition"}, f"{CONFIGS.removeprefix('arn:aws')}/chat-on-demand-{'?' * 12}"],
        ]
    }
    assert found["sagemaker:CreateEndpointConfig"][0] == copies
    assert found["sagemaker:UpdateEndpoint"][0][1] == copies
    assert found["iam:PassRole"][1] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    assert found["cloudwatch:PutMetricData"][1] == {"StringEquals": {"cloudwatch:namespace": "cdk-sglang/Reservations"}}


def test_nobody_may_buy_extend_or_delete_a_plan(moving: Template) -> None:
    text = json.dumps(moving.to_json())
    for action in ("CreateTrainingPlan", "ExtendTrainingPlan", "SearchTrainingPlanOfferings", "sagemaker:*"):
        assert action not in text


def test_the_move_is_told_when_and_how_far(moving: Template, alarming: Template) -> None:
    watched = {"endpoint": "chat", "plan": PLAN, "prefix": "chat-on-demand-"}
    assert json.loads(function(alarming, "look")["Environment"]["Variables"]["WATCHED"]) == watched
    assert json.loads(function(moving, "look")["Environment"]["Variables"]["WATCHED"]) == watched | {
        "hours_before": 12,
        "max_instances": 3,
    }


def test_alarms_fire_14_3_and_1_days_before_the_end_and_tell_the_topic(alarming: Template) -> None:
    topic = ["arn:aws:sns:us-east-1:111122223333:alarms"]
    found = {
        (alarm["Properties"]["MetricName"], alarm["Properties"]["Threshold"]): alarm["Properties"]
        for alarm in resources(alarming, "AWS::CloudWatch::Alarm").values()
        if alarm["Properties"].get("Namespace") == "cdk-sglang/Reservations"
    }
    assert sorted(found) == [("DaysLeft", 1), ("DaysLeft", 3), ("DaysLeft", 14), ("OnDemand", 1)]
    assert all(alarm["AlarmActions"] == topic for alarm in found.values())
    assert found["DaysLeft", 3]["ComparisonOperator"] == "LessThanOrEqualToThreshold"
    assert found["DaysLeft", 14]["InsufficientDataActions"] == topic
    assert "ends within 3 days" in found["DaysLeft", 3]["AlarmDescription"]


def test_a_move_that_fails_is_an_alarm(moving: Template) -> None:
    moving.has_resource_properties("AWS::CloudWatch::Alarm", {"MetricName": "MoveFailed", "Threshold": 1})


def test_without_a_topic_alarms_tell_nobody() -> None:
    for alarm in resources(reserved_template(alarms=False), "AWS::CloudWatch::Alarm").values():
        assert "AlarmActions" not in alarm["Properties"]
        assert "InsufficientDataActions" not in alarm["Properties"]


@pytest.mark.parametrize("name", ["Chat", "a" * 38, "a" * 39, "a" * 63, "abcdefghij-abcdefghij-abcdefgh-abcdefghij"])
def test_copies_of_configs_have_legal_names_of_their_own(name: str) -> None:
    prefix = copy_prefix(name)
    assert len(prefix) + 12 <= 63
    assert prefix == prefix.lower()
    assert "--" not in prefix
    assert prefix.endswith("-on-demand-")


def test_long_names_that_begin_alike_have_different_copies() -> None:
    assert copy_prefix("a" * 50 + "1") != copy_prefix("a" * 50 + "2")
