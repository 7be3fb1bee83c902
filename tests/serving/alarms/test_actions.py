"""Alarms trigger what CDK's actions name: incident tools, functions and others, besides topics or instead of one."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template

from cdk_sglang import Alarms, ConfigurationError, EndpointAlarms, InferenceEndpoint, ModelSource
from tests.serving.conftest import MakeEndpoint

FLAG = "@aws-cdk/aws-cloudwatch-actions:changeLambdaPermissionLogicalIdForLambdaAction"
INCIDENT = actions.SsmIncidentAction("fleet-down")


def _alarms(stack: cdk.Stack, kind: str = "AWS::CloudWatch::Alarm") -> dict[str, Any]:
    return {name: alarm["Properties"] for name, alarm in Template.from_stack(stack).find_resources(kind).items()}


def _idle(stack: cdk.Stack) -> Any:
    return _alarms(stack)["ChatIdle71256AD1"]


def _text(arns: list[Any]) -> str:
    return str(arns)


def test_an_action_of_cdk_is_taken_as_it_is(stack: cdk.Stack, any_endpoint: MakeEndpoint) -> None:
    any_endpoint(alarms=INCIDENT)
    idle = _idle(stack)
    assert len(idle["AlarmActions"]) == 1
    assert "response-plan/fleet-down" in _text(idle["AlarmActions"])
    assert "OKActions" not in idle


def test_actions_come_besides_the_topic(stack: cdk.Stack, any_endpoint: MakeEndpoint) -> None:
    topic, other = sns.Topic(stack, "Topic"), sns.Topic(stack, "Over")
    any_endpoint(alarms=Alarms(topic=topic, actions=[INCIDENT], ok_actions=[actions.SnsAction(other)]))
    idle = _idle(stack)
    begins, ends = idle["AlarmActions"], idle["OKActions"]
    assert begins[0] == ends[0] == stack.resolve(topic.topic_arn)
    assert "response-plan/fleet-down" in _text(begins[1:])
    assert ends[1:] == [stack.resolve(other.topic_arn)]


def test_a_function_is_invoked_by_each_alarm(any_endpoint: MakeEndpoint) -> None:
    app = cdk.App(context={FLAG: True})
    stack = cdk.Stack(app, "Fleet", env=cdk.Environment(account="111122223333", region="us-east-1"))
    page = lambda_.Function(
        stack,
        "Page",
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="index.handler",
        code=lambda_.Code.from_inline("def handler(event, context): pass"),
    )
    for name in ("Chat", "Code"):
        any_endpoint(name, scope=stack, alarms=actions.LambdaAction(page))
    allowed = Template.from_stack(stack).find_resources("AWS::Lambda::Permission").values()
    assert {permission["Properties"]["SourceArn"]["Fn::GetAtt"][0] for permission in allowed} == set(_alarms(stack))
    assert len(allowed) == 2


def test_a_function_that_cdk_lets_one_alarm_invoke_is_refused(stack: cdk.Stack, any_endpoint: MakeEndpoint) -> None:
    page = lambda_.Function.from_function_name(stack, "Page", "page")
    with pytest.raises(ConfigurationError) as error:
        any_endpoint(alarms=actions.LambdaAction(page))
    assert str(error.value) == (
        "Chat.alarms: LambdaAction takes one alarm for each function without CDK's feature flag, and there are several alarms; set "
        f'"{FLAG}": true in the context of cdk.json'
    )


class TestAlarmsByPromise:
    @pytest.fixture
    def endpoint(self, any_endpoint: MakeEndpoint) -> InferenceEndpoint:
        endpoint = any_endpoint()
        endpoint.add_component("llama", model=ModelSource.from_s3("s3://models/llama/", check=False))
        return endpoint

    def test_pages_trigger_what_wakes_somebody_and_tickets_do_not(
        self, stack: cdk.Stack, endpoint: InferenceEndpoint
    ) -> None:
        ticket = sns.Topic(stack, "Tickets")
        EndpointAlarms(
            stack,
            "Promises",
            endpoint=endpoint,
            alarms=Alarms(actions=[actions.SnsAction(ticket)], page_actions=[INCIDENT]),
        )
        ((_, page),) = (
            (name, alarm)
            for name, alarm in _alarms(stack, "AWS::CloudWatch::CompositeAlarm").items()
            if "AlarmActions" in alarm and "Page" in name
        )
        assert "response-plan/fleet-down" in _text(page["AlarmActions"])
        alarm_actions = [alarm["AlarmActions"] for alarm in _alarms(stack).values() if "AlarmActions" in alarm]
        assert alarm_actions
        assert all(arns == [stack.resolve(ticket.topic_arn)] for arns in alarm_actions)

    def test_an_action_alone_is_enough(self, stack: cdk.Stack, endpoint: InferenceEndpoint) -> None:
        EndpointAlarms(stack, "Promises", endpoint=endpoint, alarms=INCIDENT)
        assert any("AlarmActions" in alarm for alarm in _alarms(stack, "AWS::CloudWatch::CompositeAlarm").values())
