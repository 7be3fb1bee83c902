"""Who is answered by the console: this machine's own pages, with the key of this start, and for reading alone."""

from __future__ import annotations

import http.client
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cdk_sglang.cli.console import command
from cdk_sglang.cli.console.server import ConsoleServer
from cdk_sglang.cli.main import app
from cdk_sglang.console import page, stream
from tests.localcloud.helpers import eventually
from tests.support.observed import observed

Get = Callable[..., tuple[int, dict[str, str], bytes]]
SECRET = "what only the holder of the key may read"


class Nothing:
    """A fleet of which there is one sentence."""

    choices = {"acts": False, "title": SECRET}
    idle = True

    def __init__(self) -> None:
        self.poller = self

    def overview(self) -> dict[str, Any]:
        return self.snapshot()

    def snapshot(self) -> dict[str, Any]:
        return {"title": SECRET}

    def beat(self) -> dict[str, Any]:
        return {"now": 0, "calls": 0}

    def start(self) -> None:
        return

    end = start


@pytest.fixture
def server() -> Iterator[ConsoleServer]:
    server = ConsoleServer(0, Nothing())
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.streams.end()
    server.shutdown()
    server.server_close()


@pytest.fixture
def get(server: ConsoleServer) -> Get:
    def ask(path: str, method: str = "GET", body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        opened = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        opened.putrequest(method, path, skip_host=True)
        sent = {"Host": f"127.0.0.1:{server.server_port}"} | {n.replace("_", "-"): v for n, v in headers.items()}
        for name, value in sent.items():
            for one in value.split("|"):
                opened.putheader(name, one)
        opened.endheaders(body or None)
        answer = opened.getresponse()
        found = answer.status, dict(answer.headers), answer.read()
        opened.close()
        return found

    return ask


@pytest.fixture
def key(server: ConsoleServer) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.key}"}


def test_the_page_and_its_files_need_no_key_load_nothing_else_and_have_no_data(get: Get, server: ConsoleServer) -> None:
    status, headers, body = get("/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; ")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert not {b"//", b"<script>", b"style="} & set(re.findall(rb"//|<script>|style=", body))
    visited, links = {""}, set(re.findall(rb'(?:src|href)="([^"#:]+\.\w+)"', body))
    while links:
        name = links.pop().decode()
        status, headers, more = get(f"/{name}")
        assert status == 200, name
        assert headers["Content-Type"].startswith(("text/javascript", "text/css"))
        visited.add(name)
        body += more
        links |= {one for one in re.findall(rb'from "\./([^"]+)"', more) if one.decode() not in visited}
    assert {"app.js", "overview.js", "words.js", "console.css"} <= visited
    assert SECRET.encode() not in body
    assert server.key.encode() not in body


def test_the_library_has_no_script_that_acts_on_a_fleet() -> None:
    assert page.file("actions.js") is page.file("chat.js") is None


@pytest.mark.parametrize("path", ["/data/overview", "/data/choices", "/data/live"])
def test_data_needs_the_key_of_this_start_in_a_header(get: Get, server: ConsoleServer, path: str) -> None:
    for token in (
        "",
        "Bearer ",
        "Bearer guessed",
        f"Bearer {server.key}0",
        f"Bearer {server.key[:-1]}",
        server.key,
        "Bearer \xe9",
    ):
        status, _, body = get(path, Authorization=token)
        assert (status, SECRET.encode() in body) == (403, False)
    for elsewhere in (f"{path}?key={server.key}", f"{path}#key={server.key}"):
        assert get(elsewhere, Cookie=f"key={server.key}")[0] == 403


def test_the_holder_of_the_key_reads(get: Get, key: dict[str, str], server: ConsoleServer) -> None:
    assert SECRET.encode() in get("/data/overview", **key)[2]
    own = f"localhost:{server.server_port}"
    status, _, body = get("/data/choices", Host=own, Origin=f"http://{own}", Sec_Fetch_Site="same-origin", **key)
    assert (status, SECRET.encode() in body) == (200, True)
    assert get("/data/overview", "HEAD", **key)[::2] == (200, b"")
    assert get("/data/nothing", **key)[0] == 404


@pytest.mark.parametrize("path", ["/", "/app.js", "/data/overview", "/data/live"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost:1"},
        {"Host": "127.0.0.1"},
        {"Host": ""},
        {"Host": "evil.example|{own}"},
        {"Host": "{own}|evil.example"},
    ],
    ids=str,
)
def test_another_site_reads_nothing_even_with_the_key(
    get: Get, key: dict[str, str], server: ConsoleServer, path: str, headers: dict[str, str]
) -> None:
    own = f"127.0.0.1:{server.server_port}"
    status, answered, body = get(path, **key, **{name: value.format(own=own) for name, value in headers.items()})
    assert (status, SECRET.encode() in body) == (403, False)
    assert [name for name in answered if name.lower().startswith("access-control")] == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"])
def test_nothing_but_reading_is_a_method(get: Get, key: dict[str, str], method: str) -> None:
    form = {"Content_Type": "application/x-www-form-urlencoded", "Content_Length": "3"}
    for path in ("/", "/data/overview", "/actions/kill"):
        status, answered, body = get(path, method, b"a=b", **key, **form)
        assert (status, SECRET.encode() in body) == (405, False)
        assert [name for name in answered if name.lower().startswith("access-control")] == []


@pytest.mark.parametrize(
    "path",
    ["/../page.py", "/..%2fpage.py", "/static/app.js", "/console.html", "//etc/passwd", "/app.js/", "/uplot.js", "/%00", "/actions/kill", "/data"],
)  # fmt: skip
def test_no_other_file_is_served(get: Get, key: dict[str, str], path: str) -> None:
    assert get(path, **key)[0] == 404


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n"])  # fmt: skip
def test_what_is_no_request_is_refused_and_not_repeated(server: ConsoleServer, get: Get, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as opened:
        opened.sendall(sent)
        answer = opened.makefile("rb").read()
    assert b"aaaa" not in answer
    assert b"Traceback" not in answer
    assert SECRET.encode() not in answer
    assert get("/")[0] == 200


def test_nothing_listens_beyond_loopback_and_every_start_has_a_key_of_its_own(server: ConsoleServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"
    with ConsoleServer(0, Nothing()) as other:
        assert other.key != server.key
    assert len(server.key) >= 43
    assert server.address.partition("#")[2] == f"key={server.key}"


def test_a_stream_ends_with_its_page_and_there_are_no_more_than_there_may_be(
    server: ConsoleServer, get: Get, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_PERIOD_S", 0.01)
    monkeypatch.setattr(stream, "STREAMS_MAX", 1)
    opened = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    opened.request("GET", "/data/live", headers=key)
    answer = opened.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
    assert answer.readline() == b"event: fleet\n"
    assert SECRET.encode() in answer.readline()
    status, _, body = get("/data/live", **key)
    assert (status, b"pages follow the fleet already" in body) == (503, True)
    answer.close()
    opened.close()
    eventually(lambda: server.streams.count == 0)


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "observed_fleet", lambda *_: observed())
    monkeypatch.setattr(command, "_signed_in", lambda _: ("123456789012", "us-east-1"))


def test_a_port_that_is_taken_is_one_line(signed_in: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = CliRunner().invoke(app, ["console", "--env", "prod", "--port", str(port)])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        f"console: port {port} of 127.0.0.1 cannot be used: Address already in use; name another with --port, or 0 for any free one\n"
    )


def test_ctrl_c_ends_the_console_and_its_streams(signed_in: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(server: ConsoleServer) -> None:
        servers.append(server)
        raise KeyboardInterrupt

    servers: list[ConsoleServer] = []
    monkeypatch.setattr(ConsoleServer, "serve_forever", pressed)
    done = CliRunner().invoke(app, ["console", "--env", "prod", "--port", "0"])
    assert done.exit_code == 0, done.stderr
    (server,) = servers
    assert done.stdout == f"prod in us-east-1: {server.address}\n"
    assert server.socket.fileno() == -1, "nothing listens any more"
    assert server.content.poller.due() == []


@pytest.mark.parametrize("words", [["--port", "70000"], ["--port", "x"], ["--nonsense"]])
def test_a_wrong_command_line_is_one_line(words: list[str]) -> None:
    done = CliRunner().invoke(app, ["console", "--env", "prod", *words])
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("profile", "message"), [([], "no usable AWS credentials"), (["--profile", "nobody"], "nobody")]
)
def test_no_credentials_and_no_such_profile_are_one_line_with_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, profile: list[str], message: str
) -> None:
    monkeypatch.setattr(command, "observed_fleet", lambda *_: observed())
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    done = CliRunner().invoke(app, ["console", "--env", "prod", "--region", "us-east-1", *profile])
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert message in done.stderr
