"""A real client of the Model Context Protocol for synchronous tests, and a folder with an app for its server."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import ClientSession, types

from localcloud.aws.server import LocalCloud

ROOT = Path(__file__).resolve().parents[2]
SERVER = [sys.executable, "-m", "cdk_sglang.cli.entry", "mcp"]
"""What the script `cdk-sglang mcp` runs."""
_CDK = f"""#!{sys.executable}
# A CDK CLI that synthesises one stack, and speaks where it should not.
import json, os, sys, time
from pathlib import Path
print("noise on stdout", flush=True)
if "env=slow" in sys.argv:
    time.sleep(3600)
if "env=broken" in sys.argv:
    sys.exit("the app failed")
folder = Path(sys.argv[sys.argv.index("--output") + 1])
folder.mkdir(exist_ok=True)
stack = {{"Resources": {{"Queue": {{"Type": "AWS::SQS::Queue", "Properties": {{}}}}}}}}
(folder / "chat.template.json").write_text(json.dumps(stack))
artifact = {{
    "type": "aws:cloudformation:stack",
    "environment": "aws://unknown-account/us-east-1",
    "properties": {{"templateFile": "chat.template.json", "stackName": "cdk-sglang-dev-chat"}},
}}
(folder / "manifest.json").write_text(json.dumps({{"artifacts": {{"chat": artifact}}}}))
"""


def app_folder(folder: Path) -> Path:
    """Make a folder with an environment, an app and a CDK CLI of its own; return it without symbolic links."""
    (folder / "environments").mkdir()
    shutil.copy(ROOT / "environments" / "dev.yaml", folder / "environments")
    (folder / "cdk.json").write_text("{}", encoding="utf-8")
    program = folder / "bin" / "cdk"
    program.parent.mkdir()
    program.write_text(_CDK)
    program.chmod(0o755)
    return folder.resolve()


def variables(folder: Path, cloud: LocalCloud | None = None) -> dict[str, str]:
    """Return the environment variables of a server in that folder: the embedded AWS, or none."""
    found = {
        "PATH": os.pathsep.join([str(folder / "bin"), os.environ["PATH"]]),
        "HOME": str(folder),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "constructs"), str(ROOT)]),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }
    return found if cloud is None else {**found, "AWS_ENDPOINT_URL": cloud.url, **cloud.credentials.environment}


@dataclass(frozen=True, kw_only=True)
class Assistant:
    """A session with a server."""

    session: ClientSession
    portal: BlockingPortal
    strange: list[Exception] = field(default_factory=list)
    """Whatever the server sent that is not the protocol."""

    def call(self, tool: str, **arguments: Any) -> types.CallToolResult:
        """Call a tool; the SDK checks an answer against the tool's output schema."""
        return self.portal.call(self.session.call_tool, tool, arguments)

    def answer(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that must answer."""
        result = self.call(tool, **arguments)
        assert not result.isError, result.content
        assert result.structuredContent is not None
        return result.structuredContent

    def problems(self, tool: str, **arguments: Any) -> list[dict[str, str]]:
        """Call a tool that must refuse."""
        result = self.call(tool, **arguments)
        assert result.isError, result.structuredContent
        assert result.structuredContent is not None
        found: list[dict[str, str]] = result.structuredContent["problems"]
        return found


Connect = Callable[[Any], AbstractAsyncContextManager[ClientSession]]


@contextmanager
def assistant(connect: Connect) -> Iterator[Assistant]:
    """Keep a session in a thread of its own, for tests that wait for its answers."""
    strange: list[Exception] = []

    async def look(message: object) -> None:
        if isinstance(message, Exception):
            strange.append(message)

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(connect(look)) as session:
        yield Assistant(session=session, portal=portal, strange=strange)


def over_stdio(folder: Path, environment: dict[str, str], log: Path) -> Connect:
    """Start a server and speak to it over its stdin and stdout."""
    from mcp.client.stdio import StdioServerParameters, stdio_client

    @asynccontextmanager
    async def connect(look: Any) -> AsyncIterator[ClientSession]:
        command, *arguments = SERVER
        server = StdioServerParameters(command=command, args=arguments, env=environment, cwd=folder)
        with log.open("w") as errors:
            async with (
                stdio_client(server, errlog=errors) as (read, write),
                ClientSession(read, write, message_handler=look) as session,
            ):
                await session.initialize()
                yield session

    return connect


def in_memory(folder: Path) -> Connect:
    """Speak to a server in this process."""
    from mcp.shared.memory import create_connected_server_and_client_session

    from cdk_sglang.cli.mcp.server import build_server
    from cdk_sglang.cli.mcp.workspace import Workspace

    @asynccontextmanager
    async def connect(look: Any) -> AsyncIterator[ClientSession]:
        server = build_server(Workspace(root=folder))
        async with create_connected_server_and_client_session(server, message_handler=look) as session:
            yield session

    return connect


def over_http(url: str) -> Connect:
    """Speak to a server that listens."""
    from mcp.client.streamable_http import streamable_http_client

    @asynccontextmanager
    async def connect(look: Any) -> AsyncIterator[ClientSession]:
        async with (
            streamable_http_client(url) as (read, write, _),
            ClientSession(read, write, message_handler=look) as session,
        ):
            await session.initialize()
            yield session

    return connect
