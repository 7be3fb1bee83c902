"""`cdk-sglang plan`: the plan of an environment, or of one model on one instance type.

Environments are read and checked by `cdk_sglang.environments.planning.fleet_request`. An app with settings of its own registers another function
that turns an environment's name into a `FleetRequest` (see `use_environments`), or names it as `module:function` in `CDK_SGLANG_ENVIRONMENTS`.
The function gets `--environments` as `folder`, and adds the user's own models and prices; for one model, the command reads those beside the
environments.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from pathlib import Path  # typer reads annotations when it runs
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cdk_sglang.cli.environment_option import env_option, environments_option
from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.own import own_calibration, own_models, own_prices
from cdk_sglang.cli.source import reader_of, told_by
from cdk_sglang.environments.location import ENVIRONMENTS
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import GpuInstance, read_prices
from cdk_sglang.models.facts import catalogue
from cdk_sglang.planning.cost import POOLS_MEAN
from cdk_sglang.planning.export import plan_json
from cdk_sglang.planning.fleet_plan import FleetPlan
from cdk_sglang.planning.fleet_request import ComponentRequest, EndpointRequest, FleetRequest
from cdk_sglang.planning.host import host_line
from cdk_sglang.planning.page import plan_html
from cdk_sglang.planning.plan import plan_fleet
from cdk_sglang.planning.presentation import cost_rows, money, origins
from cdk_sglang.planning.price import PER_MILLION_MEANS
from cdk_sglang.spec.slo import AT_CONCURRENCY_MAX, Slo

EnvironmentReader = Callable[..., FleetRequest]
"""Takes an environment's name, and with `--environments` the folder of environments as `folder`."""
VARIABLE = "CDK_SGLANG_ENVIRONMENTS"
"""Environment variable with `module:function` of an app's own reader."""
_reader: list[EnvironmentReader] = []


def use_environments(reader: EnvironmentReader) -> None:
    """Register the function that turns an environment's name into the fleet to plan."""
    _reader[:] = [reader]


def plan(
    env: Annotated[str | None, env_option("Environment to plan.")] = None,
    environments: Annotated[Path | None, environments_option()] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Plan one model, by its id, instead of an environment; needs --instance."),
    ] = None,
    instance: Annotated[
        str | None, typer.Option("--instance", help="With --model: the instance type, for example ml.g6e.2xlarge.")
    ] = None,
    tp_size: Annotated[
        int | None,
        typer.Option("--tp-size", help="With --model: GPUs per copy; the fewest that hold the model by default."),
    ] = None,
    context_length: Annotated[
        int | None,
        typer.Option(
            "--context-length",
            help="With --model: tokens of the longest request, answer included; the model's own limit by default.",
        ),
    ] = None,
    concurrency: Annotated[
        float, typer.Option("--concurrency", help="With --model: requests in flight per copy.")
    ] = 16,
    region: Annotated[str, typer.Option("--region", help="With --model: Region of the prices.")] = "us-east-1",
    models: Annotated[
        list[Path] | None, typer.Option("--models", help="Your own models; environments/models by default.")
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(
            "--prices", help="A file written by `cdk-sglang prices update`; environments/prices.csv by default."
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration",
            help="With --model: file or folder of `cdk-sglang bench`, whose figures predictions near them follow.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write the plan as a page.")] = None,
) -> None:
    """Print whether the models fit, their speed and their cost; exit 1 if the plan cannot be deployed."""
    if env is not None and models:
        raise ConfigurationError(
            [
                Problem(
                    "--models",
                    "goes with --model; an environment's own models are read from the folder models beside it, where models "
                    "add --into puts them",
                ),
            ]
        )
    if env is not None and calibration is not None:
        text = "goes with --model; an environment names its own: planning: {calibration: <file beside it>}"
        raise ConfigurationError([Problem("--calibration", text)])
    if env is not None:
        request = read_environment(env, environments)
    elif model and instance:
        request = model_request(
            model=model,
            instance=instance,
            tp_size=tp_size,
            context_length=context_length,
            concurrency=concurrency,
            region=region,
            folder=environments or ENVIRONMENTS,
            models=models,
            calibration=calibration,
        )
    else:
        raise ConfigurationError(
            [Problem("plan", "say what to plan: --env NAME, or --model ID and --instance ml.<type>")]
        )
    if prices is not None:
        request = dataclasses.replace(request, prices=read_prices(prices))
    raise typer.Exit(show_plan(_of_today(request), as_json=as_json, html=html))


def show_plan(request: FleetRequest, *, as_json: bool = False, html: Path | None = None) -> int:
    """Plan a fleet, print the plan, and return the exit code: 0 if the plan may be deployed, else 1.

    Args:
        request: The fleet to plan.
        as_json: Print JSON instead of tables.
        html: File for the plan's page; not written by default.
    """
    fleet_plan = plan_fleet(request)
    if html is not None:
        html.write_text(plan_html(fleet_plan, request), encoding="utf-8")
    if as_json:
        typer.echo(plan_json(fleet_plan), nl=False)
    else:
        print_plan(fleet_plan)
    for line in fleet_plan.problems:
        typer.echo(line, err=True)
    return 1 if fleet_plan.problems else 0


def print_plan(fleet_plan: FleetPlan, console: Console | None = None) -> None:
    """Print a plan as tables on stdout or the caller's console, and its warnings on stderr."""
    out = console or stdout()
    table = Table(
        "endpoint",
        "component",
        "model",
        "instance",
        "GPUs",
        "weights GiB",
        "KV tokens",
        "TTFT ms",
        "TPOT ms",
        "$/1M in / out",
        "from zero",
    )
    for endpoint in fleet_plan.endpoints:
        for component in endpoint.components:
            times = [
                f"{b.value:,.0f} ({b.low:,.0f}-{b.high:,.0f})" if b else "unknown"
                for b in (component.ttft_ms, component.tpot_ms)
            ]
            table.add_row(
                endpoint.name,
                component.name,
                component.model,
                component.instance,
                str(component.gpus),
                f"{component.memory.weights_gib:.1f}",
                f"{component.memory.kv_tokens:,}",
                *times,
                " / ".join(
                    map(money, (component.usd_per_million_input_tokens, component.usd_per_million_output_tokens))
                ),
                f"{component.start_up.from_zero:,.0f} s",
            )
    out.print(table)
    out.print(PER_MILLION_MEANS, soft_wrap=True)
    costs = Table("endpoint", "instances", "min/typical/max", "$/hour min", "typical", "max")
    for row in cost_rows(fleet_plan):
        costs.add_row(*row[:-1])  # only the page shows the tail
    out.print(costs)
    if any(len(endpoint.types) > 1 for endpoint in fleet_plan.endpoints):
        out.print(POOLS_MEAN, soft_wrap=True)
    for endpoint in fleet_plan.endpoints:
        for note in endpoint.notes:
            out.print(note, soft_wrap=True)
        for component in endpoint.components:
            out.print(f"{endpoint.name}/{component.name} {component.memory_line}", soft_wrap=True)
            if component.host is not None:
                line = host_line(component.host, component.disk)
                out.print(f"a copy of {endpoint.name}/{component.name}: {line}", soft_wrap=True)
            if component.speculation is not None:
                out.print(f"{endpoint.name}/{component.name}: {component.speculation.text}", soft_wrap=True)
            if component.alternatives:
                options = "; ".join(
                    f"{a.instance} tp {a.tp_size} at {a.usd_per_hour:.2f} $/h ({a.usd_per_hour_per_copy:.2f} per copy)"
                    for a in component.alternatives
                )
                out.print(f"did you consider for {component.name}: {options}")
    for line in origins(fleet_plan):
        out.print(line, soft_wrap=True)
    for warning in fleet_plan.warnings:
        typer.echo(f"warning: {warning}", err=True)


def read_environment(name: str, folder: Path | None) -> FleetRequest:
    """Return the fleet of an environment, checked by its reader.

    Args:
        name: Name of the environment.
        folder: Folder of the environments; the reader's own by default.

    Raises:
        ConfigurationError: The environment is wrong; one problem per mistake.
    """
    return told_by(environment_reader(), name, folder)


def environment_reader() -> EnvironmentReader:
    """Return the registered reader, else the one that CDK_SGLANG_ENVIRONMENTS names, else the library's."""
    if _reader:
        return _reader[0]
    from cdk_sglang.environments.planning import fleet_request

    return reader_of(VARIABLE, fleet_request)


def model_request(
    *,
    model: str,
    instance: str,
    tp_size: int | None,
    context_length: int | None,
    concurrency: float,
    region: str,
    folder: Path = ENVIRONMENTS,
    models: list[Path] | None = None,
    calibration: Path | None = None,
) -> FleetRequest:
    """Return a fleet of one model on one instance type, with the user's own models and prices.

    Args:
        model: Id of the model.
        instance: Instance type.
        tp_size: GPUs of a copy; the fewest that hold the model if None.
        context_length: Tokens of the longest request, answer included; the model's own limit if None.
        concurrency: Requests in flight per copy.
        region: Region of the prices.
        folder: Folder of the environments, beside which the user's models and prices are.
        models: Files or directories of the user's models instead.
        calibration: File or folder of measurements; none by default.

    Raises:
        ConfigurationError: A value is out of range, or the model or the type is unknown.
    """
    if not 1 <= concurrency <= AT_CONCURRENCY_MAX:
        text = f"{concurrency:g} is out of range; use 1 to {AT_CONCURRENCY_MAX}"
        raise ConfigurationError([Problem("--concurrency", text)])
    try:
        gpu_instance = GpuInstance.named(instance)
    except ConfigurationError as error:
        raise ConfigurationError([Problem("--instance", problem) for problem in error.problems]) from None
    also = own_models(models, folder=folder)
    component = ComponentRequest(
        name=model.rsplit("/", maxsplit=1)[-1],
        facts=catalogue(model, also=also),
        tp_size=tp_size,
        context_length=context_length,
        slo=Slo.model_construct(
            at_concurrency=concurrency
        ),  # only a load: nothing is promised, which a user's may not say
        calibration=own_calibration(calibration, models=also),
    )
    endpoint = EndpointRequest(name="endpoint", instances=(gpu_instance,), components=(component,))
    return FleetRequest(
        environment=component.name, region=region, endpoints=(endpoint,), prices=own_prices(folder=folder)
    )


def planned_today(request: FleetRequest) -> FleetPlan:
    """Return the plan of a fleet, with the age of its prices as of today.

    Args:
        request: The fleet to plan.
    """
    return plan_fleet(_of_today(request))


def _of_today(request: FleetRequest) -> FleetRequest:
    return dataclasses.replace(request, today=request.today or dt.datetime.now(tz=dt.UTC).date())
