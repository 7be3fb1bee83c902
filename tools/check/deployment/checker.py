"""The check: a process with an embedded AWS of its own deploys every environment and deletes it again."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.check import commands
from tools.check.assemblies import Assembly
from tools.check.outcomes import Outcome

_TIMEOUT_SECONDS: Final = 300
_NEXT: Final = "fix it, or tools/check/deployment and localcloud, if AWS would take it"


def check(assemblies: Sequence[Assembly]) -> Outcome:
    """Deploy every stack, delete it again, and return what was refused; nothing is started."""
    stacks = sum(len(assembly.stacks) for assembly in assemblies)
    resources = sum(len(stack.resources) for assembly in assemblies for stack in assembly.stacks)
    environments = [f"{assembly.environment}={assembly.folder.resolve()}" for assembly in assemblies]
    with tempfile.TemporaryDirectory(prefix="deployment-") as folder:
        report = Path(folder, "findings.json")
        status, output = commands.run(
            [Path(sys.executable).name, "-m", "tools.check.deployment", str(report), *environments],
            timeout_seconds=_TIMEOUT_SECONDS,
            variables=_without_aws(folder),
        )
        problems = (
            [f"{line}; {_NEXT}" for line in json.loads(report.read_text(encoding="utf-8"))]
            if status == 0
            else [_failure(output)]
        )
    return Outcome(figures=f"{stacks} stacks with {resources} resources, and deleted again", problems=problems)


def _failure(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no output"]
    return f"the embedded AWS did not run: {lines[-1]}; `python -m localcloud` starts it by hand"


def _without_aws(folder: str) -> dict[str, str]:
    """This process's variables without those of AWS and of the embedded AWS, and a folder of its own for temporary files."""
    others = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "MOTO_", "LOCALCLOUD_", "CDK_DEFAULT_"))
    }
    return {**others, "TMPDIR": folder, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
