"""`cdk-sglang eagle report`: the evidence of a run as tables, as a page, and as calibration of the planner."""

from __future__ import annotations

import json
from pathlib import Path  # typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich import box
from rich.table import Table

from cdk_sglang.cli.eagle.options import Component, Env, Region, check_run
from cdk_sglang.cli.eagle.pipeline import find_pipeline
from cdk_sglang.cli.eagle.place import Place
from cdk_sglang.cli.environment_option import environments_option
from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.own import write_text
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.optimization.evidence import LevelRow, evidence_rows, level_row, verdict_line

if TYPE_CHECKING:
    from rich.console import Console

    from cdk_sglang.optimization.report import Report

_WIDE_FROM: Final = 110
"""Minimum characters per line for a table of figures."""
_HEADINGS: Final = ("in flight", "output tokens/s", "speed-up", "TPOT ms", "TTFT ms", "TTFT change", "accept length")


def report(
    env: Env,
    *,
    component: Component = None,
    run: Annotated[str | None, typer.Option("--run", help="A run; the newest with a report by default.")] = None,
    region: Region = None,
    html: Annotated[Path | None, typer.Option("--html", help="File for the page.")] = None,
    calibration: Annotated[
        Path | None,
        typer.Option("--calibration", help="Folder for the run's figures, for `cdk-sglang predict --calibration`."),
    ] = None,
    environments: Annotated[Path | None, environments_option("Folder of the environments.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as it is stored.")] = False,
) -> None:
    """Print the evidence of a run: both sides' figures with their intervals, the verdict and its reasons.

    Exit code 1: there is no report. A draft that did not pass its gate is a report like any other.
    """
    check_run(run)
    pipeline = find_pipeline(env, component, region=region)
    found = pipeline.report(run)
    if as_json:
        text = pipeline.file(pipeline.place.run_key(found.run, "report.json"))
        typer.echo(json.dumps(json.loads(text or "{}"), indent=2))
    else:
        print_report(found, stdout())
    if html is not None:
        from cdk_sglang.optimization.page import report_html

        write_text(html, report_html(found, usd_per_hour=_usd_per_hour(found, pipeline.region)), option="--html")
        typer.echo(f"page: {html}", err=as_json)
    if calibration is not None:
        place = _write_calibration(found, pipeline.place, calibration, environments)
        typer.echo(f"calibration: {place}; use it with: cdk-sglang predict --calibration {calibration}", err=as_json)


def print_report(found: Report, console: Console) -> None:
    """Print a report as tables if there is room, else as lines.

    Args:
        found: The report.
        console: The console.
    """
    console.print(verdict_line(found), style="bold", markup=False)
    for reason in found.reasons:
        console.print(f"- {reason}", markup=False)
    rows = [level_row(level) for level in found.levels]
    if console.width >= _WIDE_FROM:
        table = Table(
            *_HEADINGS,
            box=box.SIMPLE_HEAD,
            title="the model alone → with the draft; mean and 95 % interval over repeats",
        )
        for row in rows:
            table.add_row(*row)
        console.print(table)
    else:
        console.print("the model alone → with the draft:")
        for row in rows:
            for line in _lines(row):
                console.print(line, markup=False)
    evidence = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in evidence_rows(found):
        evidence.add_row(name, value)
    console.print(evidence)


def _lines(row: LevelRow) -> list[str]:
    return [
        f"{row.concurrency} in flight: {row.speedup} times the output tokens/s ({row.tokens})",
        f"  TPOT {row.tpot} ms, TTFT {row.ttft} ms ({row.ttft_change}), accept length {row.accept}",
    ]


def _usd_per_hour(found: Report, region: str) -> float | None:
    """Return the price of one copy's share of its instance; None if unknown."""
    from cdk_sglang.hardware import GpuInstance, price_usd_per_hour

    try:
        instance = GpuInstance.named(str(found.workload.get("instance")))
    except ConfigurationError:
        return None
    price, gpus = price_usd_per_hour(instance, region), found.workload.get("gpus")
    return None if price is None or not gpus else price.usd_per_hour * int(gpus) / instance.gpu_count


def _write_calibration(found: Report, place: Place, folder: Path, environments: Path | None) -> Path:
    from cdk_sglang.cli.bench.environment import read_environment
    from cdk_sglang.optimization.learning import gate_content

    target = next(
        (
            one
            for one in read_environment(place.environment, environments).targets.values()
            if one.component_name == place.component
        ),
        None,
    )
    if target is None or target.request is None:
        text = f"nothing is known of the model of {place.component}, so the planner cannot learn from it; give its model.id"
        raise ConfigurationError([Problem("--calibration", text)])
    content = gate_content(found, target.request, sglang_version=target.sglang_version)
    path = folder / f"gate-{found.run}.json"
    write_text(path, json.dumps(content, indent=2) + "\n", option="--calibration")
    return path
