"""`cdk-sglang destroy`: delete the stacks of an environment with the CDK CLI, and print what stays and what it costs."""

from __future__ import annotations

import os
import sys
from pathlib import Path  # typer reads annotations when it runs
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from cdk_sglang.cli import synth
from cdk_sglang.cli.deploy import EMBEDDED
from cdk_sglang.cli.environment_option import env_option, environments_option
from cdk_sglang.errors import ConfigurationError, Problem

_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}
_STAYS: Final = (
    "Resources with data stay, unless the environment says data: {on_delete: destroy}: weights and reports (0.023 $ a GB and month), images "
    "(0.10 $ a GB), logs (0.03 $ a GB, until log_retention_days are over), and the key that they are encrypted with (1 $ a month); "
    "docs/teardown.md finds and removes them."
)
"""List prices of us-east-1 as in docs/teardown.md (read 2026-11)."""


def destroy(
    env: Annotated[str, env_option("Environment, such as dev.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    environments: Annotated[
        Path | None, environments_option("Folder of the environments; the app's own by default.")
    ] = None,
) -> None:
    """Delete every stack of an environment with your AWS credentials; endpoints are deleted, and resources with data stay.

    On a terminal the CDK CLI asks first. Exit code 1: a stack is not deleted; the same command continues from there. Exit code 2: the
    environment is wrong, or there is no terminal to ask at.
    """
    if env == EMBEDDED and urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname not in _LOOPBACK:
        text = f"{env!r} is the environment of the embedded AWS; run make local-down, or name another environment"
        raise ConfigurationError([Problem("--env", text)])
    if not yes and not sys.stdin.isatty():
        raise ConfigurationError([Problem("destroy", "there is no terminal to ask at; add --yes to delete the stacks")])
    cdk, output = synth.cdk_program("destroy"), Path("cdk.out") / env
    if (code := synth.run_synth(synth.synth_command(cdk, env, output, environments=environments))) != 0:
        typer.echo(f"destroy: {env} cannot be synthesised, see above; nothing was deleted", err=True)
        raise typer.Exit(code)
    typer.echo(_STAYS)
    force = ["--force"] if yes else []
    if synth.run_cdk([cdk, "destroy", "--all", "--no-notices", "--app", str(output), *force]) != 0:
        typer.echo("destroy: a stack was not deleted, see above; the same command continues from there", err=True)
        raise typer.Exit(1)
