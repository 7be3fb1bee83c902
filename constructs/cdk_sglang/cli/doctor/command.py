"""`cdk-sglang doctor`: find what would make a deployment fail, before it is started."""

from __future__ import annotations

import json
from pathlib import Path  # typer reads annotations when it runs
from typing import Annotated, Final

import typer

from cdk_sglang.cli.environment_option import env_option, environments_option
from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.source import from_app
from cdk_sglang.errors import ConfigurationError, Problem

VARIABLE: Final = "CDK_SGLANG_NEEDS"
"""Environment variable with `module:function` of an app's own reader."""


def doctor(
    env: Annotated[str, env_option("Environment, such as prod.")],
    *,
    environments: Annotated[Path | None, environments_option()] = None,
    region: Annotated[
        str | None, typer.Option(help="Region; by default the environment's own, else that of your AWS settings.")
    ] = None,
    hub_url: Annotated[
        str | None, typer.Option("--hub-url", help="Address of another hub with Hugging Face's API.")
    ] = None,
    registry_url: Annotated[
        str | None,
        typer.Option("--registry-url", help="Address of a mirror with Docker Hub's API, for images that are built."),
    ] = None,
    try_tokens: Annotated[
        bool,
        typer.Option(
            "--try-tokens", help="Read each Hugging Face token from its secret, and try it on a file of its model."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check what a deployment of an environment depends on; read-only, with your AWS credentials. Reads no secret unless --try-tokens is given.

    Each check is ok, a warning, a failure, or could not be made, with the next step. Exit code 0: none failed.
    Exit code 1: at least one failed.
    """
    from cdk_sglang.environments.needs import environment_needs

    needs = from_app(env, environments, variable=VARIABLE, default=environment_needs)
    try:
        from cdk_sglang.cli.doctor.examination import examine
    except ModuleNotFoundError as error:
        raise ConfigurationError([Problem("doctor", f"needs {error.name}; pip install 'cdk-sglang[client]'")]) from None
    examination = examine(needs, region=region, hub_url=hub_url, registry_url=registry_url, tries_tokens=try_tokens)
    if as_json:
        typer.echo(json.dumps(examination.as_json(), indent=2))
    else:
        from cdk_sglang.cli.doctor.show import print_examination

        print_examination(examination, stdout())
    raise typer.Exit(1 if examination.failed else 0)
