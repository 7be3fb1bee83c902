"""Steps of a composite GitHub Action, run by bash as a runner does."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

Context = Mapping[str, Any]
"""Values of expressions by their text, such as inputs.base."""


class Action:
    """A composite Action."""

    def __init__(self, file: Path) -> None:
        self.members: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
        self.steps: dict[str, dict[str, Any]] = {step["name"]: step for step in self.members["runs"]["steps"]}

    def inputs(self, **options: str) -> dict[str, str]:
        """Inputs as expressions name them: those given, else their defaults."""
        known = {name.replace("_", "-"): value for name, value in options.items()}
        return {
            f"inputs.{name}": known.get(name, str(one.get("default", "")))
            for name, one in self.members["inputs"].items()
        }

    def run(
        self, name: str, context: Context, folder: Path, *, variables: Mapping[str, str], temporary: Path
    ) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
        """Run a step, and return how it ended and its outputs."""
        step = self.steps[name]
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "an expression in a script is code of whoever writes its value"
        output, summary = temporary / f"{name}.output", temporary / "summary.md"
        output.write_text("")
        known = {key: _resolved(str(value), context) for key, value in step.get("env", {}).items()}
        environment = {
            **os.environ,
            **variables,
            **known,
            "RUNNER_TEMP": str(temporary),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
        }
        # https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell (read 2026-12)
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        inside = folder / _resolved(str(step.get("working-directory", ".")), context)
        done = subprocess.run(command, cwd=inside, env=environment, capture_output=True, text=True, check=False)
        return done, dict(line.split("=", 1) for line in output.read_text().splitlines())


def _resolved(text: str, context: Context) -> str:
    return re.sub(r"\$\{\{ ([^}]+) \}\}", lambda match: str(context[match[1]]), text)
