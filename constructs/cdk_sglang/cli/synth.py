"""Run the CDK CLI, and synthesise an environment with it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cdk_sglang.errors import ConfigurationError, Problem


def run_cdk(command: Sequence[str], *, silent_stdout: bool = False) -> int:
    """Run the CDK CLI on this terminal; return its exit code.

    The app runs with this program's own Python, wherever PATH leads: `.venv/bin/cdk-sglang` is called without it too.

    Args:
        command: Program and arguments.
        silent_stdout: Whether its output goes to stderr, for commands whose own output others read.
    """
    return subprocess.run(command, check=False, env=_environment(), stdout=2 if silent_stdout else None).returncode  # noqa: S603  a list; its program was found on PATH


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How the CDK CLI ended where no terminal is.

    Attributes:
        code: Exit code; None if the time was over, and all its processes were killed.
        output: Everything that it wrote, errors included.
    """

    code: int | None
    output: str


def run_cdk_within(command: Sequence[str], *, seconds: float) -> Ended:
    """Run the CDK CLI without a terminal and without input, for so long at most.

    Args:
        command: Program and arguments.
        seconds: Time after which the CLI and every process that it started are killed.
    """
    process = subprocess.Popen(  # noqa: S603  as above
        command,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # so that the app and its Node are killed with it
    )
    with process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return Ended(code=None, output=output)
    return Ended(code=process.returncode, output=output)


def _environment() -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.prefix, "bin")), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path}


def cdk_program(command: str) -> str:
    """Return the CDK CLI's path.

    Args:
        command: Command of this program that needs it; begins the problem.

    Raises:
        ConfigurationError: It is not installed.
    """
    executable = shutil.which("cdk") or shutil.which("node_modules/.bin/cdk")
    if executable is None:
        text = "the CDK CLI is not installed; run `make setup`, or put `cdk` on PATH (npm install aws-cdk)"
        raise ConfigurationError([Problem(command, text)])
    return executable


def synth_command(cdk: str, env: str, output: Path, *, environments: Path | None) -> list[str]:
    """Return the command that synthesises an environment without looking anything up.

    Args:
        cdk: The CDK CLI.
        env: Name of the environment.
        output: Folder of the assembly.
        environments: Folder of the environments; the app's own by default.
    """
    context = ["-c", f"env={env}", *(["-c", f"environments={environments}"] if environments else [])]
    return [cdk, "synth", "--quiet", "--no-lookups", "--no-notices", *context, "--output", str(output)]
