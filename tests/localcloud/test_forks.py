"""The engine of this machine forks where SGLang spawns."""

import subprocess
import sys
from pathlib import Path

import pytest

STARTUP = Path(__file__).parents[2] / "localcloud" / "engine" / "startup"
PROGRAM = """
import multiprocessing, os, signal
multiprocessing.set_start_method("spawn", force=True)
assert multiprocessing.get_context("spawn").Process is not multiprocessing.get_context("fork").Process
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
loaded = object()

def child(pipe):
    pipe.send(id(loaded))
    signal.pause()

ours, theirs = multiprocessing.Pipe()
process = multiprocessing.Process(target=child, args=(theirs,))
process.start()
print(multiprocessing.get_start_method(), ours.recv() == id(loaded))
process.terminate()
process.join()
print(process.exitcode)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="cdk_sglang_forks leaves other systems to spawn")
def test_what_was_imported_is_there_in_the_child_and_sigterm_ends_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": str(STARTUP)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["fork True", "-15"], done.stderr
