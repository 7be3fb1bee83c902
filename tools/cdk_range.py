"""Install the lowest or the newest aws-cdk-lib of pyproject.toml's range: `python -m tools.cdk_range lowest|newest`.

For tests: the command replaces the locked version in the environment that runs it.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

ROOT: Final = Path(__file__).resolve().parent.parent
_PACKAGE: Final = "aws-cdk-lib"
_EXIT_USAGE: Final = 2


def requirement(pyproject: str, end: str) -> str:
    """Return pip's requirement for one end of the range.

    Args:
        pyproject: Text of `pyproject.toml`.
        end: `lowest` or `newest`.

    Returns:
        A requirement, for example `aws-cdk-lib==2.275.0`; for the newest, the range itself.

    Raises:
        ValueError: The end is neither, or the range has no lower bound.
    """
    dependencies = map(Requirement, tomllib.loads(pyproject)["project"]["dependencies"])
    (dependency_of_cdk,) = (dependency for dependency in dependencies if dependency.name == _PACKAGE)
    if end == "newest":
        return f"{_PACKAGE}{dependency_of_cdk.specifier}"
    lower = [bound.version for bound in dependency_of_cdk.specifier if bound.operator == ">="]
    if end != "lowest" or len(lower) != 1:
        raise ValueError(f"{end!r} of {dependency_of_cdk}: use lowest or newest, of a range with one lower bound")
    return f"{_PACKAGE}=={lower[0]}"


def main(arguments: list[str]) -> int:
    """Install one end of the range; return the exit code."""
    try:
        (end,) = arguments
        cdk_requirement = requirement((ROOT / "pyproject.toml").read_text(encoding="utf-8"), end)
    except ValueError as error:
        print(f"python -m tools.cdk_range lowest|newest: {error}", file=sys.stderr)
        return _EXIT_USAGE
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", cdk_requirement]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
