"""Whether a process computes, seen on real ones."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from cdk_sglang_container.processes import EngineProcesses

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAMS = {"computes": "while True: pass", "rests": "import time; time.sleep(600)"}


@pytest.fixture
def process(request: pytest.FixtureRequest) -> Iterator[psutil.Process]:
    program = _PROGRAMS[request.param]
    started = subprocess.Popen(["nice", "-n", "10", sys.executable, "-S", "-c", program])
    yield psutil.Process(started.pid)
    started.kill()
    started.wait()


def _computed(processes: EngineProcesses, within_s: float) -> bool:
    """Whether any of several looks says so: a busy machine may give a process nothing for a while."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        time.sleep(0.1)
        if processes.computed():
            return True
    return False


@pytest.mark.parametrize("process", ["computes"], indirect=True)
def test_a_process_computes_until_it_is_stopped_and_again_after(process: psutil.Process) -> None:
    processes = EngineProcesses(lambda: [process])
    assert not processes.computed(), "the first look has nothing to compare with"
    assert _computed(processes, 10)
    process.send_signal(signal.SIGSTOP)
    while process.status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)
    processes.computed()
    assert not _computed(processes, 0.5)
    process.send_signal(signal.SIGCONT)
    assert _computed(processes, 10)
    process.kill()
    assert not _computed(processes, 0.5)


@pytest.mark.parametrize("process", ["rests"], indirect=True)
def test_a_process_that_waits_does_not_compute(process: psutil.Process) -> None:
    processes = EngineProcesses(lambda: [process])
    time.sleep(1)  # its start computes
    processes.computed()
    assert not _computed(processes, 0.5)


@pytest.mark.parametrize("process", ["rests"], indirect=True)
def test_a_process_is_alive_until_it_is_stopped_or_dead(process: psutil.Process) -> None:
    processes = EngineProcesses(lambda: [process])
    assert processes.alive()
    process.send_signal(signal.SIGSTOP)
    while process.status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)
    assert not processes.alive()
    process.send_signal(signal.SIGCONT)
    while process.status() == psutil.STATUS_STOPPED:
        time.sleep(0.01)
    assert processes.alive()
    process.kill()
    process.wait(10)
    assert not processes.alive()
    assert not EngineProcesses(list).alive()


def test_without_an_engine_nothing_computes() -> None:
    processes = EngineProcesses(list)
    assert not processes.computed()
    assert not processes.computed()
