"""Options that the commands share, and their confirmation before something changes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cdk_sglang.checks import raise_if_any
from cdk_sglang.cli.aws import fail
from cdk_sglang.cli.environment_option import env_option
from cdk_sglang.errors import Problem
from cdk_sglang.optimization.versions import run_problems

Env = Annotated[str, env_option("Environment, such as prod.")]
Component = Annotated[
    str | None,
    typer.Option("--component", help="Component with a draft, such as chat/llama; the only one by default."),
]
Region = Annotated[
    str | None,
    typer.Option("--region", help="Region; by default that of the environment's file, else that of your AWS settings."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]


def check_run(run: str | None) -> None:
    """Refuse what is not the name of a run.

    Raises:
        ConfigurationError: It is not.
    """
    raise_if_any(Problem("--run", problem) for problem in ([] if run is None else run_problems(run)))


def confirm(question: str, *, yes: bool, otherwise: str) -> None:
    """Ask for confirmation, and end the command unless the answer is yes.

    Args:
        question: The question.
        yes: Whether the answer was given by an option.
        otherwise: What then stays as it is.
    """
    if yes:
        return
    if not _has_terminal():
        fail(f"{question}: nobody is there to answer; add --yes. {otherwise}", code=2)
    try:
        typer.echo(f"{question} [y/N] ", nl=False)
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        answer = ""
    if not answer:
        typer.echo("", err=True)
    if answer.strip().lower() not in {"y", "yes"}:
        fail(f"not confirmed. {otherwise}", code=1)


def _has_terminal() -> bool:
    return sys.stdin.isatty()
