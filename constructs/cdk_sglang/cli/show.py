"""`cdk-sglang show`: an environment as it is deployed, with what it extends merged in."""

from __future__ import annotations

from pathlib import Path  # typer reads annotations when it runs
from typing import Annotated

import typer

from cdk_sglang.cli.environment_option import env_option, environments_option
from cdk_sglang.cli.plan import read_environment
from cdk_sglang.environments.layers import read_layers
from cdk_sglang.environments.location import ENVIRONMENTS


def show(
    env: Annotated[str, env_option("Environment to show.")],
    environments: Annotated[Path | None, environments_option()] = None,
) -> None:
    """Print an environment's settings as YAML, with those of the files that it extends; the settings are checked first."""
    import yaml

    read_environment(env, environments)
    folder = environments or ENVIRONMENTS
    path = folder / f"{env}.yaml"
    layers = read_layers(path, folder=folder, read=lambda file: yaml.safe_load(file.read_text(encoding="utf-8")))
    typer.echo("# " + ", over ".join(str(layer.path) for layer in layers.files))
    typer.echo(yaml.safe_dump(layers.merged, sort_keys=False, allow_unicode=True, width=120), nl=False)
