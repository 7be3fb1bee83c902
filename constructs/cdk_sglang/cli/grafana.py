"""`cdk-sglang grafana`: the dashboards of an environment as Grafana's JSON."""

from __future__ import annotations

from pathlib import Path  # typer reads annotations when it runs
from typing import Annotated

import typer

from cdk_sglang.cli.environment_option import env_option, environments_option
from cdk_sglang.cli.own import write_text
from cdk_sglang.cli.status.source import observed_fleet


def grafana(
    env: Annotated[str, env_option("Environment, such as prod.")],
    *,
    into: Annotated[Path, typer.Option("--into", help="Folder for the files of the dashboards; created if missing.")],
    environments: Annotated[Path | None, environments_option()] = None,
) -> None:
    """Write an environment's dashboards for Grafana, one file each; import them with a Prometheus data source.

    Exit code 2: the settings are wrong, a file cannot be written, or the extra `grafana` is not installed.
    """
    from cdk_sglang.observability.dashboards.context import DashboardContext
    from cdk_sglang.observability.grafana import grafana_dashboards

    fleet = observed_fleet(env, environments)
    # Whoever has the metrics in a Prometheus has them, whatever CloudWatch enriches.
    context = DashboardContext(name=fleet.environment, endpoints=fleet.endpoints, enrichment=True)
    for name, text in grafana_dashboards(context).items():
        path = into / f"{name}.json"
        write_text(path, text)
        typer.echo(str(path))
