"""`cdk-sglang agent package`: the zip that a deployment would make, with its sizes and start-up time against AgentCore's limits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cdk_sglang.agents.package.build import START_SECONDS, build, cached_zip, start_seconds
from cdk_sglang.agents.package.sources import ENTRY, AgentSources
from cdk_sglang.assets import find_folder
from cdk_sglang.cli.aws import fail
from cdk_sglang.cli.output import stdout
from cdk_sglang.errors import ConfigurationError, Problem


def package(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder with main.py and requirements.lock; the project's own agent by default."),
    ] = None,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The zip; in the cache that a deployment uses by default.")
    ] = None,
    mlflow: Annotated[bool, typer.Option("--mlflow", help="Ship requirements-mlflow.lock instead.")] = False,
    python: Annotated[
        Path | None, typer.Option("--python", help="An interpreter with the agent's packages, to measure its start.")
    ] = None,
) -> None:
    """Build the zip again even if there is one, check it, and print its sizes.

    Exit code 1: it takes longer to load than AgentCore waits. Exit code 2: it cannot be built, or AgentCore would refuse it.
    """
    sources = AgentSources.read(folder or own_folder(), mlflow=mlflow)
    archive = build(sources, output or cached_zip(sources, os.environ))
    stdout().print(f"{archive.path}: {archive.sizes()}", soft_wrap=True, highlight=False)
    if python is None:
        return
    seconds = start_seconds(sources, python)
    text = f"loads in {seconds:.1f} of {START_SECONDS} seconds on this machine"
    if seconds > START_SECONDS:
        fail(f"agent: {text}; import less in {ENTRY}, or later", code=1)
    stdout().print(text, highlight=False)


def own_folder() -> Path:
    """Return the folder of the project's own agent.

    Raises:
        ConfigurationError: It is not there.
    """
    try:
        return find_folder("agent", holds=ENTRY)
    except FileNotFoundError as error:
        raise ConfigurationError([Problem("FOLDER", f"{error}; name the folder of your agent")]) from None
