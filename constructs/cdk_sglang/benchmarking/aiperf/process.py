"""AIPerf as a process: where it is installed, its run, and its end on request."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdk_sglang.errors import ConfigurationError, Problem

VERSION: Final = "0.13.0"
"""Version that the configuration and the records are written and tested for; pinned in requirements-bench.txt."""
VARIABLE: Final = "CDK_SGLANG_AIPERF"
"""Environment variable with the path of AIPerf's executable."""
INTERRUPTED: Final = "interrupted"
"""Reason of an end by Ctrl-C."""
_ENVIRONMENT: Final = Path(".venv-bench/bin/aiperf")
_POLL_SECONDS: Final = 0.2
_STOP_SECONDS: Final = 20.0
"""Seconds in which AIPerf 0.13.0 writes its results after SIGINT (measured: 1.2 s with 10 requests); afterwards it is killed."""
_LAST_BYTES: Final = 4000
_TELEMETRY_OFF: Final = {"DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How AIPerf ended.

    Args:
        code: Exit code.
        reason: Why it was stopped; None if it ended by itself.
        log: The last lines that it wrote.
        hung: Whether it was stopped because it did not end in time.
    """

    code: int
    reason: str | None
    log: str
    hung: bool = False


def find_aiperf(path: Path | None = None) -> Path:
    """Find AIPerf's executable: the path given, CDK_SGLANG_AIPERF, .venv-bench of this folder, PATH.

    Raises:
        ConfigurationError: It is not installed.
    """
    program = path or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if program is not None:
        if not os.access(program, os.X_OK):
            raise ConfigurationError([Problem("--aiperf", f"{program} is no program; give the path of aiperf")])
        return program
    if os.access(_ENVIRONMENT, os.X_OK):
        return _ENVIRONMENT.absolute()
    found = shutil.which("aiperf")
    if found is None:
        raise ConfigurationError(
            [
                Problem(
                    "aiperf",
                    "is not installed; run `make bench-tools`, or install it into an environment of its own (pip install "
                    f"aiperf=={VERSION}) and set {VARIABLE}",
                )
            ]
        )
    return Path(found)


def version_of(executable: Path) -> str:
    """Return the version that AIPerf reports; empty if it reports none."""
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run([str(executable), "--version"], capture_output=True, text=True, check=False, timeout=120)
        words = done.stdout.split()
        return words[-1] if words else ""
    return ""


def run_aiperf(
    executable: Path,
    configuration: Path,
    *,
    log: Path,
    environment: Mapping[str, str],
    stop: Callable[[], str | None],
) -> Ended:
    """Run one step to its end, or until it is to stop: AIPerf then writes what it has measured.

    Ctrl-C reaches this process alone, since AIPerf has a session of its own; it counts as the reason "interrupted".

    Args:
        executable: AIPerf.
        configuration: Its configuration file.
        log: File for its output.
        environment: Variables beside those of this process.
        stop: Called often; returns why the step is to stop, None to go on.
    """
    command = [str(executable), "profile", "--config", str(configuration)]
    reason: str | None = None
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_TELEMETRY_OFF, **environment},
            start_new_session=True,
        )
        try:
            while process.poll() is None and reason is None:
                time.sleep(_POLL_SECONDS)
                reason = stop()
        except KeyboardInterrupt:
            reason = INTERRUPTED
        finally:
            _end(process)
    return Ended(code=process.returncode, reason=reason, log=_last_lines(log))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask AIPerf to write its results; kill it and what it started if it does not end, or is interrupted once more."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):  # its services outlive a killed parent
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_lines(log: Path) -> str:
    return log.read_bytes()[-_LAST_BYTES:].decode(errors="replace").strip()
