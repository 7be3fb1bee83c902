"""`cdk-sglang plan`: the plan of an environment, or of one model on one instance type.

Environments are read and checked by `cdk_sglang.environments.planning.fleet_request`. An app with settings of its own registers another function
that turns an environment's name into a `FleetRequest` (see `use_environments`), or names it as `module:function` in `CDK_SGLANG_ENVIRONMENTS`.
The function gets `--environments` as `folder`, and adds the user's own models and prices; for one model, the command reads those next to the
environments.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path  # typer reads annotations when it runs
from typing import Annotated, Final

import typer

from cdk_sglang.checks import raise_if_any
from cdk_sglang.cli.environment_option import env_option, environments_option
from cdk_sglang.cli.own import own_calibration, own_models, own_prices, write_text
from cdk_sglang.cli.plan_tables import options_json, print_options, print_plan
from cdk_sglang.cli.source import reader_of, told_by
from cdk_sglang.environments.location import ENVIRONMENTS
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import GpuInstance, read_prices
from cdk_sglang.models.known_models import catalogue
from cdk_sglang.planning.alternatives import holding
from cdk_sglang.planning.component.task import made_for
from cdk_sglang.planning.export import plan_json
from cdk_sglang.planning.fleet_plan import FleetPlan
from cdk_sglang.planning.fleet_request import ComponentRequest, EndpointRequest, FleetRequest
from cdk_sglang.planning.guides import docs_folder
from cdk_sglang.planning.page import plan_html
from cdk_sglang.planning.plan import plan_fleet
from cdk_sglang.spec.load import EXPECTED_OUTPUT_TOKENS
from cdk_sglang.spec.slo import AT_CONCURRENCY_MAX, Slo
from cdk_sglang.spec.task import TASK_SHAPES

EnvironmentReader = Callable[..., FleetRequest]
"""Takes an environment's name, and with `--environments` the folder of environments as `folder`."""
VARIABLE = "CDK_SGLANG_ENVIRONMENTS"
"""Environment variable with `module:function` of an app's own reader."""
_reader: list[EnvironmentReader] = []
_ANY: Final = GpuInstance.all()[0]
"""Placeholder if no type is given: only the model of its request is used."""


def use_environments(reader: EnvironmentReader) -> None:
    """Register the function that turns an environment's name into the fleet to plan."""
    _reader[:] = [reader]


def plan(
    env: Annotated[str | None, env_option("Environment to plan.")] = None,
    environments: Annotated[Path | None, environments_option()] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Plan one model, by its id, instead of an environment."),
    ] = None,
    instance: Annotated[
        str | None,
        typer.Option(
            "--instance",
            help="With --model: the instance type, for example ml.g6e.2xlarge; by default all that hold the model, by price.",
        ),
    ] = None,
    tp_size: Annotated[
        int | None,
        typer.Option("--tp-size", help="With --model: GPUs per copy; by default the minimum that holds the model."),
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
            help="With --model: file or folder of `cdk-sglang bench`, which calibrates the predictions near its figures.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write the plan as an HTML page.")] = None,
    wide: Annotated[bool, typer.Option("--wide", help="Print every column, even on a narrow terminal.")] = False,
) -> None:
    """Print whether the models fit, their speed and their cost. Exit code 1: the plan cannot be deployed; 2: the environment is wrong."""
    _check_usage(env, model=model, instance=instance, html=html)
    if env is not None and models:
        raise ConfigurationError(
            [
                Problem(
                    "--models",
                    "goes with --model; an environment's own models are read from the folder models next to it, where models "
                    "add --into puts them",
                ),
            ]
        )
    if env is not None and calibration is not None:
        text = "goes with --model; an environment names its own: planning: {calibration: <file next to it>}"
        raise ConfigurationError([Problem("--calibration", text)])
    if env is not None:
        request = read_environment(env, environments)
    else:
        assert model is not None
        request = model_request(
            model=model,
            instance=instance or _ANY.name,
            tp_size=tp_size,
            context_length=context_length,
            concurrency=concurrency,
            region=region,
            folder=environments or ENVIRONMENTS,
            models=models,
            calibration=calibration,
        )
    if prices is not None:
        request = dataclasses.replace(request, prices=read_prices(prices))
    if env is None and instance is None:
        raise typer.Exit(_show_options(request, tp_size=tp_size, as_json=as_json, wide=wide))
    raise typer.Exit(show_plan(_of_today(request), as_json=as_json, html=html, wide=wide))


def _check_usage(env: str | None, *, model: str | None, instance: str | None, html: Path | None) -> None:
    problems = []
    if (env is None) == (model is None):
        problems.append(Problem("plan", "say what to plan: --env NAME, or --model ID; one of them"))
    elif env is not None and instance is not None:
        text = "goes with --model; an environment's capacity names its instance types"
        problems.append(Problem("--instance", text))
    elif env is None and instance is None and html is not None:
        problems.append(Problem("--html", "is the page of one plan; give --instance too, or --env"))
    raise_if_any(problems)


def _show_options(request: FleetRequest, *, tp_size: int | None, as_json: bool, wide: bool) -> int:
    """Print the instance types that hold one model, the cheapest first; return the exit code: 1 if there are none."""
    ((component,),) = (endpoint.components for endpoint in request.endpoints)
    found = holding(component, request.region, request.prices, tp_size=tp_size)
    if as_json:
        typer.echo(json.dumps(options_json(found), indent=2))
    elif found:
        print_options(found, wide=wide)
        typer.echo(f"next: cdk-sglang plan --model {component.facts.id} --instance {found[0].instance}")
    if not found:
        size = "" if tp_size is None else f" with tp_size {tp_size}"
        typer.echo(
            f"plan: no instance type of a known price in {request.region} holds {component.facts.id}{size}; give a shorter --context-length, "
            "another --tp-size, or a quantized model",
            err=True,
        )
    return 0 if found else 1


def show_plan(request: FleetRequest, *, as_json: bool = False, html: Path | None = None, wide: bool = False) -> int:
    """Plan a fleet, print the plan, and return the exit code: 0 if the plan may be deployed, else 1.

    Args:
        request: The fleet to plan.
        as_json: Print JSON instead of tables.
        html: File for the plan's page; not written by default.
        wide: Print every column, even on a narrow terminal.
    """
    fleet_plan = plan_fleet(request)
    if html is not None:
        write_text(html, plan_html(fleet_plan, request, docs=docs_folder(html.parent)), option="--html")
    if as_json:
        typer.echo(plan_json(fleet_plan), nl=False)
    else:
        print_plan(fleet_plan, wide=wide)
    for line in fleet_plan.problems:
        typer.echo(line.in_file(request.source), err=True)
    return 1 if fleet_plan.problems else 0


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
        folder: Folder of the environments, next to which the user's models and prices are.
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
    facts = catalogue(model, also=also)
    generates = TASK_SHAPES[made_for(facts)].generates
    component = ComponentRequest(
        name=model.rsplit("/", maxsplit=1)[-1],
        facts=facts,
        generates=generates,
        output_tokens=EXPECTED_OUTPUT_TOKENS if generates else 1.0,
        tp_size=tp_size,
        context_length=context_length,
        slo=Slo.model_construct(
            at_concurrency=concurrency
        ),  # only a load without objectives, which a user's request may not have
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
