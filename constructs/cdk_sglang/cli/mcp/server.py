"""The server of the Model Context Protocol: tools and resources, without a transport."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.shared.exceptions import McpError
from pydantic import AnyUrl

from cdk_sglang.cli.mcp.documents import documents
from cdk_sglang.cli.mcp.workspace import Workspace

if TYPE_CHECKING:
    from cdk_sglang.cli.mcp.tool import Tool

_AT_ONCE: Final = 4
"""Calls that run at the same time; more wait."""
_NOT_FOUND: Final = -32002
"""The protocol's code for a resource that is not there (https://modelcontextprotocol.io/specification/2025-06-18/server/resources, read 2026-11)."""
_INSTRUCTIONS: Final = (
    "cdk-sglang plans and serves open-weight models with SGLang on Amazon SageMaker. These tools only read: they spend nothing, deploy nothing and "
    "write no file. Order: propose_fleet for a set of requirements; save the environment_text that the user chose below environments/; check_environment after every "
    "change of it; diff_environment before a person deploys with `make deploy ENV=<name>`. Errors name path, problem and next step. Times are "
    "predictions with bands, prices are dated: pass both on."
)
_NO_DOCUMENTS: Final = (
    " The documentation and the schema of environments are not installed here, so there are no resources."
)


def build_server(workspace: Workspace) -> Server[Any, Any]:
    """Return a server of the tools and resources; the tools themselves are loaded when a client first lists or calls them.

    Args:
        workspace: The folder that is served.
    """
    server: Server[Any, Any] = Server(
        name="cdk-sglang",
        version=_version(),
        instructions=_INSTRUCTIONS + ("" if documents() else _NO_DOCUMENTS),
    )
    limiter = anyio.CapacityLimiter(_AT_ONCE)

    @server.list_tools()  # type: ignore[no-untyped-call, untyped-decorator]  # the SDK's decorators have no types
    async def list_tools() -> list[types.Tool]:
        from cdk_sglang.cli.mcp.catalogue import TOOLS

        return [_described(tool) for tool in TOOLS.values()]

    # Not the SDK's check of arguments: their own models check them, and say what to do.
    @server.call_tool(validate_input=False)  # type: ignore[untyped-decorator]  # as above
    async def call_tool(name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        from cdk_sglang.cli.mcp.call import call

        outcome = await anyio.to_thread.run_sync(
            partial(call, name, arguments, workspace), abandon_on_cancel=True, limiter=limiter
        )
        content = dict(outcome.content)
        text = outcome.text or json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=text)], structuredContent=content, isError=outcome.is_error
        )

    @server.list_resources()  # type: ignore[no-untyped-call, untyped-decorator]  # the SDK's decorators have no types
    async def list_resources() -> list[types.Resource]:
        return [
            types.Resource(
                uri=AnyUrl(one.uri), name=one.uri.rpartition("//")[2], title=one.title, mimeType=one.media_type
            )
            for one in documents().values()
        ]

    @server.read_resource()  # type: ignore[no-untyped-call, untyped-decorator]  # the SDK's decorators have no types
    async def read_resource(uri: AnyUrl) -> Iterable[ReadResourceContents]:
        document = documents().get(str(uri))
        if document is None:
            there = "; list the resources" if documents() else "; no documentation is installed here"
            raise McpError(types.ErrorData(code=_NOT_FOUND, message=f"there is no resource {str(uri)[:200]}{there}"))
        return [ReadResourceContents(content=document.text(), mime_type=document.media_type)]

    return server


def _described(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        inputSchema=tool.takes.model_json_schema(),
        outputSchema=tool.gives.model_json_schema(mode="serialization"),
        annotations=types.ToolAnnotations(
            title=tool.title,
            readOnlyHint=True,
            destructiveHint=False,
            idempotentHint=True,
            openWorldHint=tool.calls_aws,
        ),
    )


def _version() -> str:
    try:
        return metadata.version("cdk-sglang")
    except metadata.PackageNotFoundError:  # a checkout on PYTHONPATH
        return "0"
