"""The schedulers' heartbeat, from process to process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from cdk_sglang_container.heartbeat import (
    FILE_VARIABLE,
    _beat_with_batches,
    open_heartbeat,
    prepare_heartbeat,
    remove_heartbeat,
)

ROOT = Path(__file__).resolve().parents[2]
_BEATS = """
import os
from cdk_sglang_container.heartbeat import open_heartbeat
heartbeat = open_heartbeat(os.environ)
heartbeat.beat()
"""


def test_a_beat_of_another_process_is_seen_once() -> None:
    environment: dict[str, str] = {}
    prepare_heartbeat(environment)
    listener = open_heartbeat(environment)
    assert listener is not None
    assert not listener.beaten()
    path = {"PYTHONPATH": str(ROOT / "container")}
    subprocess.run([sys.executable, "-c", _BEATS], env={**os.environ, **environment, **path}, check=True)
    assert listener.beaten()
    assert not listener.beaten()
    listener.beat()
    assert listener.beaten()
    file = Path(environment[FILE_VARIABLE])
    remove_heartbeat(environment)
    assert not file.exists()
    assert open_heartbeat(environment) is None


def test_without_a_place_for_the_file_there_is_no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr("tempfile.mkstemp", full)
    environment = {FILE_VARIABLE: "/somebody's"}
    prepare_heartbeat(environment)
    assert environment == {}
    assert open_heartbeat({FILE_VARIABLE: "/nowhere"}) is None


def test_a_batch_is_a_beat_before_and_after() -> None:
    events: list[object] = []
    scheduler = SimpleNamespace(run_batch=lambda batch, *, proxy: events.append((batch, proxy)) or "result")
    _beat_with_batches(scheduler, lambda: events.append("beat"))
    assert scheduler.run_batch("batch", proxy=1) == "result"
    assert events == ["beat", ("batch", 1), "beat"]
