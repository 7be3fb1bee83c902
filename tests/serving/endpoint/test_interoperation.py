"""CDK's own constructs take endpoints and components of the library where they have an interface for them."""

from __future__ import annotations

import json

import aws_cdk as cdk
import pytest
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk.assertions import Annotations, Match, Template

from cdk_sglang import ConfigurationError, InferenceComponent, InferenceEndpoint, ModelSource
from cdk_sglang.serving.shared import permissions
from tests.serving.conftest import MakeComponent, MakeEndpoint


def _role(stack: cdk.Stack, name: str = "Caller") -> iam.Role:
    return iam.Role(stack, name, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


def _resources(stack: cdk.Stack, action: str) -> list[str]:
    """ARNs that a policy of the stack allows an action on, from the service on."""
    found = []
    for policy in Template.from_stack(stack).find_resources("AWS::IAM::Policy").values():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            if action in statement["Action"]:
                arns = statement["Resource"]
                found += [json.dumps(arn).partition(":sagemaker:")[2].rstrip('"]}') for arn in _list(arns)]
    return found


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def test_api_gateway_sends_requests_to_a_component(stack: cdk.Stack, any_component: MakeComponent) -> None:
    component = any_component()
    api = apigateway.RestApi(stack, "Api")
    header = "integration.request.header.X-Amzn-SageMaker-Inference-Component"
    integration = apigateway.SagemakerIntegration(
        component.endpoint, request_parameters={header: f"'{component.component_name}'"}
    )
    api.root.add_method("POST", integration)
    Template.from_stack(stack).has_resource_properties(
        "AWS::ApiGateway::Method",
        {
            "Integration": Match.object_like(
                {
                    "RequestParameters": {header: "'chat-llama'"},
                    "Uri": {
                        "Fn::Join": ["", Match.array_with([Match.string_like_regexp("endpoints/chat/invocations")])]
                    },
                }
            )
        },
    )
    assert _resources(stack, "sagemaker:InvokeEndpoint") == [
        "us-east-1:111122223333:endpoint/chat",
        "us-east-1:111122223333:inference-component/chat-llama",
    ]


def test_an_endpoint_knows_its_stack_and_environment(stack: cdk.Stack, any_endpoint: MakeEndpoint) -> None:
    endpoint = any_endpoint()
    assert endpoint.stack is stack
    assert (endpoint.env.account, endpoint.env.region) == ("111122223333", "us-east-1")
    assert endpoint.endpoint_ref.endpoint_arn == endpoint.endpoint_arn


def test_the_default_child_is_what_cloudformation_makes(any_component: MakeComponent) -> None:
    component = any_component()
    assert isinstance(component.node.default_child, sagemaker.CfnInferenceComponent)
    assert isinstance(component.endpoint.node.default_child, sagemaker.CfnEndpoint)


def test_the_idle_alarm_goes_into_a_composite_alarm(stack: cdk.Stack, any_endpoint: MakeEndpoint) -> None:
    endpoint = any_endpoint()
    assert endpoint.idle_alarm is endpoint.idle_alarm
    rule = cloudwatch.AlarmRule.from_alarm(endpoint.idle_alarm, cloudwatch.AlarmState.ALARM)
    cloudwatch.CompositeAlarm(stack, "Waste", alarm_rule=rule)
    ((_, alarm),) = Template.from_stack(stack).find_resources("AWS::CloudWatch::CompositeAlarm").items()
    assert {"Fn::GetAtt": ["ChatIdle71256AD1", "Arn"]} in alarm["Properties"]["AlarmRule"]["Fn::Join"][1]


def test_whoever_watches_reads_status_and_copies_alone(stack: cdk.Stack, any_component: MakeComponent) -> None:
    component = any_component()
    component.endpoint.grant_describe(_role(stack))
    component.grant_describe(_role(stack, "Watcher"))
    (endpoint,) = permissions.DESCRIBE_ENDPOINT
    (described,) = permissions.DESCRIBE_COMPONENT
    assert _resources(stack, endpoint) == ["us-east-1:111122223333:endpoint/chat"]
    assert _resources(stack, described) == ["us-east-1:111122223333:inference-component/chat-llama"]


def test_an_endpoint_is_imported_by_its_name_to_be_watched() -> None:
    stack = cdk.Stack()
    endpoint = InferenceEndpoint.from_endpoint_name(stack, "Chat", "chat")
    assert endpoint.metric_invocations().dimensions == {"EndpointName": "chat", "VariantName": "AllTraffic"}
    with pytest.raises(ConfigurationError) as error:
        endpoint.grant_invoke(_role(stack))
    assert str(error.value) == (
        "Chat.component_names: got none; give the components that may be invoked, such as chat-llama"
    )


def test_an_endpoint_is_imported_by_its_name_to_be_invoked() -> None:
    stack = cdk.Stack(cdk.App(), "S", env=cdk.Environment(account="111122223333", region="us-east-1"))
    InferenceEndpoint.from_endpoint_name(stack, "Chat", "chat", component_names=["chat-llama"]).grant_invoke(
        _role(stack)
    )
    assert len(_resources(stack, "sagemaker:InvokeEndpoint")) == 2


def test_an_arn_says_account_and_region_of_an_endpoint(stack: cdk.Stack) -> None:
    arn = "arn:aws:sagemaker:eu-west-1:444455556666:endpoint/chat"
    endpoint = InferenceEndpoint.from_endpoint_arn(stack, "Chat", arn, component_names=["chat-llama"])
    assert (endpoint.endpoint_name, endpoint.endpoint_arn) == ("chat", arn)
    metric = endpoint.metric_invocations()
    assert (metric.region, metric.account) == ("eu-west-1", "444455556666")
    endpoint.grant_invoke(_role(stack))
    statement = Template.from_stack(stack).find_resources("AWS::IAM::Policy")
    assert arn in json.dumps(statement)


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        ("chat", "'chat' is not the ARN of an endpoint; give one such as arn:aws:sagemaker:us-east-1:111122223333:endpoint/chat"),
        (
            "arn:aws:sagemaker:us-east-1:111122223333:model/chat",
            (
                "'arn:aws:sagemaker:us-east-1:111122223333:model/chat' is not the ARN of an endpoint; give one such as "
                "arn:aws:sagemaker:us-east-1:111122223333:endpoint/chat"
            ),
        ),
        (cdk.Fn.import_value("Arn"), "must be known at synth, got a token; use from_endpoint_name(...), whose name may be one"),
    ],
    ids=["name", "model", "token"],
)  # fmt: skip
def test_what_is_no_arn_of_an_endpoint_is_refused(stack: cdk.Stack, arn: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        InferenceEndpoint.from_endpoint_arn(stack, "Chat", arn)
    assert str(error.value) == f"Chat.endpoint_arn: {message}"


def test_a_component_is_imported_by_its_name_and_endpoint() -> None:
    stack = cdk.Stack(cdk.App(), "S", env=cdk.Environment(account="111122223333", region="us-east-1"))
    endpoint = InferenceEndpoint.from_endpoint_name(stack, "Chat", "chat")
    component = InferenceComponent.from_component_name(stack, "Llama", "chat-llama", endpoint=endpoint)
    component.grant_invoke(_role(stack))
    assert len(_resources(stack, "sagemaker:InvokeEndpoint")) == 2


class TestARoleOfTheAuthors:
    def test_gets_what_the_endpoint_needs(self, stack: cdk.Stack, any_endpoint: MakeEndpoint) -> None:
        role = iam.Role(stack, "Serving", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
        endpoint = any_endpoint(role=role)
        endpoint.add_component("llama", model=_model())
        assert endpoint.role is role
        template = Template.from_stack(stack)
        assert list(template.find_resources("AWS::IAM::Role")) == ["Serving7A42E1DA"]
        ((_, policy),) = template.find_resources("AWS::IAM::Policy").items()
        actions = {
            action
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            for action in _list(statement["Action"])
        }
        assert {"s3:GetObject", "logs:PutLogEvents", "ecr:BatchGetImage"} <= actions
        template.has_resource_properties(
            "AWS::SageMaker::EndpointConfig", {"ExecutionRoleArn": {"Fn::GetAtt": ["Serving7A42E1DA", "Arn"]}}
        )

    def test_may_serve_two_endpoints_without_a_sid_twice(self, stack: cdk.Stack, any_endpoint: MakeEndpoint) -> None:
        role = iam.Role(stack, "Serving", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
        for name in ("Chat", "Code"):
            any_endpoint(name, role=role).add_component("llama", model=_model())
        ((_, policy),) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").items()
        assert [one for one in policy["Properties"]["PolicyDocument"]["Statement"] if "Sid" in one] == []

    def test_that_cannot_be_changed_is_left_as_it_is(self, stack: cdk.Stack, any_endpoint: MakeEndpoint) -> None:
        arn = "arn:aws:iam::111122223333:role/serving"
        role = iam.Role.from_role_arn(stack, "Serving", arn, mutable=False)
        any_endpoint(role=role).add_component("llama", model=_model())
        template = Template.from_stack(stack)
        template.resource_count_is("AWS::IAM::Policy", 0)
        template.has_resource_properties("AWS::SageMaker::EndpointConfig", {"ExecutionRoleArn": arn})


def _model() -> ModelSource:
    return ModelSource.from_s3("s3://models/llama/", check=False)


def test_a_caller_of_another_account_is_warned_that_its_calls_do_not_arrive(
    stack: cdk.Stack, any_component: MakeComponent
) -> None:
    component, warning = any_component(), Match.string_like_regexp("looks for an endpoint .* in its caller's account")
    for account in ("999999999999", stack.account):
        role = iam.Role.from_role_arn(stack, f"Of{account}", f"arn:aws:iam::{account}:role/caller")
        component.grant_invoke(role)
    annotations = Annotations.from_stack(stack)
    annotations.has_warning("/Fleet/Of999999999999", warning)
    assert len(annotations.find_warning("*", warning)) == 1
