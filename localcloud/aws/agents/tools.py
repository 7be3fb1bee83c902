"""Tools of a gateway: their schemas from the deployed targets, and their calls as invocations of the Lambda functions."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import jsonschema
from moto.awslambda.utils import get_backend
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.models import iam_backends
from moto.utilities.utils import get_partition

from localcloud.aws.agents.errors import AgentCoreError
from localcloud.aws.agents.records import Gateway, Record
from localcloud.aws.agents.store import Store
from localcloud.aws.compute import functions

SEPARATOR: Final = "___"
"""Separator between the names of target and tool (three underscores, AgentCore's developer guide, gateway Lambda targets, read 2026-11)."""
_HIDDEN: Final = "An internal error occurred. Please retry later."


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool as a client sees it.

    Attributes:
        name: ``target___tool``.
        description: Description for the model.
        schema: JSON Schema of the arguments.
        target: The target that the tool belongs to.
        function: ARN of the Lambda function.
    """

    name: str
    description: str
    schema: dict[str, Any]
    target: Record
    function: str

    def problem(self, arguments: object) -> str | None:
        """What the deployed schema rejects in a call's arguments; None if they are valid."""
        errors = jsonschema.Draft7Validator(self.schema).iter_errors(arguments)
        lines = [
            f"- {'/'.join(map(str, error.absolute_path)) or 'arguments'}: {error.message[:200]}" for error in errors
        ]
        return "Parameter validation failed: Invalid request parameters:\n" + "\n".join(lines) if lines else None


def of(gateway: Gateway) -> Iterator[Tool]:
    """Tools of every target, in the order in which the targets were created."""
    for target in gateway.targets.values():
        configuration = lambda_of(target.properties)
        for definition in configuration["ToolSchema"]["InlinePayload"]:
            yield Tool(
                name=f"{target.properties['Name']}{SEPARATOR}{definition['Name']}",
                description=definition["Description"],
                schema=_schema(definition["InputSchema"]),
                target=target,
                function=configuration["LambdaArn"],
            )


def lambda_of(properties: dict[str, Any]) -> dict[str, Any]:
    """Lambda configuration of a target.

    Raises:
        AgentCoreError: ValidationException, for targets of another kind, and schemas that are not inline.
    """
    configuration = properties["TargetConfiguration"].get("Mcp", {}).get("Lambda")
    if configuration is None or "InlinePayload" not in configuration["ToolSchema"]:
        raise AgentCoreError(
            "ValidationException", "the embedded AWS has Lambda targets with an inline schema, no others"
        )
    found: dict[str, Any] = configuration
    return found


def check_permission(state: Store, gateway: Gateway, function: str) -> None:
    """Refuse a target whose function the gateway's role may not invoke: AgentCore checks this when a target is created.

    Raises:
        AgentCoreError: ValidationException.
    """
    role = iam_backends[state.account][get_partition(state.region)].get_role_by_arn(gateway.properties["RoleArn"])
    inline = [text if isinstance(text, str) else json.dumps(text) for text in role.policies.values()]
    documents: list[Any] = [*inline, *role.managed_policies.values()]
    results = [IAMPolicy(document).is_action_permitted("lambda:InvokeFunction", function) for document in documents]
    if PermissionResult.PERMITTED not in results or PermissionResult.DENIED in results:
        raise AgentCoreError(
            "ValidationException", f"Gateway execution role lacks permission to invoke Lambda function {function}"
        )


def call(state: Store, gateway: Gateway, tool: Tool, arguments: dict[str, Any], *, message_id: Any) -> dict[str, Any]:
    """Invoke the function of a tool, and return the result in MCP's format; a failure is a result with ``isError``.

    The function gets the bare arguments; AgentCore's names are in the client context.
    """
    custom = {
        "bedrockAgentCoreMessageVersion": "1.0",
        "bedrockAgentCoreAwsRequestId": str(uuid.uuid4()),
        "bedrockAgentCoreMcpMessageId": str(message_id),
        "bedrockAgentCoreGatewayId": gateway.id,
        "bedrockAgentCoreTargetId": tool.target.id,
        "bedrockAgentCoreToolName": tool.name,
    }
    function = get_backend(state.account, state.region).get_function(tool.function)
    text, failed, _ = functions.invoke(function, arguments, client_context={"custom": custom})
    answer = json.loads(text)
    if failed:
        debug = gateway.properties.get("ExceptionLevel") == "DEBUG"
        return _result(str(answer.get("errorMessage")) if debug else _HIDDEN, failed=True)
    if isinstance(answer, dict) and isinstance(answer.get("content"), list):
        return {"isError": False, **answer}
    return _result(json.dumps(answer), failed=False)


def _result(text: str, *, failed: bool) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": failed}


def _schema(definition: dict[str, Any]) -> dict[str, Any]:
    """Convert a schema from CloudFormation's spelling to JSON Schema; the names of properties are kept."""
    schema: dict[str, Any] = {"type": definition["Type"]}
    if "Description" in definition:
        schema["description"] = definition["Description"]
    if "Properties" in definition:
        schema["properties"] = {name: _schema(one) for name, one in definition["Properties"].items()}
    if "Required" in definition:
        schema["required"] = definition["Required"]
    if "Items" in definition:
        schema["items"] = _schema(definition["Items"])
    return schema
