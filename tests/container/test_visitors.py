"""On a developer's machine a copy answers the programs of that machine alone, whatever a web page sends it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cdk_sglang_container.visitors import Visitors, add_visitors_check

HOST = "127.0.0.1:9000"


class App:
    """SGLang's place: counts what reaches it."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.middleware: list[tuple[Any, dict[str, Any]]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        del receive, send
        self.reached.append(scope["type"])

    def add_middleware(self, kind: Any, **options: Any) -> None:
        self.middleware.append((kind, options))


def outcome(kind: str, path: str, **headers: str) -> tuple[list[str], list[dict[str, Any]]]:
    app, sent = App(), []

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "path": path, "method": "POST", "headers": encoded}
    asyncio.run(Visitors(app, hosts=frozenset({HOST}))(scope, receive, send))
    return app.reached, sent


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example:9000"},
        {"host": "127.0.0.1"},
        {"host": "localhost:9001"},
        {},
        {"host": HOST, "origin": "http://evil.example"},
        {"host": HOST, "origin": "null"},
        {"host": HOST, "origin": f"http://{HOST}"},
    ],
    ids=str,
)
def test_a_web_page_reaches_no_route_of_a_copy(kind: str, headers: dict[str, str]) -> None:
    for path in ("/ping", "/invocations", "/adapters", "/flush_cache", "/update_weights_from_disk"):
        reached, sent = outcome(kind, path, **headers)
        assert reached == []
        assert (sent[0].get("status"), sent[0].get("code")) in {(403, None), (None, 1008)}
        assert [name for name, _ in sent[0].get("headers", ()) if name.startswith(b"access-control")] == []


@pytest.mark.parametrize("kind", ["http", "websocket", "lifespan"])
def test_programs_of_the_machine_and_the_server_itself_come_through(kind: str) -> None:
    assert outcome(kind, "/invocations", **({} if kind == "lifespan" else {"host": HOST})) == ([kind], [])


def test_nothing_is_checked_where_nobody_asked_for_it() -> None:
    app = App()
    for value in ("", " , "):
        add_visitors_check(app, {"CDK_SGLANG_ALLOWED_HOSTS": value})
    add_visitors_check(app, {})
    assert app.middleware == []
    add_visitors_check(app, {"CDK_SGLANG_ALLOWED_HOSTS": f"{HOST.upper()}, localhost:9000"})
    assert app.middleware == [(Visitors, {"hosts": frozenset({HOST, "localhost:9000"})})]
