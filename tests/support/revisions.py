"""A repository with an app whose CDK CLI answers with assemblies that the tests synthesised, and what `cdk-sglang diff --against` says there."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from cdk_sglang.cli.main import app
from tests.support.diffs import BASE, Edit, Environments, Settings

CDK = """
import hashlib, json, os, pathlib, shutil, sys
arguments = sys.argv[1:]
(name,) = [one.partition("=")[2] for one in arguments if one.startswith("env=")]
file = pathlib.Path("environments", f"{name}.yaml")
with open(BASE / "calls.jsonl", "a") as log:
    log.write(json.dumps({"folder": os.getcwd(), "name": name, "search": os.environ.get("PYTHONPATH", "")}) + "\\n")
if not file.is_file():
    sys.exit(f"{file}: no such file")
digest = hashlib.sha256(file.read_bytes()).hexdigest()
made = json.loads((BASE / "made.json").read_text())
if digest not in made:
    print(f"{file}: endpoints: this is refused", file=sys.stderr)
    print("Subprocess exited with error 2", file=sys.stderr)
    sys.exit(1)
shutil.copytree(made[digest], arguments[arguments.index("--output") + 1])
"""
GIT = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")


def edited(*edits: Edit) -> Settings:
    """Settings of the tests' environment after some edits."""
    settings = copy.deepcopy(BASE)
    for edit in edits:
        edit(settings)
    return settings


class Repository:
    """A git repository with environments."""

    def __init__(self, folder: Path, environments: Environments, tools: Path) -> None:
        self.folder, self._environments, self.tools = folder, environments, tools
        folder.mkdir(parents=True)
        tools.mkdir()
        self._assemblies: dict[str, str] = {}
        program = tools / "cdk"
        program.write_text(f"#!{sys.executable}\nfrom pathlib import Path\nBASE = Path({str(tools)!r})\n{CDK}")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.git("init", "--quiet", "--initial-branch=main")
        (folder / "cdk.json").write_text("{}\n")
        (folder / ".gitignore").write_text(".venv/\nnode_modules/\n")

    def git(self, *arguments: str) -> str:
        """What git prints."""
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
        done = subprocess.run(
            [*GIT, *arguments], cwd=self.folder, capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        """Commit everything; returns the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def write(self, name: str, settings: Settings | None, *, is_accepted: bool = True) -> None:
        """Write an environment, or remove it; the CDK CLI refuses one that is not accepted."""
        file = self.folder / "environments" / f"{name}.yaml"
        if settings is None:
            file.unlink()
            return
        file.parent.mkdir(exist_ok=True)
        file.write_text(yaml.safe_dump(settings, sort_keys=False))
        if is_accepted:
            assembly = self._environments.assembly_of(settings)
            self._assemblies[hashlib.sha256(file.read_bytes()).hexdigest()] = str(assembly)
        (self.tools / "made.json").write_text(json.dumps(self._assemblies))

    def calls(self) -> list[dict[str, Any]]:
        """What the CDK CLI was called with, in any order."""
        file = self.tools / "calls.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def diff(self, *options: str) -> Any:
        """What the command says, in the repository, which is the current folder."""
        return CliRunner().invoke(app, ["diff", *options], catch_exceptions=False)

    @property
    def leftovers(self) -> list[str]:
        """Worktrees beside the repository's own."""
        listed = self.git("worktree", "list", "--porcelain").splitlines()
        return [line for line in listed if line.startswith("worktree ")][1:]
