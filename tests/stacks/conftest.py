"""Environments as text: one that is fine, and what the app says to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
import yaml
from aws_cdk.assertions import Template

from cdk_sglang.environments.reading import cdk_json_context, load
from stacks.fleet import add_fleet
from tests.support.weights import adapter_folder

ENVIRONMENTS = ("local", "dev", "staging", "prod")


def _fine() -> dict[str, Any]:
    return {
        "account": "111122223333",
        "region": "us-east-1",
        "network": {"vpc": "none"},
        "endpoints": {
            "chat": {
                "capacity": {"type": "ml.g6e.12xlarge", "max_instances": 1},
                "components": {"llama": {"model": {"prefix": "weights/llama/"}}},
            }
        },
    }


@pytest.fixture
def fine() -> dict[str, Any]:
    """Return the content of a small environment without a mistake."""
    return _fine()


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run of the app left."""

    code: int
    out: str
    err: str
    written: list[str]


@pytest.fixture
def run_app(tmp_path: Path, root: Path) -> Callable[..., Run]:
    """Run `python app.py` on an environment file in a process of its own, as the CDK CLI does."""

    def run(
        content: str | bytes | dict[str, Any] | None, *, name: str = "test", context: dict[str, Any] | None = None
    ) -> Run:
        folder = tmp_path / "environments"
        folder.mkdir(exist_ok=True)
        text = yaml.safe_dump(content) if isinstance(content, dict) else content
        if text is not None:
            (folder / f"{name}.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
        environment = {
            **os.environ,
            "PYTHONPATH": f"{root / 'constructs'}{os.pathsep}{root}",
            "CDK_CONTEXT_JSON": json.dumps({**cdk_json_context(root / "cdk.json"), "env": name, **(context or {})}),
            "CDK_OUTDIR": str(tmp_path / "cdk.out"),
            "FORCE_COLOR": "0",  # as the CLI sets it where its own output is no terminal
        }
        done = subprocess.run(
            [sys.executable, root / "app.py"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        written = sorted(path.name for path in (tmp_path / "cdk.out").rglob("*"))
        return Run(code=done.returncode, out=done.stdout, err=done.stderr, written=written)

    return run


@pytest.fixture(scope="session")
def fleets(root: Path) -> dict[str, dict[str, Template]]:
    """Return the templates of every environment of the repository, by environment and stack."""
    found: dict[str, dict[str, Template]] = {}
    for name in ENVIRONMENTS:
        settings = load(name, folder=root / "environments")
        app = cdk.App(context=cdk_json_context(root / "cdk.json"))
        add_fleet(
            app,
            name=name,
            settings=settings,
            source=f"environments/{name}.yaml",
            env=cdk.Environment(account=settings.account, region=settings.region),
        )
        stacks = [child for child in app.node.children if isinstance(child, cdk.Stack)]
        found[name] = {stack.stack_name: Template.from_stack(stack) for stack in stacks}
    return found
