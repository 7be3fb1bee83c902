"""The process that a copy's container is made of when one was started before it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from localcloud.aws.hosting.standby import Standby, base_environment

PROGRAM = """
import json, os, sys
assert os.environ["CDK_SGLANG_STANDBY"] == "1"
line = sys.stdin.readline()
if line:
    print(line, end="")
"""
COMMAND = [sys.executable, "-S", "-c", PROGRAM]


@pytest.fixture
def standby() -> Iterator[Standby]:
    made = Standby()
    made.start(COMMAND)
    yield made
    made.stop()


def test_the_first_copy_takes_the_process_with_its_environment_and_folder(standby: Standby, tmp_path: Path) -> None:
    environment = base_environment() | {"SM_SGLANG_TP_SIZE": "1", "CDK_SGLANG_PORT": "8080", "AWS_REGION": "us-east-1"}
    process = standby.take(COMMAND, environment, tmp_path)
    assert process is not None
    with process:
        assert process.stdout is not None
        assert json.loads(process.stdout.read()) == {"environment": environment, "folder": str(tmp_path)}
    assert standby.take(COMMAND, environment, tmp_path) is None, "there is one alone"


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
    process = standby.take(COMMAND, base_environment(), tmp_path)
    assert process is not None
    with process:
        assert process.stdout is not None
        assert process.stdout.read()


def test_a_process_that_has_died_is_no_copy(standby: Standby, tmp_path: Path) -> None:
    child = next(child for child in psutil.Process().children() if child.cmdline() == COMMAND)
    child.kill()
    psutil.wait_procs([child])
    assert standby.take(COMMAND, base_environment(), tmp_path) is None


def test_nothing_is_left_of_one_that_no_copy_took() -> None:
    made = Standby()
    made.start(COMMAND)
    made.stop()
    assert COMMAND not in [child.cmdline() for child in psutil.Process().children()]


STARTUP = Path(__file__).parents[2] / "localcloud" / "engine" / "startup"
ENGINE = """
import os, sys, types
sys.path.insert(0, sys.argv[1])
import cdk_sglang_standby
for name in cdk_sglang_standby._AHEAD:
    sys.modules[name] = types.ModuleType(name)
cdk_sglang_standby.install()
print(os.environ.get("CDK_SGLANG_STANDBY"), os.environ["OWN"], os.environ["SM_SGLANG_TP_SIZE"], os.getcwd(), sys.stdin.read())
"""


@pytest.mark.parametrize("asked", [True, False])
def test_the_engine_takes_a_copys_environment_under_what_its_command_sets(tmp_path: Path, asked: bool) -> None:
    copy = {"environment": {"OWN": "copy's", "SM_SGLANG_TP_SIZE": "1"}, "folder": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", ENGINE, str(STARTUP)],
        env={"PATH": os.environ["PATH"], "OWN": "command's", "CDK_SGLANG_STANDBY": "1"},
        input=json.dumps(copy) + "\n" if asked else "",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (f"None command's 1 {tmp_path} \n" if asked else "")
