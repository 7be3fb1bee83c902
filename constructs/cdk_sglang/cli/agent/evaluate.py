"""`cdk-sglang agent eval`: the agent's conversations against a component, as a table and a gate."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from cdk_sglang.assets import CLINICAL_TOOLS
from cdk_sglang.checks import raise_if_any
from cdk_sglang.cli.agent.package import own_folder
from cdk_sglang.cli.ask import ComponentOption, EndpointOption, RegionOption
from cdk_sglang.cli.destination import Place, deployed
from cdk_sglang.cli.environment_option import env_option, environments_folder
from cdk_sglang.environments.layers import read_layers
from cdk_sglang.errors import Problem

_PROGRAM: Final = "evals"
"""Package of an agent's folder that runs its conversations (agent/evals)."""
_VENV: Final = Path(".venv-agent", "bin", "python")
_INTERRUPTED: Final = 130
_STATUSES: Final = frozenset({0, 1, 2})
"""Exit codes of the program: passed, the gate failed, it could not run."""


def evaluate(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of an agent with evals/; the project's own agent by default.")
    ] = None,
    *,
    env: Annotated[
        str | None,
        env_option("Environment, such as prod; its agent's component, or the one in --component."),
    ] = None,
    endpoint: EndpointOption = None,
    component: ComponentOption = None,
    region: RegionOption = None,
    model_api: Annotated[
        Literal["sagemaker", "openai"] | None,
        typer.Option("--model-api", help="API by which the model is called; sagemaker by default."),
    ] = None,
    prompt_version: Annotated[
        str | None, typer.Option("--prompt-version", help="Version of the system prompt; the newest by default.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="CASE", help="Run only this case; may be repeated.")
    ] = None,
    gate: Annotated[float, typer.Option("--gate", min=0, max=1, help="Minimum share of cases that pass.")] = 1.0,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Report of an earlier run: what passed there must pass here.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the outcomes as JSON, without the text of the conversations.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print all events, which contain the conversations.")] = False,
    python: Annotated[
        Path | None,
        typer.Option(
            "--python", help="An interpreter with the agent's packages; .venv-agent next to the folder by default."
        ),
    ] = None,
) -> None:
    """Run the agent's conversations against a component, before a new model, adapter or prompt goes live: its tools are simulated, and nothing is saved.

    Exit code 1: a case that must pass fails, fewer than --gate pass, or one of --baseline fails now. Exit code 2: it could not run.
    """
    place = Place(command="agent eval", env=env, endpoint=endpoint, component=component, route=None, region=region)
    agent = (folder or own_folder()).absolute()
    program = (python or agent.parent / _VENV).absolute()
    raise_if_any([*_place_problems(place), *_program_problems(agent, program, is_named=python is not None)])
    served, name = _names(place)
    options: dict[str, Any] = {
        "endpoint": served,
        "component": name,
        "region": place.used_region or _region_of_settings(),
        "model-api": model_api,
        "prompt-version": prompt_version,
        "gate": gate,
        "baseline": None if baseline is None else baseline.absolute(),
        "report": None if report is None else report.absolute(),
        "tools": CLINICAL_TOOLS,
    }
    words = [part for key, value in options.items() if value is not None for part in (f"--{key}", str(value))]
    words += ["--show"] if show else []
    words += ["--only", *only] if only else []
    raise typer.Exit(_run([str(program), "-m", _PROGRAM, *words], agent))


def _run(command: list[str], folder: Path) -> int:
    try:
        status = subprocess.run(command, cwd=folder, check=False).returncode
    except KeyboardInterrupt:
        return _INTERRUPTED
    return status if status in _STATUSES else 2


def _place_problems(place: Place) -> list[Problem]:
    if (place.env is None) == (place.endpoint is None):
        return [Problem(place.command, "give --env, or --endpoint and --component; one of them")]
    return place.problems()


def _program_problems(agent: Path, program: Path, *, is_named: bool) -> list[Problem]:
    problems = []
    if not (agent / _PROGRAM / "__main__.py").is_file():
        text = f"{agent} has no {_PROGRAM}/__main__.py; name the folder of an agent with conversations"
        problems.append(Problem("FOLDER", text))
    if not program.is_file():
        text = f"{program} does not exist; " + (
            "name an interpreter with the agent's packages"
            if is_named
            else "make agent-tools makes it in a checkout; elsewhere install the agent's requirements.lock and name its interpreter"
        )
        problems.append(Problem("--python", text))
    return problems


def _region_of_settings() -> str | None:
    """Return the Region of the AWS settings: the agent itself reads AWS_REGION alone, which AgentCore sets."""
    import boto3

    return boto3.Session().region_name


def _names(place: Place) -> tuple[str, str]:
    """Return SageMaker's names of endpoint and component; without a component those of the environment's agent, else its only one."""
    if place.endpoint is not None:
        assert place.component is not None
        return place.endpoint, place.component
    return deployed(place if place.component else replace(place, component=_component_of(place.env or "")))


def _component_of(environment: str) -> str | None:
    """Return the component of the agent in an environment's file; None where there is none."""
    import yaml

    folder = environments_folder()
    path = folder / f"{environment}.yaml"
    try:
        layers = read_layers(path, folder=folder, read=lambda file: yaml.safe_load(file.read_text(encoding="utf-8")))
        found = layers.merged["agent"]["component"]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return None
    return found if isinstance(found, str) else None
