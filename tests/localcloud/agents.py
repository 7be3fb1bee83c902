"""Templates of AgentCore's resources, and what is behind them: the stand-in for an agent, and a Lambda function with tools."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

from tests.localcloud.helpers import eventually

ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
        "Policies": [
            {
                "PolicyName": "invoke",
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Action": "lambda:InvokeFunction",
                            "Resource": {"Fn::GetAtt": ["Tools", "Arn"]},
                        }
                    ],
                },
            }
        ],
    },
}
PROGRAM = (Path(__file__).parent / "agent_program.py").read_text()
TOOLS = """
import json
def handler(event, context):
    names = context.client_context.custom
    if event.get("query") == "explode":
        raise RuntimeError("patient Ana Silva")
    if event.get("query") == "refuse":
        return {"content": [{"type": "text", "text": "no such patient"}], "isError": True}
    return {"event": event, "tool": names["bedrockAgentCoreToolName"], "keys": sorted(names)}
"""


def package(**files: str) -> bytes:
    """A zip file with these files, by name without `.py`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.py", text)
    return buffer.getvalue()


def zipped(folder: Path) -> bytes:
    """A zip file with the files of a folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(file, file.relative_to(folder))
    return buffer.getvalue()


def runtime(**changes: Any) -> dict[str, Any]:
    """A runtime with the code at s3://code/agent.zip."""
    code = {"S3": {"Bucket": "code", "Prefix": "agent.zip"}}
    properties = {
        "AgentRuntimeName": "local_agent",
        "AgentRuntimeArtifact": {
            "CodeConfiguration": {
                "Code": code,
                "Runtime": "PYTHON_3_13",
                "EntryPoint": ["opentelemetry-instrument", "main.py"],
            }
        },
        "NetworkConfiguration": {"NetworkMode": "PUBLIC"},
        "RoleArn": "arn:aws:iam::123456789012:role/agent",
        "EnvironmentVariables": {"WHO": "first"},
    }
    return {"Type": "AWS::BedrockAgentCore::Runtime", "Properties": properties | changes}


def tool(name: str, **schema: Any) -> dict[str, Any]:
    """A tool of a target, as templates spell it."""
    default_schema = {
        "Type": "object",
        "Properties": {"query": {"Type": "string", "Description": "a name"}},
        "Required": ["query"],
    }
    return {"Name": name, "Description": f"the tool {name}", "InputSchema": default_schema | schema}


def gateway(*, tools: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """Resources of a gateway with one Lambda target."""
    properties = {
        "Name": "local-tools",
        "AuthorizerType": "AWS_IAM",
        "ProtocolType": "MCP",
        "ProtocolConfiguration": {
            "Mcp": {"SupportedVersions": ["2025-03-26", "2025-06-18"], "Instructions": "be careful"}
        },
        "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
    }
    target = {
        "Name": "clinical",
        "GatewayIdentifier": {"Ref": "Gateway"},
        "CredentialProviderConfigurations": [{"CredentialProviderType": "GATEWAY_IAM_ROLE"}],
        "TargetConfiguration": {
            "Mcp": {
                "Lambda": {
                    "LambdaArn": {"Fn::GetAtt": ["Tools", "Arn"]},
                    "ToolSchema": {"InlinePayload": tools or [tool("patient_search")]},
                }
            }
        },
    }
    return {
        "Role": ROLE,
        "ToolsRole": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}},
        "Tools": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Handler": "index.handler",
                "Runtime": "python3.12",
                "Role": {"Fn::GetAtt": ["ToolsRole", "Arn"]},
                "Code": {"ZipFile": TOOLS},
                "Timeout": 20,
            },
        },
        "Gateway": {"Type": "AWS::BedrockAgentCore::Gateway", "Properties": properties | changes},
        "Target": {"Type": "AWS::BedrockAgentCore::GatewayTarget", "Properties": target},
    }


class Stack:
    """One stack, as a user of CloudFormation sees it."""

    def __init__(self, client: Any, name: str = "agents") -> None:
        self._cloudformation = client("cloudformation")
        self.name = name

    def deploy(self, resources: dict[str, Any], **outputs: Any) -> dict[str, str]:
        """Create or update the stack; its outputs."""
        body = json.dumps(
            {"Resources": resources, "Outputs": {key: {"Value": value} for key, value in outputs.items()}}
        )
        known = {stack["StackName"] for stack in self._cloudformation.describe_stacks()["Stacks"]}
        work = self._cloudformation.update_stack if self.name in known else self._cloudformation.create_stack
        work(StackName=self.name, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
        stack = eventually(self._settled)
        assert stack["StackStatus"].endswith(("CREATE_COMPLETE", "UPDATE_COMPLETE")), self.reasons()
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def fails(self, resources: dict[str, Any]) -> str:
        """Create the stack, which must fail; the reasons."""
        self._cloudformation.create_stack(
            StackName=self.name, TemplateBody=json.dumps({"Resources": resources}), Capabilities=["CAPABILITY_IAM"]
        )
        stack = eventually(self._settled)
        assert "ROLLBACK" in stack["StackStatus"], stack
        return self.reasons()

    def delete(self) -> None:
        """Delete the stack."""
        self._cloudformation.delete_stack(StackName=self.name)
        eventually(
            lambda: self.name not in {one["StackName"] for one in self._cloudformation.describe_stacks()["Stacks"]}
        )

    def reasons(self) -> str:
        """Reasons of the failures in the stack's events."""
        events = self._cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        return " | ".join(
            event.get("ResourceStatusReason", "") for event in events if "FAILED" in event["ResourceStatus"]
        )

    def _settled(self) -> dict[str, Any] | None:
        stack: dict[str, Any] = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        return stack if stack["StackStatus"].endswith(("_COMPLETE", "_FAILED")) else None


def events(response: dict[str, Any]) -> list[dict[str, Any]]:
    """Events of a streamed answer."""
    lines = response["response"].read().decode().split("\n\n")
    return [json.loads(line.removeprefix("data: ")) for line in lines if line]


PYTHON = Path(sys.executable)
"""Stands for `.venv-agent`: the stand-in needs the standard library alone."""
