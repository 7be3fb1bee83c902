"""`cdk-sglang bench scan`: a model over several instance types. From the plan alone, so far: no endpoint is made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from cdk_sglang.checks import did_you_mean, raise_if_any
from cdk_sglang.cli.bench.report import number
from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.own import ENVIRONMENTS, own_models, own_prices
from cdk_sglang.errors import ConfigurationError, Problem


def scan(
    model: Annotated[str, typer.Option("--model", help="Id of the model, such as Qwen/Qwen3-8B.")],
    types: Annotated[str, typer.Option("--types", help="Instance types, separated by commas.")],
    *,
    input_tokens: Annotated[float, typer.Option(min=1, help="Mean tokens of a prompt.")] = 1024,
    output_tokens: Annotated[float, typer.Option(min=1, help="Mean tokens of an answer.")] = 256,
    ttft_ms: Annotated[float | None, typer.Option(min=1, help="Objective: time to the first token.")] = None,
    tpot_ms: Annotated[float | None, typer.Option(min=0.1, help="Objective: time per further token.")] = None,
    context_length: Annotated[int | None, typer.Option(min=1, help="Longest request to hold.")] = None,
    region: Annotated[str, typer.Option(help="Region of the prices.")] = "us-east-1",
    environments: Annotated[Path, typer.Option(help="Folder with your own models and prices.")] = ENVIRONMENTS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="From the plan alone; needed in this version.")] = False,
) -> None:
    """Print, by instance type, the most requests in flight that keep the objectives, and what a million tokens then costs.

    Exit code 1: no type keeps them.
    """
    from cdk_sglang.benchmarking.scan import scan_plan
    from cdk_sglang.hardware import GpuInstance
    from cdk_sglang.models.facts import catalogue
    from cdk_sglang.planning import ComponentRequest
    from cdk_sglang.spec.slo import Slo

    if not dry_run:
        text = (
            "missing; this version makes no endpoints for a scan: give --dry-run, or deploy each type and use bench run"
        )
        raise ConfigurationError([Problem("--dry-run", text)])
    names = list(dict.fromkeys(name.strip() for name in types.split(",") if name.strip()))
    known = [instance.name for instance in GpuInstance.all()]
    raise_if_any(
        Problem("--types", f"unknown type {name!r}; {did_you_mean(name, known)}") for name in names if name not in known
    )
    if not names:
        raise ConfigurationError([Problem("--types", "names no type; give some, such as ml.g6e.2xlarge,ml.p5.4xlarge")])
    component = ComponentRequest(
        name=model.rsplit("/", maxsplit=1)[-1],
        facts=catalogue(model, also=own_models(folder=environments)),
        context_length=context_length or int(input_tokens + output_tokens),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
    )
    found = scan_plan(
        component,
        [GpuInstance.named(name) for name in names],
        None if ttft_ms is None and tpot_ms is None else Slo(ttft_ms=ttft_ms, tpot_ms=tpot_ms),
        region=region,
        prices=own_prices(folder=environments),
    )
    table = Table(box=box.SIMPLE_HEAD, title=f"{model} from the plan, nothing measured")
    for heading in ("instance", "GPUs", "in flight", "TTFT ms", "TPOT ms", "$/h a copy", "$/1M in", "$/1M out"):
        table.add_column(heading, justify="left" if heading == "instance" else "right")
    for one in found:
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
    raise typer.Exit(0 if any(one.answer is not None for one in found) else 1)
