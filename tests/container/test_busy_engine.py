"""Busy is not wedged: `/ping` on the real engine while one forward pass takes longer than a wedged engine is given."""

from __future__ import annotations

import concurrent.futures
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from engine_server import EngineServer

from tests.support.engine_forks import run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

WEDGED_AFTER_S, STALLED_AFTER_S = 4.0, 8.0
# The tiny model with a hundred times the work per token: 1,900 tokens are one pass of 15 to 60 s on one core.
_SLOW_MODEL = """
import sys
from pathlib import Path
from localcloud.engine import tiny_model
tiny_model.INTERMEDIATE, tiny_model.LAYERS = 8192, 64
tiny_model.make_models(Path(sys.argv[1]))
"""
# A plug-in as SGLang finds them, in all its processes: each computes on one core; at one signal it turns in a loop, at another it goes on.
_SPINS = """
import signal
import torch
turning = []
def turn(*_):
    turning.append(True)
    while turning:
        pass
def register():
    torch.set_num_threads(1)
    signal.signal(signal.SIGUSR1, turn)
    signal.signal(signal.SIGUSR2, lambda *_: turning.clear())
"""
SETTINGS = {
    "CDK_SGLANG_STALLED_AFTER_S": f"{STALLED_AFTER_S:g}",
    "CDK_SGLANG_WEDGED_AFTER_S": f"{WEDGED_AFTER_S:g}",
    "SM_SGLANG_DISABLE_RADIX_CACHE": "true",
    "SM_SGLANG_SLEEP_ON_IDLE": "true",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineServer]:
    folder = tmp_path_factory.mktemp("slow")
    creation = run(("-c", _SLOW_MODEL, str(folder)), startup=True)
    assert creation.returncode == 0, creation.stderr
    plugins = _plugin(folder / "plugin")
    running = EngineServer(model=folder / "base", settings=SETTINGS, log=folder / "server.log", plugins=plugins)
    try:
        yield running.start()
    finally:
        running.stop()
        for path in (folder / "base").iterdir():
            path.unlink()  # 400 MB


def _plugin(folder: Path) -> Path:
    about = folder / "spins-1.dist-info"
    about.mkdir(parents=True)
    (folder / "spins.py").write_text(_SPINS)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: spins\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[sglang.srt.plugins]\nspins = spins:register\n")
    return folder


def _prompt(server: EngineServer, *, tokens: int = 1900) -> float:
    """Seconds that one long prompt takes."""
    began = time.monotonic()
    text = "x" * tokens
    reply = server.request("POST", "/v1/completions", {"prompt": text, "max_tokens": 1}, timeout_s=300)
    assert reply.status == 200
    return time.monotonic() - began


def test_a_prompt_of_one_long_pass_leaves_ping_at_200_and_no_probe_behind(server: EngineServer) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        prompt = pool.submit(_prompt, server)
        pings = []
        while not prompt.done():
            pings.append(server.ping())
            time.sleep(0.25)
    took = prompt.result()
    assert took > STALLED_AFTER_S + 2, "the pass was too short to show anything"
    assert set(pings) == {200}, f"{pings} in {took:.0f} s"
    began = time.monotonic()
    assert server.chat(max_tokens=1).status == 200
    assert time.monotonic() - began < took / 2, "probes ran first"


def test_a_scheduler_that_stops_in_a_long_pass_is_noticed_and_its_recovery_too(server: EngineServer) -> None:
    scheduler = server.scheduler()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        prompt = pool.submit(_prompt, server)
        time.sleep(1.5 * WEDGED_AFTER_S)
        assert server.ping() == 200
        assert not prompt.done(), "the pass was too short to show anything"
        scheduler.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            while server.ping() == 200:
                assert time.monotonic() < stopped + 2 * WEDGED_AFTER_S
                time.sleep(0.1)
        finally:
            scheduler.send_signal(signal.SIGCONT)
        server.wait_until_up(timeout_s=30)
        assert not prompt.done(), "it recovers with the pass, not after it"
        prompt.result()
    assert server.chat(max_tokens=1).status == 200


def _unhealthy_after(server: EngineServer, *, within_s: float) -> float:
    began = time.monotonic()
    while server.ping() == 200:
        assert time.monotonic() < began + within_s
        time.sleep(0.1)
    return time.monotonic() - began


def test_a_detokenizer_that_stops_is_noticed_though_the_scheduler_goes_on(server: EngineServer) -> None:
    detokenizer = server.detokenizer()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        detokenizer.send_signal(signal.SIGSTOP)
        try:
            answer = pool.submit(server.chat, max_tokens=2)
            _unhealthy_after(server, within_s=3 * WEDGED_AFTER_S)
        finally:
            detokenizer.send_signal(signal.SIGCONT)
        server.wait_until_up(timeout_s=30)
        assert answer.result().status == 200


def test_a_scheduler_that_turns_in_a_loop_is_noticed_and_its_recovery_too(server: EngineServer) -> None:
    scheduler = server.scheduler()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        prompt = pool.submit(_prompt, server, tokens=900)  # seconds are enough for the signal to come in its pass
        time.sleep(1)
        assert server.ping() == 200
        scheduler.send_signal(signal.SIGUSR1)
        try:
            took = _unhealthy_after(server, within_s=STALLED_AFTER_S + 3 * WEDGED_AFTER_S)
            assert took > WEDGED_AFTER_S / 2, "its computing counts for a while"
            assert scheduler.status() == psutil.STATUS_RUNNING
        finally:
            scheduler.send_signal(signal.SIGUSR2)
        server.wait_until_up(timeout_s=60)
        prompt.result()


@pytest.mark.last
def test_a_detokenizer_that_dies_is_noticed(server: EngineServer) -> None:
    """SGLang ends itself then."""
    server.detokenizer().kill()
    _unhealthy_after(server, within_s=3 * WEDGED_AFTER_S)
