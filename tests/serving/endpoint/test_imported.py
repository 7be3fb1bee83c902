"""An endpoint or a component of another stack or app can be invoked and watched, by its name."""

from __future__ import annotations

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from cdk_sglang import ConfigurationError, InferenceComponent, InferenceEndpoint
from cdk_sglang.serving.shared import permissions
from tests.serving.conftest import MakeComponent


def _caller(stack: cdk.Stack) -> iam.Role:
    return iam.Role(stack, "Caller", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


def _allowed(stack: cdk.Stack) -> list[str]:
    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert set(statement["Action"]) == set(permissions.INVOKE)
    return ["".join(str(part) for part in arn["Fn::Join"][1] if isinstance(part, str)) for arn in statement["Resource"]]


def test_a_grant_on_an_imported_endpoint_names_its_components_alone() -> None:
    stack = cdk.Stack()
    endpoint = InferenceEndpoint.from_endpoint_attributes(
        stack, "Chat", endpoint_name="chat", component_names=("chat-llama", "chat-oss")
    )
    endpoint.grant_invoke(_caller(stack))
    assert [arn.rpartition(":")[2] for arn in _allowed(stack)] == [
        "endpoint/chat",
        "inference-component/chat-llama",
        "inference-component/chat-oss",
    ]


def test_an_imported_endpoint_has_the_metrics_of_its_variant() -> None:
    endpoint = InferenceEndpoint.from_endpoint_attributes(
        cdk.Stack(), "Chat", endpoint_name="chat", component_names=("chat-llama",)
    )
    metric = endpoint.metrics.metric_invocations()
    assert dict(metric.dimensions) == {"EndpointName": "chat", "VariantName": "AllTraffic"}


def test_an_imported_component_is_invoked_and_watched_by_its_name() -> None:
    stack = cdk.Stack()
    component = InferenceComponent.from_component_attributes(
        stack, "Llama", component_name="Chat-Llama", endpoint_name="chat"
    )
    component.grant_invoke(_caller(stack))
    # SageMaker writes ARNs in lower case, IAM compares them letter by letter
    assert [arn.rpartition(":")[2] for arn in _allowed(stack)] == [
        "endpoint/chat",
        "inference-component/chat-llama",
        "inference-component/Chat-Llama",
    ]
    assert dict(component.metrics.metric_invocations().dimensions) == {"InferenceComponentName": "Chat-Llama"}


def test_a_name_known_at_deployment_alone_can_be_imported() -> None:
    stack = cdk.Stack()
    name = cdk.CfnParameter(stack, "Name").value_as_string
    endpoint = InferenceEndpoint.from_endpoint_attributes(
        stack, "Chat", endpoint_name=name, component_names=(f"{name}-llama",)
    )
    endpoint.grant_invoke(_caller(stack))
    assert len(_allowed(stack)) == 2


def test_an_imported_endpoint_says_what_is_wrong_at_once() -> None:
    with pytest.raises(ConfigurationError) as error:
        InferenceEndpoint.from_endpoint_attributes(cdk.Stack(), "Chat", endpoint_name="chat_1", component_names=())
    first, second = error.value.problems
    assert first.startswith("Chat.endpoint_name: ")
    assert second == "Chat.component_names: got none; give the components that may be invoked, such as chat-llama"


def test_a_component_knows_its_endpoint(any_component: MakeComponent) -> None:
    component = any_component()
    assert component.endpoint.endpoint_name == component.endpoint_name
    assert component.endpoint.component_names == (component.component_name,)
