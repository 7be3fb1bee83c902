"""Assemblies to compare: an environment synthesised offline, several at a time, each with what it says when it cannot be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdk_sglang.cli import synth
from cdk_sglang.wording import one_line

_LAST_LINES: Final = 20
"""Lines of a failed synthesis that are kept; the reason is among the last, since the app prints it as it ends."""
_OF_THE_CLI: Final = ("Subprocess exited", "python app.py: ", "NOTICES", "[Error at /]", "Node.js ")
_END_SECONDS: Final = 5


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """A synthesis that has been started.

    Attributes:
        folder: Folder of the assembly, once it is there.
        log: File with its output.
        process: The CDK CLI, in a group of processes of its own.
    """

    folder: Path
    log: Path
    process: subprocess.Popen[bytes]

    def finished(self) -> tuple[str, ...]:
        """Wait for the assembly, and return why there is none; nothing if there is one."""
        code = self.process.wait()
        if code == 0:
            return ()
        lines = [one_line(line) for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines()]
        kept = [line for line in lines if line.strip() and not line.startswith(_OF_THE_CLI)]
        return tuple(kept[-_LAST_LINES:]) or (f"the CDK CLI ended with exit code {code}",)

    def stop(self) -> None:
        """End it with every process that it started, if it still runs."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(self.process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(_END_SECONDS)


def begin(
    env: str,
    folder: Path,
    *,
    app: Path,
    environments: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> Synthesis:
    """Start to synthesise an environment without looking anything up.

    Args:
        env: Name of the environment.
        folder: Folder of the assembly.
        app: Folder of the app.
        environments: Folder of the environments; the app's own by default.
        variables: Environment of its processes; this program's by default.

    Raises:
        ConfigurationError: The CDK CLI is not installed.
    """
    program = str(Path(synth.cdk_program("diff")).absolute())
    command = synth.synth_command(program, env, folder, environments=environments)
    known = dict(os.environ if variables is None else variables)
    # The app runs with this program's own Python, wherever PATH leads.
    known["PATH"] = os.pathsep.join([str(Path(sys.prefix, "bin")), known.get("PATH", os.defpath)])
    log = folder.with_name(f"{folder.name}.log")
    with log.open("wb") as stream:
        # A group of its own: stopped as a whole, before its files are removed.
        process = subprocess.Popen(
            command, cwd=app, env=known, stdout=stream, stderr=stream, stdin=subprocess.DEVNULL, start_new_session=True
        )
    return Synthesis(folder=folder, log=log, process=process)
