"""How a copy starts, stops and dies: each test has its own server."""

from __future__ import annotations

import concurrent.futures
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from engine_server import CONTAINER, EngineServer

from localcloud.engine.recipe import engine_environment, engine_python
from tests.support.engine_forks import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

NOT_WARMED_UP = {"SM_SGLANG_SKIP_SERVER_WARMUP": "true"}
TWO_WORKERS = {"SM_SGLANG_TOKENIZER_WORKER_NUM": "2"}


@pytest.fixture
def start(models: dict[str, Path], tmp_path: Path) -> Iterator[Callable[[dict[str, str]], EngineServer]]:
    servers: list[EngineServer] = []

    def start_one(settings: dict[str, str]) -> EngineServer:
        server = EngineServer(model=models["base"], settings=settings, log=tmp_path / "server.log")
        servers.append(server)
        return server.start()

    yield start_one
    for server in servers:
        server.stop()


# Root may write anywhere; without this capability it minds permissions as every other user does.
_MINDING_PERMISSIONS = ("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()


@pytest.fixture
def read_only_model(models: dict[str, Path], tmp_path: Path) -> Iterator[Path]:
    """As SageMaker mounts it: files that only read, in a folder that takes no new ones."""
    folder = tmp_path / "model"
    shutil.copytree(models["base"], folder)
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    tried = subprocess.run([*_MINDING_PERMISSIONS, "touch", folder / "new"], capture_output=True, check=False)
    assert tried.returncode != 0, "the folder can be written, so the test would show nothing"
    yield folder
    folder.chmod(0o755)


def test_a_read_only_model_is_served_and_requests_in_flight_finish_after_sigterm(
    read_only_model: Path, tmp_path: Path
) -> None:
    command = (*_MINDING_PERMISSIONS, str(CONTAINER / "serve"), "serve")
    server = EngineServer(
        model=read_only_model,
        settings=NOT_WARMED_UP,
        log=tmp_path / "server.log",
        command=command,
        as_in_the_image=True,
    )
    try:
        _stops_in_order(server.start())
    finally:
        server.stop()


def _stops_in_order(server: EngineServer) -> None:
    tree = server.tree()
    assert server.process is not None
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        replies = [pool.submit(server.chat, max_tokens=80) for _ in range(4)]
        while server.request("GET", "/v1/loads").json["loads"][0]["num_running_reqs"] < 4:
            time.sleep(0.05)
        server.process.send_signal(signal.SIGTERM)
        stopped = time.monotonic()
        while server.ping() == 200:
            assert time.monotonic() < stopped + 60
        assert server.chat().status == 503
        assert [reply.result().status for reply in replies] == [200] * 4
        assert {reply.result().json["usage"]["completion_tokens"] for reply in replies} == {80}
    server.process.wait(timeout=stopped + 120 - time.monotonic())
    assert not psutil.wait_procs(tree, timeout=20)[1]


def test_two_tokenizer_workers_speak_the_contract_and_die_with_their_scheduler(
    start: Callable[..., EngineServer],
) -> None:
    server = start(TWO_WORKERS)
    session = "X-Amzn-SageMaker-Session-Id"
    opened = server.chat(headers={session: "NEW_SESSION"}).headers["x-amzn-sagemaker-new-session-id"].split(";")[0]
    for _ in range(12):  # whichever worker answers
        assert server.chat(headers={"content-type": "application/octet-stream", session: opened}).status == 200
        assert server.chat(headers={"X-Amzn-SageMaker-Adapter-Identifier": "nobody"}).status == 404
    start_s = time.monotonic()
    while server.ping() != 200:  # a busy machine can starve the engine for longer than a sign of life may take
        assert time.monotonic() < start_s + 30
        time.sleep(0.1)
    tree = server.tree()
    server.scheduler().kill()
    killed = time.monotonic()
    while server.ping() == 200:
        assert time.monotonic() < killed + 10
        time.sleep(0.1)
    assert not psutil.wait_procs(tree, timeout=20)[1]


def test_settings_that_cannot_serve_end_the_container_before_loading(models: dict[str, Path]) -> None:
    base = {"CDK_SGLANG_PYTHON": str(engine_python()), "CDK_SGLANG_MODEL_DIR": str(models["base"])}
    settings = {"SM_SGLANG_CONTEXT_LENGTH": "999999"}  # test_argument_vectors has the other ways to be refused
    environment = engine_environment() | {"PYTHONPATH": str(CONTAINER), "PYTHONWARNINGS": "ignore"} | base | settings
    done = run(("-m", "cdk_sglang_container"), environment=environment, startup=True)
    assert done.returncode == 2
    assert "SGLang refuses these settings" in done.stderr
    assert "Traceback" not in done.stderr
