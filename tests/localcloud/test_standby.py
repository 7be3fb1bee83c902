"""The process that copies' containers are forked off when one was started before them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from localcloud.aws.hosting.standby import Fork, Standby, base_environment

STARTUP = Path(__file__).parents[2] / "localcloud" / "engine" / "startup"
ENGINE = """
import os, signal, sys, time, types
sys.path.insert(0, sys.argv[1])
import cdk_sglang_standby
for name in cdk_sglang_standby._AHEAD:
    sys.modules[name] = types.ModuleType(name)
sys.modules["setproctitle"] = types.SimpleNamespace(getproctitle=str, setproctitle=str)
os.environ["OWN"] = "command's"
started = os.getpid()
cdk_sglang_standby.install()
told = [os.environ[name] for name in ("OWN", "SM_SGLANG_TP_SIZE")]
print(os.environ.get("CDK_SGLANG_STANDBY"), *told, os.getcwd(), sys.stdin.read(), os.getpid() != started, flush=True)
print("said to stderr", file=sys.stderr, flush=True)
what = os.environ["SM_SGLANG_TP_SIZE"]
if what == "waits":
    time.sleep(600)
sys.exit(int(what))
"""
"""The engine's side, with nothing to import: a copy whose `SM_SGLANG_TP_SIZE` is its exit code."""
COMMAND = [sys.executable, "-S", "-c", ENGINE, str(STARTUP)]


def environment(what: str) -> dict[str, str]:
    return base_environment() | {"SM_SGLANG_TP_SIZE": what, "CDK_SGLANG_PORT": "8080", "OWN": "copy's"}


def begun(standby: Standby, what: str, folder: Path) -> Fork:
    variables = environment(what)
    del variables["OWN"]  # an import could read it
    process = standby.take(COMMAND, variables, folder)
    assert isinstance(process, Fork)
    return process


def parents() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if child.cmdline() == COMMAND]


@pytest.fixture
def standby() -> Iterator[Standby]:
    instance = Standby()
    instance.start(COMMAND)
    yield instance
    instance.stop()


def test_each_copy_is_a_fork_with_its_environment_its_folder_its_output_and_its_exit_code(
    standby: Standby, tmp_path: Path
) -> None:
    for number in (0, 3):
        folder = tmp_path / str(number)
        folder.mkdir()
        process = begun(standby, str(number), folder)
        with process.stdout:
            lines = process.stdout.read().decode().splitlines()
        assert lines == [f"None command's {number} {folder}  True", "said to stderr"]
        assert process.wait(60) == process.poll() == process.returncode == number
    assert len(parents()) == 1


def test_a_signal_to_a_copys_group_ends_that_copy_alone(standby: Standby, tmp_path: Path) -> None:
    first, second = (begun(standby, "waits", tmp_path) for _ in range(2))
    with first.stdout, second.stdout:
        for process in (first, second):
            process.stdout.readline()
            assert os.getpgid(process.pid) == process.pid == os.getsid(process.pid)
        with pytest.raises(subprocess.TimeoutExpired):
            first.wait(0.1)
        os.killpg(first.pid, signal.SIGTERM)
        assert first.wait(60) == -signal.SIGTERM
        assert second.poll() is None
        standby.stop()  # who would know of its end is gone, and so it is
        assert second.wait(60) == -signal.SIGKILL
        assert second.stdout.read().decode() == "said to stderr\n"


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        (COMMAND, {"OMP_NUM_THREADS": "1"}),  # PyTorch reads it when it is imported
        (COMMAND, {"HOME": "/elsewhere"}),
        ([*COMMAND, "other"], {}),
    ],
)
def test_a_copy_that_it_cannot_become_leaves_it_to_the_next(
    standby: Standby, tmp_path: Path, command: list[str], variables: dict[str, str]
) -> None:
    assert standby.take(command, base_environment() | variables, tmp_path) is None
    process = begun(standby, "0", tmp_path)
    with process.stdout:
        assert process.wait(60) == 0


def test_one_that_has_ended_is_started_again_for_the_next_copy(standby: Standby, tmp_path: Path) -> None:
    (parent,) = parents()
    parent.kill()
    deadline = time.monotonic() + 60
    while parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.01)
    process = begun(standby, "0", tmp_path)
    with process.stdout:
        assert process.wait(60) == 0


@pytest.mark.parametrize("program", ["import sys; sys.exit(1)", "print('not it')", "import time; time.sleep(600)"])
def test_one_whose_imports_fail_or_a_stopped_copy_gets_none(tmp_path: Path, program: str) -> None:
    instance, command = Standby(), [sys.executable, "-S", "-c", program]
    instance.start(command)
    stopped = threading.Event()
    threading.Timer(2, stopped.set).start()
    assert instance.take(command, base_environment(), tmp_path, unwanted=stopped.is_set) is None
    instance.stop()


def test_a_second_start_with_the_same_command_keeps_the_process(standby: Standby) -> None:
    before = parents()
    standby.start(COMMAND)
    assert [process.pid for process in parents()] == [process.pid for process in before]


def test_nothing_is_left_of_one_that_no_copy_took() -> None:
    instance = Standby()
    instance.start(COMMAND)
    instance.stop()
    assert parents() == []


def test_without_being_asked_the_engine_goes_on_as_it_is(tmp_path: Path) -> None:
    done = subprocess.run(
        COMMAND,
        env={"PATH": os.environ["PATH"], "SM_SGLANG_TP_SIZE": "4"},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (4, f"None command's 4 {tmp_path}  False\n")
    assert done.stderr == "said to stderr\n"
