"""`cdk-sglang status`: one screen for an environment: copies, instances, plan and measurement, error budgets, dollars, alarms."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path  # typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from cdk_sglang.cli.environment_option import env_option, environments_option
from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.status.source import observed_fleet

if TYPE_CHECKING:
    from rich.console import Console

    from cdk_sglang.cli.status.collect import StatusReader
    from cdk_sglang.cli.status.report import StatusReport

_LEAST_SECONDS = 5.0
"""Shortest pause of --watch: metrics come once a minute, and SageMaker throttles descriptions."""


def status(
    env: Annotated[str, env_option("Environment, such as prod.")],
    *,
    environments: Annotated[Path | None, environments_option()] = None,
    region: Annotated[
        str | None, typer.Option(help="Region; by default the environment's own, else that of your AWS settings.")
    ] = None,
    watch: Annotated[
        float | None,
        typer.Option("--watch", min=_LEAST_SECONDS, help="Refresh every so many seconds, until Ctrl-C."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --watch, one line each time.")] = False,
) -> None:
    """Print what an environment does now; read-only, with your AWS credentials.

    Exit code 0: healthy or asleep. Exit code 1: something is wrong, not deployed or could not be read; the last line says what.
    """
    reader = status_reader(env, environments, region=region)
    if watch is None:
        report = reader.read()
        _print(report, stdout(), as_json=as_json, indent=2)
    else:
        report = _watch(reader.read, watch, as_json=as_json)
    raise typer.Exit(1 if report.problems else 0)


def status_reader(env: str, environments: Path | None, *, region: str | None) -> StatusReader:
    """Return what reads the state of an environment.

    Args:
        env: Name of the environment.
        environments: Folder of the environments; the app's own by default.
        region: Region; the environment's own, else that of the AWS settings, by default.

    Raises:
        ConfigurationError: The settings are wrong, or boto3 is not installed.
    """
    fleet = observed_fleet(env, environments)
    try:
        from cdk_sglang.cli.status.collect import StatusReader
    except ModuleNotFoundError as error:
        from cdk_sglang.errors import ConfigurationError, Problem

        raise ConfigurationError([Problem("status", f"needs {error.name}; pip install 'cdk-sglang[client]'")]) from None
    return StatusReader(fleet, region=region)


def _print(report: StatusReport, console: Console, *, as_json: bool, indent: int | None) -> None:
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=indent))
        return
    from cdk_sglang.cli.status.show import print_report

    print_report(report, console)


def _watch(
    read: Callable[[], StatusReport],
    every_seconds: float,
    *,
    as_json: bool,
    pause: Callable[[float], None] | None = None,
) -> StatusReport:
    """Show reports until Ctrl-C, and return the last one; Ctrl-C before there is one ends the command with exit code 1.

    If a later read fails, the last report is shown again; expired credentials end the command.
    """
    from rich.live import Live

    from cdk_sglang.cli.status.show import screen

    console, wait = stdout(), pause or time.sleep
    report: StatusReport | None = None
    try:
        if as_json or not console.is_terminal:
            while True:
                report = _again(read, report)
                _print(report, console, as_json=as_json, indent=None)
                wait(every_seconds)
        report = read()
        with Live(screen(report, width=console.width), console=console, screen=False, auto_refresh=False) as live:
            while True:
                wait(every_seconds)
                report = _again(read, report)
                live.update(screen(report, width=console.width), refresh=True)
    except KeyboardInterrupt:
        if report is None:
            raise typer.Exit(1) from None
    return report


def _again(read: Callable[[], StatusReport], last: StatusReport | None) -> StatusReport:
    """Return a new report, or the last one if AWS throttles or is not reached for a moment, which is printed on stderr."""
    try:
        return read()
    except typer.Exit as left:
        if last is None or left.exit_code != 1:
            raise
        return last
