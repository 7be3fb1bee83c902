"""Programs of the engine's Python as forks: each is as separate as a process that was started."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import engine_forks

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

LOOK = """
import json, os, sys
print(json.dumps({"name": __name__, "arguments": sys.argv, "folder": os.getcwd(), "given": sys.stdin.read(), "kept": os.environ.get("KEPT"),
    "home": os.environ.get("HOME"), "imported": "sglang.srt.server_args" in sys.modules, "left": hasattr(sys, "left")}))
os.environ["KEPT"] = sys.left = "by one before"
print("said", file=sys.stderr)
sys.exit(3)
"""


def test_a_program_has_its_own_environment_folder_input_output_and_exit_code(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "HOME"}
    for _ in range(2):  # nothing of the first is left to the second
        done = engine_forks.run(["-c", LOOK, "a", "b"], environment=environment, folder=tmp_path, stdin_text="text")
        assert (done.returncode, done.stderr) == (3, "said\n")
        assert json.loads(done.stdout) == {
            "name": "__main__",
            "arguments": ["-c", "a", "b"],
            "folder": str(tmp_path),
            "given": "text",
            "kept": None,
            "home": None,
            "imported": True,
            "left": False,
        }


def test_a_script_and_a_module_run_as_python_runs_them(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 7\n")
    (tmp_path / "script.py").write_text("import sys, beside\nprint(__name__, beside.VALUE, *sys.argv[1:])\n")
    assert engine_forks.run([str(tmp_path / "script.py"), "x"]).stdout == "__main__ 7 x\n"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert engine_forks.run(["-m", "script", "y"], environment=environment).stdout == "__main__ 7 y\n"


def test_an_error_is_a_traceback_and_a_one() -> None:
    done = engine_forks.run(["-c", "raise ValueError('no')"])
    assert done.returncode == 1
    assert done.stderr.endswith("ValueError: no\n")


def test_past_its_time_a_program_and_what_it_started_are_killed(tmp_path: Path) -> None:
    program = "import subprocess; subprocess.Popen(['sh', '-c', 'sleep 3; touch late']).wait()"
    with pytest.raises(subprocess.TimeoutExpired):
        engine_forks.run(["-c", program], folder=tmp_path, timeout_s=0.5)
    time.sleep(3)
    assert list(tmp_path.iterdir()) == []
    assert engine_forks.run(["-c", "print(1)"]).stdout == "1\n"
