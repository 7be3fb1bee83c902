"""SGLang's administrative routes answer nobody."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cdk_sglang_container.closed_routes import ClosedRoutes, admin_paths, close_admin_routes

from tests.support import engine_forks

CONTAINER = Path(__file__).parents[2] / "container"
PATHS = frozenset({"/flush_cache", "/freeze_gc", "/update_weights_from_disk"})


def outcome(path: str, client: tuple[str, int] | None = ("169.254.255.130", 4711)) -> tuple[int, Any]:
    """Return the status of a request, and whether it reached the application."""
    sent: list[Any] = []
    reached = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        reached.append(scope["path"])
        await send({"type": "http.response.start", "status": 200})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("the body is not read")

    scope = {"type": "http", "path": path, "method": "POST", "headers": [], "client": client}
    asyncio.run(ClosedRoutes(app, paths=PATHS)(scope, receive, send))
    return sent[0]["status"], reached


@pytest.mark.parametrize(
    "path", ["/flush_cache", "/flush_cache/", "//flush_cache", "/update_weights_from_disk", "/freeze_gc"]
)
def test_an_administrative_path_is_not_found(path: str) -> None:
    assert outcome(path) == (404, [])


@pytest.mark.parametrize("path", ["/invocations", "/v1/chat/completions", "/ping", "/adapters/flush_cache", "/metrics"])
def test_every_other_path_passes(path: str) -> None:
    assert outcome(path) == (200, [path])


@pytest.mark.parametrize("client", [("127.0.0.1", 1), ("::1", 1)])
def test_sglang_may_ask_itself_to_freeze_its_collector_and_for_nothing_else(client: tuple[str, int]) -> None:
    assert outcome("/freeze_gc", client)[0] == 200
    assert outcome("/flush_cache", client)[0] == 404
    assert outcome("/freeze_gc", None)[0] == 404


def test_an_sglang_that_marks_none_is_refused() -> None:
    with pytest.raises(RuntimeError, match="marks no route as administrative"):
        admin_paths([SimpleNamespace(path="/flush_cache", endpoint=lambda: None), SimpleNamespace()])


def test_the_routes_can_be_left_open_on_a_machine_of_ones_own() -> None:
    app = SimpleNamespace(routes=[], add_middleware=None)
    close_admin_routes(app, {"CDK_SGLANG_ADMIN_ROUTES": "open"})


def test_sglang_marks_what_changes_weights_caches_and_profiles_and_nothing_that_the_contract_needs() -> None:
    program = (
        "import json; from sglang.srt.entrypoints.http_server import app; "
        "from cdk_sglang_container.closed_routes import admin_paths; print(json.dumps(sorted(admin_paths(app.router.routes))))"
    )
    environment = {**os.environ, "PYTHONPATH": f"{CONTAINER}:{os.environ.get('PYTHONPATH', '')}"}
    done = engine_forks.run(["-c", program], environment=environment)
    assert done.returncode == 0, done.stderr
    closed = set(json.loads(done.stdout.splitlines()[-1]))
    assert {
        "/flush_cache",
        "/load_lora_adapter",
        "/start_profile",
        "/update_weights_from_disk",
        "/pause_generation",
    } <= closed
    assert not closed & {
        "/ping",
        "/invocations",
        "/v1/chat/completions",
        "/v1/models",
        "/v1/loads",
        "/metrics",
        "/adapters",
    }
