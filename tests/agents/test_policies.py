"""Policies of a gateway: they name the roles that may call its tools, and nobody else may."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from cdk_sglang import ToolGateway, ToolPolicies, ToolTarget
from cdk_sglang.agents.schemas import Tool
from tests.support.fleets import problems
from tests.support.pipelines import flat

ACCOUNT = "111122223333"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:visits"


class Made:
    """A gateway with one tool."""

    def __init__(self, *, policies: bool = True) -> None:
        self.stack = cdk.Stack(cdk.App(), "Tools", env=cdk.Environment(account=ACCOUNT, region="us-east-1"))
        target = ToolTarget(
            name="visits",
            function=lambda_.Function.from_function_arn(self.stack, "Function", FUNCTION),
            tools=(Tool(name="book", description="Books.", input_schema=SCHEMA),),
        )
        self.gateway = ToolGateway(
            self.stack,
            "Gateway",
            name="tools",
            targets=[target],
            policies=ToolPolicies(name="tools") if policies else None,
        )

    def role(self, name: str) -> iam.IRole:
        return iam.Role.from_role_arn(self.stack, name, f"arn:aws:iam::{ACCOUNT}:role/path/{name}")

    def permitted(self) -> dict[str, str]:
        """Callers that policies name, by the policy's name."""
        found = Template.from_stack(self.stack).find_resources("AWS::BedrockAgentCore::Policy").values()
        return {
            one["Properties"]["Name"]: flat(one["Properties"]["Definition"]["Cedar"]["Statement"]).split('"')[1]
            for one in found
        }


def test_whoever_is_granted_the_gateway_is_named_by_a_policy_of_each_tool_once() -> None:
    world = Made()
    first, second = world.role("first"), world.role("second")
    world.gateway.grant_invoke(first)
    world.gateway.permit(first)
    world.gateway.grant_invoke(second)
    assert world.permitted() == {
        "permit_visits___book": f"arn:<AWS::Partition>:sts::{ACCOUNT}:assumed-role/first",
        "permit_visits___book_2_7ecb2804": f"arn:<AWS::Partition>:sts::{ACCOUNT}:assumed-role/second",
    }


def test_nobody_is_permitted_before_anybody_is_granted_and_who_creates_policies_is_not() -> None:
    world = Made()
    world.gateway.grant_policy_creation(world.role("deployer"))
    assert world.permitted() == {}


def test_a_caller_that_policies_cannot_name_is_refused_and_granted_where_there_are_none() -> None:
    world = Made()
    user = iam.User(world.stack, "User")
    assert problems(lambda: world.gateway.grant_invoke(user)) == [
        "Gateway.grant_invoke: grantee is no role, and the gateway's policies name roles alone; grant a role that the caller assumes"
    ]
    world = Made(policies=False)
    world.gateway.grant_invoke(iam.User(world.stack, "User")).assert_success()
    world.gateway.permit(world.role("first"))
    assert world.permitted() == {}
