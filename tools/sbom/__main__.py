"""Write `dist/sbom/*.cdx.json`: `python -m tools.sbom` (what `make sbom` runs).

The generator is installed into `.venv-sbom` from its own lock. The same locks give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.sbom.lists import package_lists
from tools.setup import uv as uv_tool
from tools.setup.indexes import uv_environment

ROOT: Final = Path(__file__).resolve().parents[2]
VENV: Final = ".venv-sbom"
LOCK: Final = "tools/sbom/requirements.lock"
OUTPUT: Final = "dist/sbom"


def install(root: Path) -> int:
    """Make the generator's environment if it is missing or was made of another lock; return the exit status."""
    digest = hashlib.sha256((root / LOCK).read_bytes()).hexdigest()[:16]
    venv, stamp = root / VENV, root / VENV / f".installed-{digest}"
    with uv_tool.exclusive(root, "sbom", busy="sbom: waiting for another installation"):
        if stamp.exists():
            return 0
        uv = uv_tool.find(root=root)
        python, lock = (
            str(venv / "bin" / "python"),
            ["--no-deps", "--require-hashes", "--requirement", str(root / LOCK)],
        )
        commands = (
            [
                [uv_tool.PYTHON, "-m", "venv", "--clear", str(venv)],
                [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet", *lock],
            ]
            if uv is None
            else [
                [str(uv), "venv", "--quiet", "--clear", "--python", uv_tool.PYTHON, str(venv)],
                [str(uv), "pip", "install", "--quiet", "--python", python, *lock],
            ]
        )
        environment = dict(os.environ) if uv is None else uv_environment(uv, os.environ)
        for command in commands:
            status = subprocess.run(command, check=False, env=environment).returncode
            if status != 0:
                print(f"sbom: {command[0]} failed (exit {status}), see above; run it again to go on", file=sys.stderr)
                return 1
        stamp.touch()
    return 0


def write(root: Path) -> int:
    """Write a bill of materials for each thing that is shipped; return the exit status.

    Args:
        root: The repository.
    """
    output = root / OUTPUT
    output.mkdir(parents=True, exist_ok=True)
    # The root component has no list of direct dependencies: a lock is flat, and says so to whoever reads it.
    generate = [str(root / VENV / "bin" / "python"), "-W", "ignore::UserWarning", "-m", "cyclonedx_py", "requirements"]
    options = ["--of", "JSON", "--sv", "1.6", "--output-reproducible", "--mc-type", "library"]
    for name, packages in package_lists(root).items():
        file = output / f"{name}.cdx.json"
        command = [*generate, *options, "--pyproject", str(root / "pyproject.toml"), "--output-file", str(file), "-"]
        done = subprocess.run(command, input=packages, text=True, check=False)
        if done.returncode != 0:
            file.unlink(missing_ok=True)
            print(f"sbom: {name} could not be written, see above", file=sys.stderr)
            return 1
        components = json.loads(file.read_text(encoding="utf-8"))["components"]
        print(f"{file.relative_to(root)}: {len(components)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(install(ROOT) or write(ROOT))
