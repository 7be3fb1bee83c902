"""`cdk-sglang diff`: read what is deployed, synthesise what should be, and say what a deployment would do."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path  # typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdk_sglang.cli import synth
from cdk_sglang.cli.assembly import Stack, read_assembly
from cdk_sglang.cli.output import stdout
from cdk_sglang.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from cdk_sglang.cli.diff.report import DiffReport
    from cdk_sglang.cli.diff.rollouts import StartSeconds


def diff(
    env: Annotated[str | None, typer.Option("--env", help="Environment, such as prod, as it is deployed.")] = None,
    *,
    before: Annotated[
        Path | None, typer.Option("--from", help="Folder of an assembly (cdk.out/prod) instead of what is deployed.")
    ] = None,
    after: Annotated[
        Path | None, typer.Option("--to", help="Folder of an assembly instead of a synth of the environment.")
    ] = None,
    environments: Annotated[
        Path | None, typer.Option(help="Folder of the environments; the app's own by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    fail: Annotated[bool, typer.Option("--fail", help="End with exit code 1 if anything changes.")] = False,
) -> None:
    """Say what a deployment would do to each endpoint, component and adapter; read-only, with your AWS credentials.

    With --from and --to, between two folders of `cdk synth`, without AWS. Exit code 0, also when something changes; with --fail, as of
    `cdk diff --fail`, 1 if something does. 1 as well if AWS refuses; 2: wrong usage, settings, or no credentials.
    """
    if env is None and (before is None or after is None):
        raise ConfigurationError([Problem("--env", "missing; name an environment, or give both --from and --to")])
    with tempfile.TemporaryDirectory(prefix="cdk-sglang-diff-") as scratch:
        folder = after if after is not None else _synthesised(str(env), Path(scratch), environments)
        report = report_of(env, folder, before=before, environments=environments)
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        from cdk_sglang.cli.diff.show import print_diff

        print_diff(report, stdout())
    raise typer.Exit(1 if fail and not report.is_empty else 0)


def report_of(
    env: str | None, folder: Path, *, before: Path | None = None, environments: Path | None = None
) -> DiffReport:
    """Return what deploying an assembly does.

    Args:
        env: Name of the environment; None between two folders.
        folder: Folder of the assembly.
        before: Folder of the assembly that counts as deployed; what AWS says by default.
        environments: Folder of the environments, with the user's prices.
    """
    from cdk_sglang.cli.diff.compare import compare
    from cdk_sglang.cli.own import ENVIRONMENTS, own_prices

    wanted: list[Stack] = read_assembly(folder)
    if before is not None:
        deployed = read_assembly(before)
    else:
        from cdk_sglang.cli.diff.deployed import deployed_stacks

        deployed, wanted = deployed_stacks(wanted, environment=str(env))
    return compare(
        deployed,
        wanted,
        title=env or f"{before} -> {folder}",
        starts=_starts(folder),
        prices=own_prices(folder=environments or ENVIRONMENTS),
    )


def _synthesised(env: str, folder: Path, environments: Path | None) -> Path:
    command = synth.synth_command(synth.cdk_program("diff"), env, folder, environments=environments)
    if synth.run_synth(command, silent_stdout=True) != 0:
        typer.echo(f"diff: {env} cannot be synthesised, see above", err=True)
        raise typer.Exit(2)
    return folder


def _starts(folder: Path) -> Mapping[tuple[str, str], StartSeconds]:
    """Return the start-up seconds of the plan beside an assembly; none without a plan."""
    try:
        plan: Mapping[str, Any] = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    from cdk_sglang.cli.diff.rollouts import StartSeconds

    return {
        (endpoint["name"], component["name"]): StartSeconds.of_plan(component["start_up"])
        for endpoint in plan.get("endpoints", ())
        for component in endpoint["components"]
    }
