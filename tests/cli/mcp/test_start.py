"""How the server starts: without the extra, without what no tool has asked for yet, and over HTTP on loopback alone."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer

from cdk_sglang.cli.mcp import transport
from tests.support.assistants import SERVER, app_folder, assistant, over_http, variables

START = """
import sys
import anyio
from mcp.types import ListToolsRequest
from cdk_sglang.cli.entry import main
from cdk_sglang.cli.mcp import command, transport
from cdk_sglang.cli.mcp.workspace import Workspace
server = transport.build_server(Workspace.current())
assert "cdk_sglang.cli.mcp.catalogue" not in sys.modules, "loaded before a client has been answered"
anyio.run(server.request_handlers[ListToolsRequest], None)
print(*sorted(sys.modules))
"""
OPENING = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


def test_nothing_heavy_is_loaded_before_a_tool_asks_for_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", START], cwd=tmp_path, env=variables(tmp_path), capture_output=True, text=True, check=True
    )
    loaded = {name for name in done.stdout.split() if name.count(".") < 3}
    heavy = {
        "aws_cdk",
        "jsii",
        "boto3",
        "botocore",
        "numpy",
        "jinja2",
        "yaml",
        "cdk_sglang.planning.plan",
        "cdk_sglang.cli.main",
    }
    assert "cdk_sglang.cli.mcp" in loaded
    assert loaded & heavy == set()


def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['mcp'] = None; sys.argv = ['cdk-sglang', 'mcp']; from cdk_sglang.cli.entry import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=variables(tmp_path), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mcp: needs the SDK of the Model Context Protocol; pip install 'cdk-sglang[mcp]'\n"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server over HTTP."""
    folder = app_folder(tmp_path_factory.mktemp("http"))
    with subprocess.Popen(
        [*SERVER, "--http", "0"], cwd=folder, env=variables(folder), stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        try:
            yield server.stderr.readline().strip()
        finally:
            server.terminate()


def _post(address: str, path: str = "/mcp", **headers: str) -> int:
    split = urlsplit(address)
    connection = http.client.HTTPConnection(str(split.hostname), split.port, timeout=60)
    fields = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **headers}
    try:
        connection.request("POST", path, json.dumps(OPENING), fields)
        return connection.getresponse().status
    finally:
        connection.close()


def test_over_http_a_real_client_is_answered_and_a_web_page_is_not(address: str) -> None:
    own = address.removesuffix("/mcp")
    assert own.startswith("http://127.0.0.1:")
    port = urlsplit(address).port
    assert _post(address) == 200
    assert _post(address, Origin=own) == 200
    assert _post(address, Origin=f"http://localhost:{port}", Host=f"localhost:{port}") == 200
    for origin in ("https://evil.example", "http://localhost:3000", "null", f"{own}.evil.example"):
        assert _post(address, Origin=origin) == 403, origin
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port}0"):
        assert _post(address, Host=host) == 421, host
    assert _post(address, path="/") == 404
    with assistant(over_http(address)) as client:
        assert client.answer("list_models", contains="qwen3-8b")["models"]
        assert client.problems("list_models", limit=1000)[0]["path"] == "limit"


def test_a_port_that_is_taken_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(typer.Exit) as left:
            transport.serve_http(port)
    assert left.value.exit_code == 1
    assert capsys.readouterr().err == (
        f"mcp: port {port} of 127.0.0.1 cannot be used: Address already in use; name another, or 0 for any free one\n"
    )
