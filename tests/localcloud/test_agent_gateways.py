"""AgentCore gateways: MCP over streamable HTTP, signed; tools from the deployed target, calls to the deployed Lambda function."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from localcloud.aws.agents import policies
from localcloud.aws.agents.errors import AgentCoreError
from tests.localcloud.agents import Stack, gateway, tool
from tests.localcloud.helpers import SESSION

URL = {"Url": {"Fn::GetAtt": ["Gateway", "GatewayUrl"]}, "Id": {"Ref": "Gateway"}}
ENGINE = {"Type": "AWS::BedrockAgentCore::PolicyEngine", "Properties": {"Name": "local_tools"}}


class Mcp:
    """A client of MCP that signs each request, as the agent does."""

    def __init__(self, url: str, *, service: str = "bedrock-agentcore", credentials: Credentials | None = None) -> None:
        self.url = url
        self._service = service
        self._credentials = credentials or SESSION.get_credentials()

    def send(self, body: Any, *, method: str = "POST", sign: bool = True, **headers: str) -> tuple[int, Any]:
        """Status and body of one request."""
        data = body if isinstance(body, str) else json.dumps(body)
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        request = AWSRequest(method=method, url=self.url, data=data, headers=headers)
        if sign:
            SigV4Auth(self._credentials, self._service, "us-east-1").add_auth(request)
        sent = urllib.request.Request(self.url, data.encode(), dict(request.headers.items()), method=method)
        try:
            with urllib.request.urlopen(sent) as response:
                text = response.read()
                return response.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
                return error.code, json.loads(text) if text else None

    def rpc(self, method: str, **params: Any) -> Any:
        """Result of a call, or its error."""
        status, answer = self.send({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
        assert (status, answer["jsonrpc"], answer["id"]) == (200, "2.0", 7)
        return answer.get("result") or answer["error"]

    def call(self, name: str, **arguments: Any) -> tuple[bool, Any]:
        """Whether a tool failed, and its result."""
        result = self.rpc("tools/call", name=name, arguments=arguments)
        text = result["content"][0]["text"]
        return result["isError"], json.loads(text) if text.startswith("{") else text


@pytest.fixture
def stack(client: Callable[[str], Any]) -> Stack:
    return Stack(client)


@pytest.fixture
def mcp(stack: Stack) -> Mcp:
    return Mcp(stack.deploy(gateway(), **URL)["Url"])


class TestProtocol:
    def test_initialize_answers_a_version_that_the_gateway_supports(self, mcp: Mcp, cloud: Any) -> None:
        begun = mcp.rpc("initialize", protocolVersion="2025-03-26", capabilities={}, clientInfo={})
        newer = mcp.rpc("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={})

        assert mcp.url.startswith(f"{cloud.url}/bedrock-agentcore/gateways/local-tools-")
        assert mcp.url.endswith("/mcp")
        assert begun["protocolVersion"] == "2025-03-26"
        assert newer["protocolVersion"] == "2025-06-18"
        assert (begun["serverInfo"]["name"], begun["instructions"]) == ("local-tools", "be careful")

    def test_notifications_pings_and_other_methods(self, mcp: Mcp) -> None:
        assert mcp.send({"jsonrpc": "2.0", "method": "notifications/initialized"}) == (202, None)
        assert mcp.send({"jsonrpc": "2.0", "id": "p", "method": "ping"}) == (
            200,
            {"jsonrpc": "2.0", "id": "p", "result": {}},
        )
        assert mcp.rpc("resources/list") == {"code": -32601, "message": "Method not found"}
        assert mcp.send("", method="GET")[0] == 405
        assert mcp.send("", method="DELETE")[0] == 405

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ("{", -32700),
            ("[]", -32600),
            ('{"id": 1, "method": "ping"}', -32600),
            ('{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": 3}', -32602),
        ],
    )
    def test_what_is_not_json_rpc_is_a_bad_request(self, mcp: Mcp, body: str, code: int) -> None:
        status, answer = mcp.send(body)
        assert (status, answer["error"]["code"]) == (400, code)

    def test_an_unsupported_version_header_is_a_bad_request(self, mcp: Mcp) -> None:
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        assert mcp.send(ping, MCP_Protocol_Version="2025-06-18")[0] == 200
        status, answer = mcp.send(ping, MCP_Protocol_Version="2024-11-05")
        assert status == 400
        assert (
            answer["error"]["message"] == "Unsupported protocol version 2024-11-05; supported: 2025-03-26, 2025-06-18"
        )

    def test_requests_that_are_not_signed_for_the_service_are_forbidden(self, mcp: Mcp, admin: Any) -> None:
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        assert mcp.send(ping, sign=False)[0] == 403
        status, answer = Mcp(mcp.url, service="s3").send(ping)
        assert status == 403
        assert "Credential should be scoped to correct service" in answer["message"]
        admin("POST", "faults", {"fault": "access-denied", "target": "InvokeGateway", "times": 1})
        assert mcp.send(ping)[0] == 403
        assert mcp.send(ping)[0] == 200
        admin("POST", "faults", {"fault": "throttling", "target": "InvokeGateway", "times": 1})
        assert mcp.send(ping)[0] == 429

    def test_an_unknown_gateway_is_not_found(self, mcp: Mcp) -> None:
        assert Mcp(mcp.url.replace("local-tools", "other")).send({})[0] == 404


class TestTools:
    def test_tools_are_those_of_the_deployed_target_in_json_schema(self, mcp: Mcp) -> None:
        assert mcp.rpc("tools/list")["tools"] == [
            {
                "name": "clinical___patient_search",
                "description": "the tool patient_search",
                "inputSchema": {
                    "type": "object",
                    "properties": {"query": {"type": "string", "description": "a name"}},
                    "required": ["query"],
                },
            }
        ]

    def test_a_call_reaches_the_function_with_bare_arguments_and_agentcores_client_context(self, mcp: Mcp) -> None:
        failed, result = mcp.call("clinical___patient_search", query="silva")

        assert not failed
        assert result["event"] == {"query": "silva"}
        assert result["tool"] == "clinical___patient_search"
        assert result["keys"] == [
            "bedrockAgentCoreAwsRequestId",
            "bedrockAgentCoreGatewayId",
            "bedrockAgentCoreMcpMessageId",
            "bedrockAgentCoreMessageVersion",
            "bedrockAgentCoreTargetId",
            "bedrockAgentCoreToolName",
        ]

    def test_a_result_that_is_mcps_own_is_passed_on(self, mcp: Mcp) -> None:
        assert mcp.call("clinical___patient_search", query="refuse") == (True, "no such patient")

    def test_a_function_that_raises_is_an_error_without_its_message(self, mcp: Mcp, stack: Stack) -> None:
        hidden = mcp.call("clinical___patient_search", query="explode")
        stack.deploy(gateway(ExceptionLevel="DEBUG"), **URL)

        assert hidden == (True, "An internal error occurred. Please retry later.")
        assert mcp.call("clinical___patient_search", query="explode") == (True, "patient Ana Silva")

    def test_arguments_that_the_schema_does_not_allow_never_reach_the_function(self, mcp: Mcp) -> None:
        failed, text = mcp.call("clinical___patient_search")
        assert failed
        assert (
            text
            == "Parameter validation failed: Invalid request parameters:\n- arguments: 'query' is a required property"
        )
        assert mcp.call("clinical___patient_search", query=3)[0]

    def test_an_unknown_tool_is_an_error_of_the_protocol(self, mcp: Mcp) -> None:
        assert mcp.rpc("tools/call", name="patient_search", arguments={}) == {
            "code": -32602,
            "message": "Unknown tool: patient_search",
        }

    def test_the_list_has_pages(self, stack: Stack) -> None:
        mcp = Mcp(stack.deploy(gateway(tools=[tool(f"t{n}") for n in range(60)]), **URL)["Url"])
        first = mcp.rpc("tools/list")
        second = mcp.rpc("tools/list", cursor=first["nextCursor"])

        assert (len(first["tools"]), len(second["tools"]), "nextCursor" in second) == (50, 10, False)
        assert mcp.rpc("tools/list", cursor="soon")["code"] == -32602

    def test_an_update_of_the_target_changes_the_tools(self, mcp: Mcp, stack: Stack) -> None:
        stack.deploy(gateway(tools=[tool("patient_search"), tool("save")]), **URL)
        assert [one["name"] for one in mcp.rpc("tools/list")["tools"]] == [
            "clinical___patient_search",
            "clinical___save",
        ]


class TestDeployment:
    def test_a_role_that_may_not_invoke_the_function_fails_the_target(self, stack: Stack) -> None:
        resources = gateway()
        resources["Role"] = {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        }
        assert "Gateway execution role lacks permission to invoke Lambda function" in stack.fails(resources)

    def test_the_control_plane_shows_gateway_and_targets(self, stack: Stack, client: Any) -> None:
        outputs = stack.deploy(gateway(), **URL)
        control = client("bedrock-agentcore-control")
        shown = control.get_gateway(gatewayIdentifier=outputs["Id"])
        (target,) = control.list_gateway_targets(gatewayIdentifier=outputs["Id"])["items"]

        assert (shown["gatewayUrl"], shown["name"], shown["authorizerType"]) == (
            outputs["Url"],
            "local-tools",
            "AWS_IAM",
        )
        assert (target["name"], target["status"]) == ("clinical", "READY")
        schema = control.get_gateway_target(gatewayIdentifier=outputs["Id"], targetId=target["targetId"])
        inline = schema["targetConfiguration"]["mcp"]["lambda"]["toolSchema"]["inlinePayload"][0]
        assert inline["inputSchema"]["properties"]["query"]["type"] == "string"
        assert [one["gatewayId"] for one in control.list_gateways()["items"]] == [outputs["Id"]]
        stack.delete()
        assert control.list_gateways()["items"] == []


def policy(statement: str, **more: Any) -> dict[str, Any]:
    properties = {
        "Name": "tools",
        "PolicyEngineId": {"Fn::GetAtt": ["Engine", "PolicyEngineId"]},
        "Definition": {"Cedar": {"Statement": statement}},
    }
    return {"Type": "AWS::BedrockAgentCore::Policy", "Properties": properties | more}


class TestPolicies:
    SEARCH = (
        'permit(principal is AgentCore::IamEntity, action == AgentCore::Action::"clinical___patient_search", resource);'
    )

    def resources(self, mode: str, statement: str = SEARCH) -> dict[str, Any]:
        configured = {"Arn": {"Fn::GetAtt": ["Engine", "PolicyEngineArn"]}, "Mode": mode}
        found = gateway(tools=[tool("patient_search"), tool("save")], PolicyEngineConfiguration=configured)
        return found | {"Engine": ENGINE, "Policy": policy(statement)}

    def test_an_engine_in_enforce_hides_and_denies_what_no_policy_permits(self, stack: Stack) -> None:
        mcp = Mcp(stack.deploy(self.resources("ENFORCE"), **URL)["Url"])

        assert [one["name"] for one in mcp.rpc("tools/list")["tools"]] == ["clinical___patient_search"]
        assert not mcp.call("clinical___patient_search", query="silva")[0]
        denied = mcp.rpc("tools/call", name="clinical___save", arguments={"query": "x"})
        assert denied["message"].startswith("Tool Execution Denied: Tool call not allowed due to policy enforcement")

    def test_a_policy_that_names_a_role_permits_its_sessions_and_nobody_else(self, stack: Stack, client: Any) -> None:
        role = 'AgentCore::IamEntity::"arn:aws:sts::123456789012:assumed-role/agent"'
        named = self.SEARCH.replace("principal is AgentCore::IamEntity", f"principal == {role}")
        url = stack.deploy(self.resources("ENFORCE", named), **URL)["Url"]

        def of(name: str) -> list[str]:
            arn = f"arn:aws:iam::123456789012:role/{name}"
            found = client("sts").assume_role(RoleArn=arn, RoleSessionName="any")["Credentials"]
            keys = Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
            return [one["name"] for one in Mcp(url, credentials=keys).rpc("tools/list")["tools"]]

        assert (of("agent"), of("other")) == (["clinical___patient_search"], [])
        assert Mcp(url).rpc("tools/list")["tools"] == []

    def test_an_engine_in_log_only_denies_nothing(self, stack: Stack, client: Any) -> None:
        mcp = Mcp(stack.deploy(self.resources("LOG_ONLY"), **URL)["Url"])
        control = client("bedrock-agentcore-control")
        (engine,) = control.list_policy_engines()["policyEngines"]
        (shown,) = control.list_policies(policyEngineId=engine["policyEngineId"])["policies"]

        assert not mcp.call("clinical___save", query="x")[0]
        assert shown["definition"]["cedar"]["statement"] == self.SEARCH

    def test_a_policy_with_conditions_fails_the_stack_instead_of_being_ignored(self, stack: Stack) -> None:
        conditional = self.SEARCH.removesuffix(";") + ' when { context.input.query != "*" };'
        assert "without conditions" in stack.fails(self.resources("ENFORCE", conditional))

    def test_cedar_is_read_as_far_as_it_is_decided(self) -> None:
        rules = policies.parse(
            '// all tools\npermit(principal, action, resource == AgentCore::Gateway::"arn:g");\n'
            'forbid(principal, action in [AgentCore::Action::"a___b", AgentCore::Action::"a___c"], resource);'
        )
        request = {
            "principal": 'AgentCore::IamEntity::"x"',
            "action": 'AgentCore::Action::"a___c"',
            "resource": 'AgentCore::Gateway::"arn:g"',
        }
        other = request | {"resource": 'AgentCore::Gateway::"arn:h"'}

        assert [(rule.permits, rule.covers(request), rule.covers(other)) for rule in rules] == [
            (True, True, False),
            (False, True, True),
        ]
        for text in ("", "permit(principal, action);", "allow(principal, action, resource);"):
            with pytest.raises(AgentCoreError, match="cannot read"):
                policies.parse(text)
