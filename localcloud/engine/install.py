"""Install the SGLang engine into `.venv-engine`: `python3 -m localcloud.engine.install` (what `make engine` runs).

Standard library only, since it runs before anything is installed. It does nothing if the engine is already installed from
this checkout's pins. It may be interrupted and restarted: uv and pip keep finished downloads, and the stamp is written last.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from localcloud.engine.recipe import PLATFORM, PLATFORM_NAME, REQUIREMENTS, ROOT, STAMP_PREFIX, VENV, stamp
from tools.setup import uv as uv_tool
from tools.setup.indexes import uv_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

# 3.1 GB installed plus the wheels pip unpacks from its temporary folder (measured: torch 2.13.0+cpu, triton 3.7.1).
FREE_DISK_GB = 6
PYTHON_VERSION = (3, 11)  # torchvision 0.15.2 has no wheel for later ones
# Used only if the configured indexes do not have the CPU build (https://pytorch.org/get-started/locally/).
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
_NO_SUCH_VERSION = (
    "No matching distribution found for torch==",
    "there is no version of torch==",
)  # messages of pip and uv
_DOWNLOAD = re.compile(r"(?:Collecting|Downloading|Downloaded) ([A-Za-z0-9._-]+)")
_PROBE = """
import sglang.srt.entrypoints.http_server
from sglang.srt.platforms import current_platform
from sglang.version import __version__
print(__version__, type(current_platform).__name__)
"""
_DISK_FULL = "No space left on device"
_EXIT_FAILED, _EXIT_USAGE, _EXIT_INTERRUPTED = 1, 2, 130
_PROGRESS_INTERVAL_S = 5.0


class InstallError(RuntimeError):
    """The installation failed; the message names the next step."""


def preflight(*, root: Path, free_gb: float, version: tuple[int, int], machine: str) -> list[str]:
    """Return the problems that prevent an installation, one line each.

    Args:
        root: Folder that will hold `.venv-engine`.
        free_gb: Free space there, in GB.
        version: Running Python's major and minor version.
        machine: `sys.platform` and `platform.machine()`, joined by a hyphen.
    """
    problems = []
    if version != PYTHON_VERSION:
        required, actual = (".".join(map(str, value)) for value in (PYTHON_VERSION, version))
        problems.append(
            f"the engine needs python {required}, this is {actual}; run `make engine PYTHON=/path/to/python{required}`"
        )
    if machine != "linux-x86_64":
        problems.append(f"the engine's wheels are for linux-x86_64, this is {machine}; use `ENGINE=0 make test`")
    if free_gb < FREE_DISK_GB:
        problems.append(
            f"{root}: {free_gb:.1f} GB free, the engine needs {FREE_DISK_GB}; free some and run `make engine` again"
        )
    return problems


def pins(requirements: str) -> list[str]:
    """Return the pins, `name==version`, of a requirements file."""
    return [line.split()[0] for line in requirements.splitlines() if "==" in line and not line.startswith("#")]


def say(message: str) -> None:
    """Print one line of progress at once."""
    print(f"engine: {message}", flush=True)


class _Progress(threading.Thread):
    """Print the progress of an installer, which itself prints a line per download and nothing while it unpacks 3 GB."""

    def __init__(self, *, site_packages: Path, total: int) -> None:
        super().__init__(daemon=True)
        self._site_packages, self._total = site_packages, total
        self._finished = threading.Event()
        self._last_line = ""

    def run(self) -> None:
        """Print a line after each change."""
        start, last = time.monotonic(), ""
        while not self._finished.wait(_PROGRESS_INTERVAL_S):
            unpacked = sum(1 for _ in self._site_packages.glob("*.dist-info"))
            line = f"{min(unpacked, self._total)}/{self._total} packages unpacked{self._last_line}"
            if line != last:
                say(f"{line} ({time.monotonic() - start:.0f} s)")
                last = line

    def note(self, line: str) -> None:
        """Note a line of the installer's output."""
        match = _DOWNLOAD.match(line)
        if match is not None:
            self._last_line = f", last download: {match[1]}"

    def stop(self) -> None:
        """Print no further line."""
        self._finished.set()


def _run(
    command: Sequence[str], *, environment: Mapping[str, str], progress: _Progress | None = None
) -> tuple[int, str]:
    """Run an installer; return its exit status and the last lines it wrote."""
    tail: list[str] = []
    with subprocess.Popen(
        command, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if progress is not None:
                progress.note(line.strip())
            if not line.startswith("WARNING: Location"):
                tail = [*tail[-30:], line.rstrip()]
    return process.returncode, "\n".join(tail)


def _pip(python: Path, *arguments: str, progress: _Progress | None = None) -> tuple[int, str]:
    """Run `pip install` in the engine's environment."""
    options = ["--disable-pip-version-check", "--no-input", "install", "--no-deps"]
    return _run([str(python), "-m", "pip", *options, *arguments], environment=os.environ, progress=progress)


def _uv(uv: Path, python: Path, *arguments: str, progress: _Progress | None = None) -> tuple[int, str]:
    """Run `uv pip install` for the engine's environment."""
    command = [str(uv), "pip", "install", "--python", str(python), "--no-deps", *arguments]
    return _run(command, environment=uv_environment(uv, os.environ), progress=progress)


def _check(status: int, output: str, *, doing: str) -> None:
    if status == 0:
        return
    if _DISK_FULL in output:
        raise InstallError(f"{doing}: the disk is full; free {FREE_DISK_GB} GB and run `make engine` again")
    raise InstallError(
        f"{doing} failed (exit {status}); run `make engine` again to continue. The last lines:\n{output}"
    )


def _packages(install: Callable[..., tuple[int, str]], *, root: Path, total: int) -> tuple[int, str]:
    """Install the locked packages with pip or uv; use PyTorch's own index if no configured one has its CPU build."""
    site_packages = root / VENV / "lib" / f"python{PYTHON_VERSION[0]}.{PYTHON_VERSION[1]}" / "site-packages"
    arguments = ("--require-hashes", "--requirement", str(root / REQUIREMENTS))
    progress = _Progress(site_packages=site_packages, total=total)
    progress.start()
    try:
        status, output = install(*arguments, progress=progress)
        if status != 0 and any(words in output for words in _NO_SUCH_VERSION):
            say(f"no CPU build of torch in the configured package indexes; asking {TORCH_CPU_INDEX}")
            status, output = install("--extra-index-url", TORCH_CPU_INDEX, *arguments, progress=progress)
    finally:
        progress.stop()
    return status, output


def _with_uv(uv: Path, *, root: Path, total: int, reuse: bool) -> bool:
    """Install with uv; return whether it succeeded. The environment is recreated unless an earlier installation was finished."""
    python = root / VENV / "bin" / "python"
    if not reuse:
        command = [str(uv), "venv", "--quiet", "--clear", "--python", uv_tool.PYTHON, str(root / VENV)]
        status, output = _run(command, environment=os.environ)
    else:
        status, output = 0, ""
    if status == 0:
        install = functools.partial(_uv, uv, python)
        status, output = _packages(install, root=root, total=total)
    if status == 0:
        status, output = _uv(uv, python, "--no-build-isolation", "--reinstall", str(root / PLATFORM))
    if _DISK_FULL in output:
        _check(status, output, doing="installing the packages")
    if status != 0:
        say(f"uv failed (exit {status}), continuing with pip. Its last lines:\n{output}")
    return status == 0


def _with_pip(*, root: Path, total: int) -> None:
    venv = root / VENV
    python = venv / "bin" / "python"
    probe = [str(python), "-m", "pip", "--version"]
    if not python.exists() or subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        subprocess.run([uv_tool.PYTHON, "-m", "venv", "--clear", str(venv)], check=True)
    status, output = _packages(functools.partial(_pip, python), root=root, total=total)
    _check(status, output, doing="installing the packages")
    status, output = _pip(python, "--no-build-isolation", "--force-reinstall", str(root / PLATFORM))
    _check(status, output, doing="installing the CPU platform plug-in")


def install(*, root: Path = ROOT) -> None:
    """Install this checkout's pins into `.venv-engine`.

    Args:
        root: The repository.

    Raises:
        InstallError: The installation failed; the message names the next step.
    """
    start = time.monotonic()
    free_gb = shutil.disk_usage(root).free / 1e9
    machine = f"{sys.platform}-{platform.machine()}"
    problems = preflight(root=root, free_gb=free_gb, version=sys.version_info[:2], machine=machine)
    if problems:
        raise InstallError("\n".join(problems))
    total = len(pins((root / REQUIREMENTS).read_text(encoding="utf-8")))
    say(f"installing SGLang for this CPU into {VENV}: {total} packages, about 3 GB, 1 to 5 minutes, once")
    python = root / VENV / "bin" / "python"
    stamps = list((root / VENV).glob(f"{STAMP_PREFIX}*"))
    reuse = bool(stamps) and python.exists()
    for old in stamps:
        old.unlink()
    uv = uv_tool.find(root=root)
    if uv is None or not _with_uv(uv, root=root, total=total, reuse=reuse):
        _with_pip(root=root, total=total)
    for leftover in [root / PLATFORM / "build", *(root / PLATFORM / "src").glob("*.egg-info")]:
        shutil.rmtree(leftover, ignore_errors=True)
    say("checking that SGLang imports and finds its platform")
    # The import writes bytecode, so that the first start of the engine is as fast as later ones.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["SGLANG_PLATFORM"] = PLATFORM_NAME
    probe = subprocess.run(
        [python, "-W", "ignore", "-c", _PROBE], env=environment, capture_output=True, text=True, check=False
    )
    if probe.returncode != 0:
        raise InstallError(f"SGLang was installed but does not import:\n{probe.stderr.strip()[-2000:]}")
    version, platform_name = probe.stdout.split()[-2:]
    stamp(root=root).touch()
    seconds = time.monotonic() - start
    say(f"ready: SGLang {version} on {platform_name} ({seconds:.0f} s)")


def main(*, root: Path = ROOT) -> int:
    """Install unless already done; one installer at a time."""
    if stamp(root=root).exists():
        return 0
    try:
        with uv_tool.exclusive(root, "engine", busy="engine: another `make engine` is running; waiting for it"):
            if not stamp(root=root).exists():
                install(root=root)
    except InstallError as error:
        for line in str(error).splitlines():
            print(f"engine: {line}", file=sys.stderr)
        return _EXIT_FAILED
    except KeyboardInterrupt:
        print("\nengine: interrupted; run `make engine` again to continue", file=sys.stderr)
        return _EXIT_INTERRUPTED
    except OSError as error:
        print(f"engine: {error}; fix the cause and run `make engine` again", file=sys.stderr)
        return _EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
