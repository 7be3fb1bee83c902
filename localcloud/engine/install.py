"""Install the SGLang engine into `.venv-engine`: `python3 -m localcloud.engine.install` (what `make engine` runs).

Standard library only, since it runs before anything is installed. Does nothing when the engine is there and made from
this checkout's pins. May be stopped and started again: pip keeps finished downloads, and the stamp is written last.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from localcloud.engine.recipe import PLATFORM, PLATFORM_NAME, REQUIREMENTS, ROOT, STAMP_PREFIX, VENV, stamp

if TYPE_CHECKING:
    from pathlib import Path

# 3.1 GB installed plus the wheels pip unpacks from its temporary folder (measured: torch 2.13.0+cpu, triton 3.7.1).
FREE_DISK_GB = 6
PYTHON_VERSION = (3, 11)  # torchvision 0.15.2 has no wheel for later ones
# Asked only when the configured indexes do not carry the CPU build (https://pytorch.org/get-started/locally/).
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
_NO_SUCH_VERSION = "No matching distribution found for torch=="
_DISK_FULL = "No space left on device"
_EXIT_FAILED, _EXIT_USAGE, _EXIT_INTERRUPTED = 1, 2, 130
_PROGRESS_INTERVAL_S = 5.0


class InstallError(RuntimeError):
    """Installing cannot go on; the message says what to do."""


def preflight(*, root: Path, free_gb: float, version: tuple[int, int], machine: str) -> list[str]:
    """What stands in the way of an install, one line each; empty when nothing does.

    Args:
        root: Folder that will hold `.venv-engine`.
        free_gb: Free space there, in GB.
        version: Running Python's major and minor version.
        machine: `sys.platform` and `platform.machine()`, joined by a hyphen.
    """
    problems = []
    if version != PYTHON_VERSION:
        wanted, got = (".".join(map(str, value)) for value in (PYTHON_VERSION, version))
        problems.append(
            f"the engine needs python {wanted}, this is {got}; run `make engine PYTHON=/path/to/python{wanted}`"
        )
    if machine != "linux-x86_64":
        problems.append(f"the engine's wheels are for linux-x86_64, this is {machine}; use `ENGINE=0 make test`")
    if free_gb < FREE_DISK_GB:
        problems.append(
            f"{root}: {free_gb:.1f} GB free, the engine needs {FREE_DISK_GB}; free some and run `make engine` again"
        )
    return problems


def pins(requirements: str) -> list[str]:
    """The `name==version` lines of a requirements file."""
    lines = (line.split("#", 1)[0].strip() for line in requirements.splitlines())
    return [line for line in lines if line]


def say(message: str) -> None:
    """One line of progress, seen at once."""
    print(f"engine: {message}", flush=True)


class _Progress(threading.Thread):
    """Say how far pip is: it prints a line per download, and nothing while it unpacks 3 GB."""

    def __init__(self, *, site_packages: Path, total: int) -> None:
        super().__init__(daemon=True)
        self._site_packages, self._total = site_packages, total
        self._finished = threading.Event()
        self.fetched = 0

    def run(self) -> None:
        """Print one line whenever something changed."""
        started, last = time.monotonic(), ""
        while not self._finished.wait(_PROGRESS_INTERVAL_S):
            unpacked = sum(1 for _ in self._site_packages.glob("*.dist-info"))
            line = f"{min(self.fetched, self._total)}/{self._total} packages fetched, {min(unpacked, self._total)} unpacked"
            if line != last:
                say(f"{line} ({time.monotonic() - started:.0f} s)")
                last = line

    def stop(self) -> None:
        self._finished.set()


def _pip(python: Path, *arguments: str, progress: _Progress | None = None) -> tuple[int, str]:
    """Run pip; return its exit status and the last lines it wrote."""
    command = [
        str(python),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--no-input",
        "install",
        "--no-deps",
        *arguments,
    ]
    tail: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if progress is not None and line.startswith(("Collecting ", "Requirement already satisfied:")):
                progress.fetched += 1
            if not line.startswith("WARNING: Location"):
                tail = [*tail[-30:], line.rstrip()]
    return process.returncode, "\n".join(tail)


def _check(status: int, output: str, *, doing: str) -> None:
    if status == 0:
        return
    if _DISK_FULL in output:
        raise InstallError(f"{doing}: the disk is full; free {FREE_DISK_GB} GB and run `make engine` again")
    raise InstallError(
        f"{doing} failed (pip exit {status}); run `make engine` again to go on. pip's last lines:\n{output}"
    )


def install(*, root: Path = ROOT) -> None:
    """Make `.venv-engine` what this checkout's pins say.

    Args:
        root: The repository.

    Raises:
        InstallError: With what to do next.
    """
    free_gb = shutil.disk_usage(root).free / 1e9
    machine = f"{sys.platform}-{platform.machine()}"
    problems = preflight(root=root, free_gb=free_gb, version=sys.version_info[:2], machine=machine)
    if problems:
        raise InstallError("\n".join(problems))
    wanted = pins((root / REQUIREMENTS).read_text(encoding="utf-8"))
    say(f"installing SGLang for this CPU into {VENV}: {len(wanted)} packages, about 3 GB, 2 to 7 minutes, once")
    venv = root / VENV
    python = venv / "bin" / "python"
    for old in venv.glob(f"{STAMP_PREFIX}*"):
        old.unlink()
    if (
        subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode
        if python.exists()
        else 1
    ):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
    site_packages = venv / "lib" / f"python{PYTHON_VERSION[0]}.{PYTHON_VERSION[1]}" / "site-packages"
    progress = _Progress(site_packages=site_packages, total=len(wanted))
    progress.start()
    try:
        arguments = ("--requirement", str(root / REQUIREMENTS))
        status, output = _pip(python, *arguments, progress=progress)
        if _NO_SUCH_VERSION in output:
            say(f"no CPU build of torch in the configured package indexes; asking {TORCH_CPU_INDEX}")
            progress.fetched = 0
            status, output = _pip(python, "--extra-index-url", TORCH_CPU_INDEX, *arguments, progress=progress)
        _check(status, output, doing="installing the packages")
    finally:
        progress.stop()
    status, output = _pip(python, "--no-build-isolation", "--force-reinstall", str(root / PLATFORM))
    _check(status, output, doing="installing the CPU platform plug-in")
    for leftover in [root / PLATFORM / "build", *(root / PLATFORM / "src").glob("*.egg-info")]:
        shutil.rmtree(leftover, ignore_errors=True)
    say("checking that SGLang imports and finds its platform")
    probe = "from sglang.srt.platforms import current_platform as p; from sglang.version import __version__ as v; print(v, type(p).__name__)"
    environment = {**os.environ, "SGLANG_PLATFORM": PLATFORM_NAME}
    checked = subprocess.run(
        [python, "-W", "ignore", "-c", probe], env=environment, capture_output=True, text=True, check=False
    )
    if checked.returncode != 0:
        raise InstallError(f"SGLang was installed but does not import:\n{checked.stderr.strip()[-2000:]}")
    stamp(root=root).touch()
    say(f"ready: SGLang {checked.stdout.split()[0]} on {checked.stdout.split()[1]}")


def main(*, root: Path = ROOT) -> int:
    """Install unless already done; one installer at a time."""
    if stamp(root=root).exists():
        return 0
    (root / ".make").mkdir(exist_ok=True)
    with (root / ".make" / "engine.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another `make engine` is at work; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if not stamp(root=root).exists():
                install(root=root)
        except InstallError as error:
            for line in str(error).splitlines():
                print(f"engine: {line}", file=sys.stderr)
            return _EXIT_FAILED
        except KeyboardInterrupt:
            print("\nengine: interrupted; run `make engine` again to go on", file=sys.stderr)
            return _EXIT_INTERRUPTED
        except OSError as error:
            print(f"engine: {error}; put that right and run `make engine` again", file=sys.stderr)
            return _EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
