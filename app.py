"""Composition root: one environment in (`-c env=<name>`), its stacks out."""

from __future__ import annotations

import os
import sys

import aws_cdk as cdk
from rich.console import Console

from cdk_sglang import ConfigurationError
from stacks.checks import add_checks
from stacks.environments import cdk_json_context, load
from stacks.fleet import add_fleet
from stacks.report import print_fleet


def main() -> int:
    """Synthesise the environment named by the context value `env` (`local` by default)."""
    app = cdk.App(context=cdk_json_context())
    name = str(app.node.try_get_context("env") or "local")
    try:
        settings = load(name)
        env = cdk.Environment(
            account=settings.account or os.environ.get("CDK_DEFAULT_ACCOUNT"),
            region=settings.region or os.environ.get("CDK_DEFAULT_REGION"),
        )
        serving = add_fleet(app, name=name, settings=settings, source=f"environments/{name}.yaml", env=env)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    add_checks(app)
    assembly = app.synth()
    if app.node.try_get_context("report"):
        templates = [stack.template_full_path for stack in assembly.stacks]
        print_fleet(Console(width=120), name=name, endpoints=[stack.endpoint for stack in serving], templates=templates)
    return 0


if __name__ == "__main__":
    sys.exit(main())
