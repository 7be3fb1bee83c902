"""The agent's role under moto's IAM enforcement: it may ask its component, and each of five other calls is denied.

The role is made in moto from the synthesised template and assumed; moto decides with the credentials of that session. What a call is about is
named here, since moto knows the resources of few of AWS's calls by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import aws_cdk as cdk
import boto3
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template
from moto import mock_aws
from moto.core.exceptions import AccessDeniedError
from moto.iam.access_control import IAMRequest

from cdk_sglang.agents.artifact import AgentCode
from cdk_sglang.agents.gateway import ToolGateway
from cdk_sglang.agents.runtime import AgentModel, AgentRuntime
from cdk_sglang.agents.tools import ClinicalTools
from tests.support.agents import agent_folder

ACCOUNT, REGION = "123456789012", "us-east-1"
HERE = f"{REGION}:{ACCOUNT}"
GATEWAY = f"arn:aws:bedrock-agentcore:{HERE}:gateway/test-tools-abcdefghij"
Call = Callable[[str, str], None]


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    stack = cdk.Stack(cdk.App(), "Agent", env=cdk.Environment(account=ACCOUNT, region=REGION))
    tools = ClinicalTools(stack, "Clinical", key=kms.Key(stack, "Key"))
    AgentRuntime(
        stack,
        "Agent",
        name="test_agent",
        artifact=AgentCode(folder=agent_folder(tmp_path_factory.mktemp("agent"))),
        model=AgentModel(endpoint_name="test-chat", component_name="test-chat-llama"),
        gateway=ToolGateway(stack, "Tools", name="test-tools", targets=[tools.target]),
    )
    found: dict[str, Any] = Template.from_stack(stack).to_json()["Resources"]
    return found


def known(value: Any) -> Any:
    """Return a value of a template with the gateway's ARN in the place of its attribute."""
    if isinstance(value, dict):
        if "Fn::GetAtt" in value:
            return GATEWAY
        if "Fn::Join" in value:
            separator, parts = value["Fn::Join"]
            return separator.join(known(part) for part in parts)
        if "Ref" in value:
            return {"AWS::Partition": "aws"}[value["Ref"]]
        return {key: known(inner) for key, inner in value.items()}
    return [known(inner) for inner in value] if isinstance(value, list) else value


@pytest.fixture
def call(resources: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """Ask, as the agent's role, for an action on a resource."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    (role,) = (one["Properties"] for name, one in resources.items() if name.startswith("AgentRole"))
    with mock_aws():
        iam = boto3.client("iam", region_name=REGION)
        trust = known(role["AssumeRolePolicyDocument"])
        agent_role = iam.create_role(RoleName="agent", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
        for policy in role["Policies"]:
            document = json.dumps(known(policy["PolicyDocument"]))
            iam.put_role_policy(RoleName="agent", PolicyName=policy["PolicyName"], PolicyDocument=document)
        session = boto3.client("sts", region_name=REGION).assume_role(
            RoleArn=agent_role["Arn"], RoleSessionName="session"
        )

        def ask(action: str, resource: str) -> None:
            service, _, name = action.partition(":")
            scope = f"{session['Credentials']['AccessKeyId']}/20261130/{REGION}/{service}/aws4_request"
            headers = {
                "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
                "X-Amz-Security-Token": session["Credentials"]["SessionToken"],
            }
            IAMRequest(ACCOUNT, "POST", "/", {}, b"", headers, name).check_action_permitted(resource)

        yield ask


@pytest.mark.parametrize("action", ["sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream"])
@pytest.mark.parametrize("resource", ["endpoint/test-chat", "inference-component/test-chat-llama"])
def test_it_may_ask_its_component(call: Call, action: str, resource: str) -> None:
    call(action, f"arn:aws:sagemaker:{HERE}:{resource}")


def test_it_may_call_its_gateway(call: Call) -> None:
    call("bedrock-agentcore:InvokeGateway", GATEWAY)


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("sagemaker:InvokeEndpoint", f"arn:aws:sagemaker:{HERE}:inference-component/test-chat-llama-triage"),
        ("sagemaker:InvokeEndpoint", f"arn:aws:sagemaker:{HERE}:endpoint/test-chat-two"),
        ("bedrock-agentcore:InvokeGateway", f"arn:aws:bedrock-agentcore:{HERE}:gateway/other-abcdefghij"),
        ("dynamodb:GetItem", f"arn:aws:dynamodb:{HERE}:table/patients"),
        ("s3:GetObject", f"arn:aws:s3:::cdk-hnb659fds-assets-{ACCOUNT}-{REGION}/{'0' * 64}.zip"),
        ("s3:PutObject", "arn:aws:s3:::reports/reports/any.md"),
        ("lambda:InvokeFunction", f"arn:aws:lambda:{HERE}:function:clinical"),
        ("bedrock:InvokeModel", f"arn:aws:bedrock:{REGION}::foundation-model/any"),
        ("logs:PutLogEvents", f"arn:aws:logs:{HERE}:log-group:/aws/lambda/any:log-stream:any"),
    ],
)
def test_every_other_call_is_denied(call: Call, action: str, resource: str) -> None:
    with pytest.raises(AccessDeniedError):
        call(action, resource)
