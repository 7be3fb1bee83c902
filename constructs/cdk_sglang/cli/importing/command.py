"""`cdk-sglang import`: the environment file of an endpoint that runs."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path  # typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cdk_sglang.cli.environment_option import env_option, environments_option, shown_env
from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.own import own_models, write_text
from cdk_sglang.environments.location import ENVIRONMENTS
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.spec.kinds import NAME_MAX_LENGTH, NAME_PATTERN, NAME_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdk_sglang.cli.importing.endpoint import Description
    from cdk_sglang.cli.importing.notes import Notes
    from cdk_sglang.cli.importing.running import Running

_STDOUT: Final = "-"


def import_endpoint(
    endpoint: Annotated[str, typer.Option("--endpoint", help="SageMaker's name of the endpoint.")],
    *,
    env: Annotated[
        str | None,
        env_option(
            "Name of the environment to write; by default the one that the endpoint belongs to, else adopted.",
            is_new=True,
        ),
    ] = None,
    write: Annotated[
        str | None,
        typer.Option("--write", help="File to write, - for the terminal; <environments>/<env>.yaml by default."),
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", help="Region; that of your AWS settings by default.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", help="Profile of your AWS settings; that of AWS_PROFILE by default.")
    ] = None,
    sglang_version: Annotated[
        str | None, typer.Option("--sglang-version", help="SGLang version of your own image, such as 0.5.23.")
    ] = None,
    cuda: Annotated[str | None, typer.Option("--cuda", help="CUDA version of your own image, such as 13.0.")] = None,
    environments: Annotated[Path, environments_option()] = ENVIRONMENTS,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the environment's file.")] = False,
) -> None:
    """Write an environment that describes a running endpoint, whatever created it; read-only, with your AWS credentials.

    Prints what the file cannot express and what the defaults would change. Exit code 1: the file is written, but a deployment of it would be refused.
    """
    try:
        from cdk_sglang.cli.importing.reading import Reader, refuse_unsettled
    except ModuleNotFoundError as error:
        raise ConfigurationError([Problem("import", f"needs {error.name}; pip install 'cdk-sglang[client]'")]) from None
    from cdk_sglang.cli.importing.endpoint import DEFAULT_ENVIRONMENT, describe
    from cdk_sglang.cli.importing.notes import Notes

    if env is not None:
        _refuse_name(env)
        _refuse_existing(_file(write, env, environments), force=force)
    notes = Notes()
    reader = Reader(region=region, profile=profile, notes=notes)
    described = reader.endpoint(endpoint)
    refuse_unsettled(described, notes)
    running = reader.whole(described)
    name = env or running.environment or DEFAULT_ENVIRONMENT
    file = _file(write, name, environments)
    _refuse_existing(file, force=force)
    description = describe(
        running,
        env=name,
        own=own_models(folder=environments),
        versions=(sglang_version, cuda),
        today=dt.datetime.now(tz=dt.UTC).date(),
        notes=notes,
    )
    text = _text(running, description, notes)
    problems = _problems(text, name, environments)
    if file is None:
        typer.echo(text, nl=False)
    else:
        write_text(file, text, option="--write")
    _report(running, description, notes, problems, name=name, file=file)
    raise typer.Exit(1 if problems else 0)


def _file(write: str | None, env: str, environments: Path) -> Path | None:
    if write == _STDOUT:
        return None
    return environments / f"{env}.yaml" if write is None else Path(write)


def _refuse_name(env: str) -> None:
    import re

    if len(env) > NAME_MAX_LENGTH or not re.fullmatch(NAME_PATTERN, env):
        raise ConfigurationError(
            [Problem("--env", f"{env!r} is not allowed; use up to {NAME_MAX_LENGTH} {NAME_WORDS}")]
        )


def _refuse_existing(file: Path | None, *, force: bool) -> None:
    if file is not None and file.exists() and not force:
        text = f"{file} exists; name another with --env or --write, or give --force to overwrite it"
        raise ConfigurationError([Problem("--env", text)])


def _text(running: Running, description: Description, notes: Notes) -> str:
    from cdk_sglang.cli.importing.yaml_text import environment_text

    today = f"{dt.datetime.now(tz=dt.UTC).date():%Y-%m-%d}"
    head = [f"Endpoint {running.name} of {running.region} as it ran on {today}, written by cdk-sglang import."]
    if running.environment is not None:
        head.append("Of its environment's other endpoints, and of what no API says, nothing is here.")
    return environment_text(description.content, notes.comments, head=head)


def _problems(text: str, name: str, environments: Path) -> Sequence[Problem]:
    """Return why a deployment of the file would be refused, in the app's own words."""
    from cdk_sglang.cli.init.drafts import planned

    try:
        problems, _ = planned(text, name=name, folder=environments)
    except ConfigurationError as error:
        return error.problems
    return problems


def _report(
    running: Running,
    description: Description,
    notes: Notes,
    problems: Sequence[Problem],
    *,
    name: str,
    file: Path | None,
) -> None:
    from cdk_sglang.cli.importing.show import print_differences

    for warning in notes.warnings:
        typer.echo(f"warning: {' '.join(warning.split())}", err=True)
    if file is not None:
        print_differences(notes.differences, description.names, stdout())
    else:  # the file has the terminal's stdout
        from rich.console import Console

        print_differences(
            notes.differences, description.names, Console(stderr=True, highlight=False, width=stdout().width)
        )
    for problem in problems:
        typer.echo(f"a deployment is refused: {problem}", err=True)
    outcome = "wrote " + str(file) if file is not None else "printed the file"
    if running.environment == name:
        typer.echo(f"{outcome}; it is of environment {name}: compare it with that one's own file", err=file is None)
        return
    fix = "fix it, then: " if problems else ""
    named = name if file is None else shown_env(file.stem, file.parent)
    typer.echo(
        f"{outcome}; next: {fix}cdk-sglang plan --env {named}, cdk-sglang doctor --env {named}; docs/import.md says how to move callers",
        err=file is None,
    )
    if description.names.get(running.name) == running.name:
        typer.echo(
            f"the endpoint would have the name that {running.name} has: delete that one first, or give another --env",
            err=True,
        )
    sys.stdout.flush()
