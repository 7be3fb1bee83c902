"""`cdk-sglang synth`: synthesise an environment with the CDK CLI; other commands run the CLI through this module, too."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path  # typer reads annotations when it runs
from typing import Annotated, Final

import typer

from cdk_sglang.cli.environment_option import env_option, environments_option
from cdk_sglang.cli.output import stdout
from cdk_sglang.errors import ConfigurationError, Problem

_COLOUR: Final = re.compile(rb"\x1b\[[0-9;]*m")
_PIPED_WIDTH: Final = 140
"""Characters per line of the report without a terminal."""
_APP_FAILED: Final = re.compile(rb".*Subprocess exited with error (\d+)\s*")
"""Last line of the CDK CLI (aws-cdk 2.1148.1) after an app has failed and printed the reason."""


def synth(
    env: Annotated[str, env_option("Environment, such as prod.")],
    *,
    environments: Annotated[
        Path | None, environments_option("Folder of the environments; the app's own by default.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder of the templates; cdk.out/<environment> by default.")
    ] = None,
) -> None:
    """Write the templates of an environment, check them, and print its plan; nothing is sent to AWS.

    Exit code 2: the environment is wrong; the last lines say what. Exit code 1: it does not fit, is too slow or costs too much, as
    `cdk-sglang plan` says, or the CDK CLI failed.
    """
    folder = output or Path("cdk.out") / env
    command = synth_command(cdk_program("synth"), env, folder, environments=environments)
    width = stdout().width if sys.stdout.isatty() else _PIPED_WIDTH
    raise typer.Exit(run_synth([*command, "-c", f"report={width}"]))


def run_synth(command: Sequence[str], *, silent_stdout: bool = False) -> int:
    """Synthesise with the CDK CLI; return the app's exit code if the app failed, else the CLI's.

    The app's own message is the last output: the CLI's line after it, which only repeats the exit code, is left out.

    Args:
        command: Program and arguments.
        silent_stdout: Whether the CLI's output goes to stderr, for commands whose own output is machine-readable.
    """
    code, has_output = None, False
    sys.stdout.flush()
    program = subprocess.Popen(command, env=_environment(), stdout=2 if silent_stdout else None, stderr=subprocess.PIPE)
    with program:
        assert program.stderr is not None
        for line in program.stderr:
            ends = _APP_FAILED.fullmatch(_COLOUR.sub(b"", line))
            if ends is not None and has_output:
                code = int(ends[1])
                continue
            has_output = has_output or bool(line.strip())
            sys.stderr.buffer.write(line)
            sys.stderr.flush()
    return program.returncode if code is None or program.returncode == 0 else code


def run_cdk(command: Sequence[str]) -> int:
    """Run the CDK CLI on this terminal; return its exit code.

    The app runs with this program's own Python, whatever PATH names: `.venv/bin/cdk-sglang` is also called without it on PATH.

    Args:
        command: Program and arguments.
    """
    return subprocess.run(command, check=False, env=_environment()).returncode


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How the CDK CLI ended without a terminal.

    Attributes:
        code: Exit code; None if the time was up and all its processes were killed.
        output: Everything that it wrote, errors included.
    """

    code: int | None
    output: str


def run_cdk_within(command: Sequence[str], *, seconds: float) -> Ended:
    """Run the CDK CLI without a terminal and without input, for a limited time.

    Args:
        command: Program and arguments.
        seconds: Time after which the CLI and every process that it started are killed.
    """
    process = subprocess.Popen(
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
        ConfigurationError: There is no app here to run, or the CLI is not installed.
    """
    if not has_app():
        text = (
            "this folder holds no app (no cdk.json), and the stacks are made by one; run it in a checkout of cdk-sglang, with --environments PATH "
            "for environments that are elsewhere"
        )
        raise ConfigurationError([Problem(command, text)])
    executable = shutil.which("cdk") or shutil.which("node_modules/.bin/cdk")
    if executable is None:
        text = "the CDK CLI is not installed; run `make setup`, or put `cdk` on PATH (npm install aws-cdk)"
        raise ConfigurationError([Problem(command, text)])
    return executable


def has_app() -> bool:
    """Return whether the CDK CLI finds an app: by a file here, the user's own file, or a variable (aws-cdk 2.1148.1)."""
    return Path("cdk.json").is_file() or "CDK_APP" in os.environ or Path("~/.cdk.json").expanduser().is_file()


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
