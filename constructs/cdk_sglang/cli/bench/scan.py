"""`cdk-sglang bench scan`: a model over several instance types, measured on endpoints that live for minutes, or from the plan alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from cdk_sglang.checks import did_you_mean, raise_if_any
from cdk_sglang.cli.aws import failures_of
from cdk_sglang.cli.bench.environment import history_location
from cdk_sglang.cli.bench.options import Aiperf, Api, History, Tokenizer
from cdk_sglang.cli.bench.report import number
from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.own import own_calibration, own_models, own_prices
from cdk_sglang.environments.location import ENVIRONMENTS
from cdk_sglang.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdk_sglang.benchmarking.scan import Scanned
    from cdk_sglang.benchmarking.scan_run import Candidate, Scan
    from cdk_sglang.cli.bench.scan_measure import Options
    from cdk_sglang.hardware import GpuInstance

FOLDER = Path(".bench/runs")
"""Folder of AIPerf's own files, one below it for each instance type."""


def scan(
    model: Annotated[str, typer.Option("--model", help="Id of the model, such as Qwen/Qwen3-8B.")],
    types: Annotated[str, typer.Option("--types", help="Instance types, separated by commas.")],
    *,
    weights: Annotated[
        str | None, typer.Option("--weights", help="Location of the model's files, s3://bucket/prefix/.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option("--budget", min=0.01, help="Maximum cost of the scan, in US dollars.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Use the plan only: no endpoint is created, and nothing is spent.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Spend without asking.")] = False,
    input_tokens: Annotated[float, typer.Option(min=1, help="Mean tokens of a prompt.")] = 1024,
    output_tokens: Annotated[float, typer.Option(min=1, help="Mean tokens of an answer.")] = 256,
    ttft_ms: Annotated[
        float | None, typer.Option(min=1, help="Objective: time to the first token, in milliseconds.")
    ] = None,
    tpot_ms: Annotated[
        float | None, typer.Option(min=0.1, help="Objective: time per further token, in milliseconds.")
    ] = None,
    context_length: Annotated[
        int | None, typer.Option(min=1, help="Longest request that a copy must hold, in tokens.")
    ] = None,
    region: Annotated[str, typer.Option(help="Region of the endpoints and of the prices.")] = "us-east-1",
    environments: Annotated[Path, typer.Option(help="Folder with your own models and prices.")] = ENVIRONMENTS,
    calibration: Annotated[
        Path | None,
        typer.Option("--calibration", help="File or folder of `cdk-sglang bench` that calibrates the plan."),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, max=20, help="Number of measurements of each load.")] = 1,
    start_minutes: Annotated[
        float, typer.Option(min=1, max=240, help="Maximum minutes to wait for an endpoint to start.")
    ] = 45,
    api: Api = "openai",
    aiperf: Aiperf = None,
    tokenizer: Tokenizer = None,
    history: History = None,
) -> None:
    """Measure a model on instance types, on an endpoint of each, one after the other, and print what a million tokens cost.

    Every endpoint is deleted before the next is created, whatever ended it; `cdk-sglang bench clean` deletes what a killed scan left, and
    so does the next scan. Exit code 1: nothing that was measured meets the objectives, the scan was interrupted, or an endpoint is not deleted.
    """
    from cdk_sglang.benchmarking.scan import scan_plan
    from cdk_sglang.cli.bench.scan_measure import Options
    from cdk_sglang.models.known_models import catalogue
    from cdk_sglang.planning import ComponentRequest
    from cdk_sglang.spec.slo import Slo

    instances = _instances(types)
    if not dry_run:
        _check_usage(weights, budget=budget, api=api)
    also, prices = own_models(folder=environments), own_prices(folder=environments)
    component = ComponentRequest(
        name=model.rsplit("/", maxsplit=1)[-1],
        facts=catalogue(model, also=also),
        context_length=context_length or int(input_tokens + output_tokens),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        calibration=own_calibration(calibration, models=also),
    )
    slo = None if ttft_ms is None and tpot_ms is None else Slo(ttft_ms=ttft_ms, tpot_ms=tpot_ms)
    planned = scan_plan(component, instances, slo, region=region, prices=prices)
    print_plan(model, planned)
    if dry_run:
        raise typer.Exit(0 if any(one.answer is not None for one in planned) else 1)
    assert weights is not None
    assert budget is not None
    options = Options(
        component=component,
        slo=slo,
        region=region,
        prices=prices,
        weights=weights.rstrip("/") + "/",
        api=api,
        aiperf=aiperf,
        tokenizer=tokenizer or "",
        repeats=repeats,
        wait_seconds=start_minutes * 60,
        folder=FOLDER,
        history=history_location(history),
    )
    done = _measure(instances, planned, options, budget=budget, start_minutes=start_minutes, yes=yes)
    print_scan(model, done)
    for one in done.results:
        if one.left:
            typer.echo(
                f"bench: not deleted: {one.left}; it may cost money until it is deleted: cdk-sglang bench clean --region {region}",
                err=True,
            )
    is_done = (
        any(one.best for one in done.results) and not done.interrupted and not any(one.left for one in done.results)
    )
    raise typer.Exit(0 if is_done else 1)


def _instances(types: str) -> list[GpuInstance]:
    from cdk_sglang.hardware import GpuInstance

    names = list(dict.fromkeys(name.strip() for name in types.split(",") if name.strip()))
    known = [instance.name for instance in GpuInstance.all()]
    raise_if_any(
        Problem("--types", f"unknown type {name!r}; {did_you_mean(name, known)}") for name in names if name not in known
    )
    if not names:
        raise ConfigurationError([Problem("--types", "names no type; give some, such as ml.g6e.2xlarge,ml.p5.4xlarge")])
    return [GpuInstance.named(name) for name in names]


def _check_usage(weights: str | None, *, budget: float | None, api: str) -> None:
    from cdk_sglang.cli.bench.senders import check_usage
    from cdk_sglang.spec.s3 import place_of

    problems = []
    if budget is None:
        problems.append(Problem("--budget", "missing; say how many dollars the scan may cost, or give --dry-run"))
    if weights is None:
        text = "missing; give the place of the model's files, s3://bucket/prefix/, or --dry-run for the plan alone"
        problems.append(Problem("--weights", text))
    elif place_of(weights.rstrip("/") + "/") is None:
        problems.append(Problem("--weights", f"{weights!r} is no place in S3; write s3://bucket/prefix/"))
    raise_if_any(problems)
    check_usage(runner="aiperf", api=api, role=None, output=None)


def _measure(
    instances: Sequence[GpuInstance],
    planned: Sequence[Scanned],
    options: Options,
    *,
    budget: float,
    start_minutes: float,
    yes: bool,
) -> Scan:
    """Check everything that can be checked beforehand, ask, and measure."""
    from dataclasses import replace

    from cdk_sglang.benchmarking.aiperf.process import find_aiperf
    from cdk_sglang.benchmarking.history.parquet import duckdb_module
    from cdk_sglang.benchmarking.scan_run import ScanSetup, run_scan
    from cdk_sglang.cli.bench.clean import clean_left_over
    from cdk_sglang.cli.bench.run import new_identifier
    from cdk_sglang.cli.bench.scan_measure import candidates, confirm, ended_as_interrupted, measurer, scan_stacks
    from cdk_sglang.cli.bench.senders import tokenizer_of

    identifier = new_identifier().lower()
    chosen = candidates(identifier, instances, planned, options)
    if not chosen:
        raise ConfigurationError([Problem("--types", "the model fits none of them; name larger ones")])
    duckdb_module()
    find_aiperf(options.aiperf)
    if not options.tokenizer:  # reading it shows, too, that the weights are there
        folder = (options.folder / identifier / "tokenizer").absolute()
        options = replace(options, tokenizer=tokenizer_of(options.weights, folder, region=options.region))
    confirm(_question(chosen, budget), yes=yes)
    stacks = scan_stacks(options.region)
    with ended_as_interrupted():
        with failures_of("cloudformation:DescribeStacks"):
            clean_left_over(stacks)
        setup = ScanSetup(
            stacks=stacks,
            measure=measurer(identifier, options),
            budget_usd=budget,
            start_minutes=start_minutes,
            slo=options.slo,
            load=(options.component.input_tokens, options.component.output_tokens),
        )
        return run_scan(identifier, chosen, setup)


def _question(chosen: Sequence[Candidate], budget: float) -> str:
    each = ", ".join(f"{one.planned.instance} {one.usd_per_hour:.2f} $/h" for one in chosen)
    starts = sum(one.start_seconds / 3600 * one.usd_per_hour for one in chosen)
    count = "1 endpoint" if len(chosen) == 1 else f"{len(chosen)} endpoints one after the other"
    return f"make {count} ({each}) for at most ${budget:.2f}, of which starting takes about ${starts:.2f}?"


def print_plan(model: str, planned: Sequence[Scanned]) -> None:
    """Print what the plan says of each instance type.

    Args:
        model: Id of the model.
        planned: What the plan says.
    """
    table = Table(box=box.SIMPLE_HEAD, title=f"{model} from the plan, nothing measured")
    for heading in ("instance", "GPUs", "in flight", "TTFT ms", "TPOT ms", "$/h a copy", "$/1M in", "$/1M out"):
        table.add_column(heading, justify="left" if heading == "instance" else "right")
    for one in planned:
        if one.answer is None or one.answer.ttft_ms is None or one.answer.tpot_ms is None:
            table.add_row(one.instance, one.problem)
            continue
        table.add_row(
            one.instance,
            str(one.gpus),
            str(one.concurrency),
            number(one.answer.ttft_ms.value),
            number(one.answer.tpot_ms.value),
            "unknown" if one.usd_per_hour is None else f"{one.usd_per_hour:.2f}",
            "unknown" if one.tokens is None else number(one.tokens.input),
            "unknown" if one.tokens is None else number(one.tokens.output),
        )
    stdout().print(table)


def print_scan(model: str, done: Scan) -> None:
    """Print what a scan measured, the cheapest million output tokens first, next to the plan.

    Args:
        model: Id of the model.
        done: The scan.
    """
    table = Table(box=box.SIMPLE_HEAD, title=f"{model} measured, scan {done.identifier}: ${done.usd:.2f} of instances")
    for heading in (
        "instance",
        "GPUs",
        "in flight",
        "TTFT ms",
        "TPOT ms",
        "$/1M in",
        "$/1M out",
        "planned",
        "cost $",
        "note",
    ):
        table.add_column(heading, justify="left" if heading in {"instance", "note"} else "right")
    for one in sorted(done.results, key=lambda one: (one.best is None, one.best.tokens.output if one.best else 0.0)):
        planned, best = one.candidate.planned, one.best
        figures = ("-",) * 5
        if best is not None:
            tokens = best.tokens
            times = (number(best.ttft_ms), number(best.tpot_ms))
            figures = (str(best.concurrency), *times, number(tokens.input), number(tokens.output))
        of_plan = "-" if planned.tokens is None else number(planned.tokens.output)
        table.add_row(planned.instance, str(planned.gpus), *figures, of_plan, f"{one.usd:.2f}", one.problem)
    stdout().print(table)
