"""The construct behind `Route.load`, for apps that are not ours."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from cdk_sglang import ConfigurationError, InferenceRoute, RouteDestination

RESERVED = RouteDestination(endpoint_name="prod-reserved", component_name="prod-reserved-qwen")
BURST = RouteDestination(endpoint_name="prod-burst", component_name="prod-burst-qwen")
NAME = "/cdk-sglang/prod/routes/reasoning"


@pytest.fixture
def stack() -> cdk.Stack:
    return cdk.Stack(cdk.App(), "Callers", env=cdk.Environment(account="111122223333", region="us-east-1"))


def test_who_may_invoke_may_load_and_watch_this_route_alone(stack: cdk.Stack) -> None:
    route = InferenceRoute(stack, "Reasoning", parameter_name=NAME, destinations=[RESERVED, BURST])
    role = iam.Role(stack, "Caller", assumed_by=iam.AccountRootPrincipal())
    route.grant_invoke(role)
    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    statements = policy["Properties"]["PolicyDocument"]["Statement"]

    def allowed(action: str) -> set[str]:
        found: set[str] = set()
        for statement in statements:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            resources: Any = (
                statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            )
            if action in actions:
                found |= {part if isinstance(part, str) else part["Fn::Join"][1][-1] for part in resources}
        return {arn.rpartition(":")[2] for arn in found}

    components = {"inference-component/prod-reserved-qwen", "inference-component/prod-burst-qwen"}
    assert allowed("sagemaker:InvokeEndpoint") == {"endpoint/prod-reserved", "endpoint/prod-burst", *components}
    assert allowed("sagemaker:DescribeInferenceComponent") == components
    assert allowed("ssm:GetParameter") == {"parameter/cdk-sglang/prod/routes/reasoning"}


def test_everything_wrong_is_said_at_once(stack: cdk.Stack) -> None:
    odd = RouteDestination(endpoint_name="prod_burst", component_name="x" * 64)
    with pytest.raises(ConfigurationError) as caught:
        InferenceRoute(stack, "Odd", parameter_name="routes/odd", destinations=[odd, odd])
    message = str(caught.value)
    for part in ("parameter_name: 'routes/odd'", "is listed more than once", "prod_burst", "x" * 64):
        assert part in message
    with pytest.raises(ConfigurationError, match=r"destinations: got 1; use 2 to 5"):
        InferenceRoute(stack, "One", parameter_name=NAME, destinations=[BURST])
    assert stack.node.children == []
