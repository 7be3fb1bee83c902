"""Gateways: each is an MCP server over streamable HTTP, without sessions and without streams, like AgentCore's.

Written from https://modelcontextprotocol.io/specification/2025-06-18/basic/transports (read 2026-11).
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from werkzeug.wrappers import Request, Response

from localcloud.aws import faults
from localcloud.aws.agents import policies, tools
from localcloud.aws.agents.errors import AgentCoreError
from localcloud.aws.agents.measures import GatewayRequest
from localcloud.aws.agents.records import Gateway
from localcloud.aws.agents.scope import state_of
from localcloud.aws.agents.store import GATEWAYS, LOCK, Store
from localcloud.aws.door.guard import SIGNED

_PATH: Final = re.compile(rf"{re.escape(GATEWAYS)}(?P<gateway>[^/]+)/mcp$")
_VERSIONS: Final = ("2025-03-26",)
"""MCP versions of a gateway that specifies none (registry schema, SupportedVersions)."""
_PAGE: Final = 50
"""Tools per page of tools/list. AgentCore does not document the number."""
_PARSE, _INVALID, _NO_METHOD, _BAD_PARAMS = -32700, -32600, -32601, -32602
_DENIED: Final = -32002


class _RpcError(Exception):
    """Error of JSON-RPC."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class _Sender:
    """Context of one message.

    Attributes:
        identity: Id of the message.
        caller: Cedar's entity of the caller.
    """

    identity: Any
    caller: str


def serves(path: str) -> bool:
    """Whether a path belongs to a gateway."""
    return path.startswith(GATEWAYS)


def answer(request: Request) -> Response:
    """Answer one request to a gateway's MCP server."""
    try:
        state, gateway = _find(request)
    except AgentCoreError as error:
        return error.response()
    measured = GatewayRequest(state, gateway)
    try:
        _refuse(gateway)
        if request.method != "POST":  # there is no stream to open, and no session to end
            return Response(status=http.client.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
        message = _message(request, gateway)
    except AgentCoreError as error:
        measured.ended(error.code)
        return error.response()
    except _RpcError as error:
        measured.ended("ValidationException")
        return _json(_failure(None, error), status=http.client.BAD_REQUEST)
    caller = policies.caller_of(request.environ[SIGNED].access_key_id, state.account)
    answered = _respond(state, gateway, message, caller) if "id" in message else {}
    measured.ended("ValidationException" if "error" in answered else "")
    return _json(answered) if answered else Response(status=http.client.ACCEPTED)


def _message(request: Request, gateway: Gateway) -> dict[str, Any]:
    supported, sent = _supported(gateway), request.headers.get("MCP-Protocol-Version")
    if sent is not None and sent not in supported:
        raise _RpcError(_INVALID, f"Unsupported protocol version {sent}; supported: {', '.join(supported)}")
    try:
        message = json.loads(request.get_data())
    except ValueError as error:
        raise _RpcError(_PARSE, "Parse error") from error
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0" or not isinstance(message.get("method"), str):
        raise _RpcError(_INVALID, "Invalid request")
    if not isinstance(message.get("params", {}), dict):
        raise _RpcError(_BAD_PARAMS, "params: an object is expected")
    return message


def _find(request: Request) -> tuple[Store, Gateway]:
    match = _PATH.match(str(request.environ["PATH_INFO"]))
    if match is None:
        raise AgentCoreError("ResourceNotFoundException", f"no gateway at {request.path}; its address ends with /mcp")
    state = state_of(request)
    with LOCK:
        return state, state.gateway(match["gateway"])


def _refuse(gateway: Gateway) -> None:
    if faults.strikes("throttling", "InvokeGateway"):
        raise AgentCoreError("ThrottlingException", "Rate exceeded")
    if faults.strikes("access-denied", "InvokeGateway") or faults.strikes(
        "access-denied", "bedrock-agentcore:InvokeGateway"
    ):
        message = "The caller is not authorized to perform: bedrock-agentcore:InvokeGateway (injected fault)"
        raise AgentCoreError("AccessDeniedException", message)
    if gateway.properties["AuthorizerType"] == "CUSTOM_JWT":
        raise AgentCoreError(
            "AccessDeniedException", "the gateway wants a JWT; the embedded AWS has no identity provider"
        )


def _respond(state: Store, gateway: Gateway, message: dict[str, Any], caller: str) -> dict[str, Any]:
    identity, params = message["id"], message.get("params") or {}
    try:
        answered = _METHODS.get(message["method"], _unknown)(state, gateway, params, _Sender(identity, caller))
    except _RpcError as error:
        return _failure(identity, error)
    return {"jsonrpc": "2.0", "id": identity, "result": answered}


def _unknown(_: Store, __: Gateway, ___: dict[str, Any], ____: _Sender) -> dict[str, Any]:
    raise _RpcError(_NO_METHOD, "Method not found")


def _ping(_: Store, __: Gateway, ___: dict[str, Any], ____: _Sender) -> dict[str, Any]:
    return {}


def _initialize(_: Store, gateway: Gateway, params: dict[str, Any], __: _Sender) -> dict[str, Any]:
    supported = _supported(gateway)
    version = params.get("protocolVersion")
    result: dict[str, Any] = {
        "protocolVersion": version if version in supported else supported[-1],
        "capabilities": {"tools": {"listChanged": False}},
        "serverInfo": {"name": gateway.properties["Name"], "version": "1.0.0"},
    }
    instructions = _mcp(gateway).get("Instructions")
    return result | ({"instructions": instructions} if instructions else {})


def _list(state: Store, gateway: Gateway, params: dict[str, Any], sender: _Sender) -> dict[str, Any]:
    with LOCK:
        found = [
            tool for tool in tools.of(gateway) if policies.allowed(state, gateway, tool.name, caller=sender.caller)
        ]
    cursor = params.get("cursor", "0")
    if not isinstance(cursor, str) or not cursor.isdigit():
        raise _RpcError(_BAD_PARAMS, f"unknown cursor {cursor!r}")
    start, end = int(cursor), int(cursor) + _PAGE
    page = [{"name": t.name, "description": t.description, "inputSchema": t.schema} for t in found[start:end]]
    return {"tools": page} | ({"nextCursor": str(end)} if end < len(found) else {})


def _call(state: Store, gateway: Gateway, params: dict[str, Any], sender: _Sender) -> dict[str, Any]:
    name, arguments = params.get("name"), params.get("arguments") or {}
    with LOCK:
        tool = next((tool for tool in tools.of(gateway) if tool.name == name), None)
        if tool is None:
            raise _RpcError(_BAD_PARAMS, f"Unknown tool: {name}")
        if not policies.allowed(state, gateway, tool.name, caller=sender.caller):
            raise _RpcError(_DENIED, f"Tool Execution Denied: Tool call not allowed due to policy enforcement [{name}]")
    problem = tool.problem(arguments)
    if problem is not None:
        return {"content": [{"type": "text", "text": problem}], "isError": True}
    measured = GatewayRequest(state, gateway)
    try:
        return tools.call(state, gateway, tool, arguments, message_id=sender.identity)
    finally:
        measured.target_ended()


_METHODS: Final[dict[str, Callable[[Store, Gateway, dict[str, Any], _Sender], dict[str, Any]]]] = {
    "initialize": _initialize,
    "ping": _ping,
    "tools/list": _list,
    "tools/call": _call,
}


def _supported(gateway: Gateway) -> tuple[str, ...]:
    return tuple(sorted(_mcp(gateway).get("SupportedVersions") or _VERSIONS))


def _mcp(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = gateway.properties.get("ProtocolConfiguration", {}).get("Mcp", {})
    return found


def _failure(identity: Any, error: _RpcError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "error": {"code": error.code, "message": error.message}}


def _json(body: dict[str, Any], *, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")
