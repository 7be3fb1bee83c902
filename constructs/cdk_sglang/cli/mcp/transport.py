"""How a client reaches the server: stdin and stdout, or streamable HTTP on loopback."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import anyio
import typer
from mcp.server.stdio import stdio_server

from cdk_sglang.cli.aws import fail
from cdk_sglang.cli.mcp.server import build_server
from cdk_sglang.cli.mcp.workspace import Workspace

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server
    from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK: Final = "127.0.0.1"
"""The only address that is listened on."""
PATH: Final = "/mcp"
"""Path of the server over HTTP."""
_GRACE_SECONDS: Final = 2


def serve_stdio() -> None:
    """Serve the process that started this one, until it closes stdin.

    Nothing but the protocol reaches stdout, and nothing else reads stdin: files 0 and 1 of the process, which its own code, libraries and
    child processes use, become the null device and stderr.
    """
    _log_to_stderr()
    if sys.stdin.isatty():
        typer.echo(
            "cdk-sglang mcp: speaks the Model Context Protocol on stdin and stdout; a client starts it, see docs/mcp.md. Ctrl-C ends it.",
            err=True,
        )
    # A thread waits in a read of stdin, which only the signal's own action interrupts.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    anyio.run(_stdio, build_server(Workspace.current()), requests, answers)


async def _stdio(server: Server[Any, Any], requests: int, answers: int) -> None:
    reader = anyio.wrap_file(os.fdopen(requests, "r", encoding="utf-8", errors="replace"))
    writer = anyio.wrap_file(os.fdopen(answers, "w", encoding="utf-8"))
    async with stdio_server(reader, writer) as (read, write):
        await server.run(read, write, server.create_initialization_options())


def serve_http(port: int) -> None:
    """Serve streamable HTTP on loopback, until Ctrl-C.

    Args:
        port: Port; 0 for any free one.
    """
    import uvicorn

    _log_to_stderr()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
            listener.listen()  # so that whoever reads the address below can connect
        except OSError as error:
            reason = f"port {port} of {LOOPBACK} cannot be used: {error.strerror}"
            fail(f"mcp: {reason}; name another, or 0 for any free one", code=1)
        port = listener.getsockname()[1]
        typer.echo(f"http://{LOOPBACK}:{port}{PATH}", err=True)
        config = uvicorn.Config(
            http_app(build_server(Workspace.current()), port),
            log_level="warning",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        with suppress(KeyboardInterrupt):  # which is how it is ended
            uvicorn.Server(config).run(sockets=[listener])


def http_app(server: Server[Any, Any], port: int) -> ASGIApp:
    """Return the server as an ASGI application that refuses other hosts and origins than this machine's port.

    Without that, a web page could reach it by letting its own name resolve to 127.0.0.1
    (https://modelcontextprotocol.io/specification/2025-06-18/basic/transports, security warning, read 2026-11).

    Args:
        server: The server.
        port: Port that it is reached at.
    """
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from mcp.server.transport_security import TransportSecuritySettings
    from starlette.applications import Starlette
    from starlette.routing import Route

    hosts = [f"{name}:{port}" for name in (LOOPBACK, "localhost")]
    sessions = StreamableHTTPSessionManager(
        app=server,
        json_response=True,
        stateless=True,
        security_settings=TransportSecuritySettings(
            enable_dns_rebinding_protection=True,
            allowed_hosts=hosts,
            allowed_origins=[f"http://{host}" for host in hosts],
        ),
    )

    class Endpoint:
        """An ASGI application, which Starlette takes for one because it is no function."""

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await sessions.handle_request(scope, receive, send)

    return Starlette(routes=[Route(PATH, endpoint=Endpoint())], lifespan=lambda _: sessions.run())


def _log_to_stderr() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
