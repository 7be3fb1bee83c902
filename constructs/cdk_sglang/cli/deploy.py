"""`cdk-sglang deploy`: foundation, weights, fleet, in this order, in one command that says what it waits for.

A fleet's stacks fail when their models are not in the bucket, and the bucket is the foundation's: so the foundation comes first,
then whoever has the weights brings them, then the fleet. Every step looks at what is there, so a second run goes on where the
first one ended.
"""

from __future__ import annotations

import enum
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from cdk_sglang.cli.assembly import FOUNDATION, Stack, Weights, read_assembly
from cdk_sglang.cli.awaited import Bucket, missing_of, show_missing, wait_for
from cdk_sglang.errors import ConfigurationError, Problem

EMBEDDED: Final = "local"
"""The environment of the embedded AWS."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}


class Step(enum.StrEnum):
    """Part of a deployment."""

    FOUNDATION = "foundation"
    WEIGHTS = "weights"
    FLEET = "fleet"


def deploy(
    env: Annotated[str, typer.Option("--env", help="Name of an environment, such as dev.")],
    *,
    step: Annotated[
        list[Step] | None, typer.Option("--step", help="Do this step alone; more than once for more of them.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for weights where there is no terminal, too.")] = False,
    wait_minutes: Annotated[float, typer.Option(min=0, help="Wait for weights at most this long.")] = 60,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before permissions or networks change.")] = False,
    environments: Annotated[
        Path | None, typer.Option(help="Folder of the environments; the app's own by default.")
    ] = None,
) -> None:
    """Deploy an environment with your AWS credentials: its foundation, its weights when somebody brings them, its fleet.

    Exit code 1: a deployment failed, or weights are missing; run the same command again, it goes on from there. Exit code 2:
    the environment is wrong.
    """
    _check_name(env)
    cdk, output = _cdk(), Path("cdk.out") / env
    context = ["-c", f"env={env}", *(["-c", f"environments={environments}"] if environments else [])]
    wanted = set(step or Step)
    try:
        synth = [cdk, "synth", "--quiet", "--no-lookups", "--no-notices", *context, "--output", str(output)]
        if run_cdk(synth) != 0:
            typer.echo(f"deploy: {env} cannot be synthesised, see above; nothing was deployed", err=True)
            raise typer.Exit(2)
        stacks = read_assembly(output)
        fleet = [stack for stack in stacks if stack.id != FOUNDATION]
        approval = ["--require-approval", "never"] if yes else []
        # What outlived a stack that is gone, such as log groups and the repository, is taken back.
        options = ["--exclusively", "--import-existing-resources", "--no-notices", "--app", str(output), *approval]
        if Step.FOUNDATION in wanted and len(fleet) < len(stacks):
            _say(Step.FOUNDATION, [stack.name for stack in stacks if stack.id == FOUNDATION])
            _deploy([cdk, "deploy", FOUNDATION, *options])
        if Step.WEIGHTS in wanted:
            _await_weights(fleet, minutes=wait_minutes, may_wait=wait or _has_terminal())
        if Step.FLEET in wanted and fleet:
            _say(Step.FLEET, [stack.name for stack in fleet])
            _deploy([cdk, "deploy", *(stack.id for stack in fleet), *options])
    except KeyboardInterrupt:
        typer.echo(
            "\ndeploy: stopped; what CloudFormation has begun goes on there, and the same command goes on from here",
            err=True,
        )
        raise typer.Exit(1) from None


def run_cdk(command: Sequence[str]) -> int:
    """Run the CDK CLI on this terminal; return its exit code."""
    return subprocess.run(command, check=False).returncode  # noqa: S603  a list; what it names was found on PATH


def _check_name(env: str) -> None:
    if not _NAME.fullmatch(env):
        raise ConfigurationError([Problem("--env", f"{env!r} is not the name of an environment; use one such as dev")])
    if env == EMBEDDED and urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname not in _LOOPBACK:
        raise ConfigurationError(
            [
                Problem(
                    "--env",
                    f"{EMBEDDED!r} is the environment of the embedded AWS, whose account is made up: deploy it with "
                    "`make local`; for AWS name another one, such as dev",
                ),
            ]
        )


def _cdk() -> str:
    found = shutil.which("cdk") or shutil.which("node_modules/.bin/cdk")
    if found is None:
        raise ConfigurationError(
            [
                Problem(
                    "deploy", "the CDK CLI is not there; run `make setup`, or put `cdk` on PATH (npm install aws-cdk)"
                )
            ]
        )
    return found


def _has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _say(step: Step, names: Sequence[str]) -> None:
    typer.echo(f"{step}: {', '.join(names)}")


def _deploy(command: Sequence[str]) -> None:
    code = run_cdk(command)
    if code != 0:
        typer.echo("deploy: the CDK CLI failed, see above; the same command goes on from here", err=True)
        raise typer.Exit(1)


def _await_weights(fleet: Sequence[Stack], *, minutes: float, may_wait: bool) -> None:
    needed: list[Weights] = list(dict.fromkeys(weights for stack in fleet for weights in stack.weights()))
    staged = [stack.name for stack in fleet if stack.stages_models]
    if staged:
        typer.echo(f"{Step.WEIGHTS}: models of Hugging Face are copied while {', '.join(staged)} is deployed")
    if not needed:
        typer.echo(f"{Step.WEIGHTS}: nothing else to wait for" if staged else f"{Step.WEIGHTS}: nothing to wait for")
        return
    buckets = {stack.name: Bucket(stack.region) for stack in fleet}

    def place(wanted: Weights) -> str:
        return buckets[wanted.stack].place(wanted)

    def look(wanted: Weights) -> Sequence[str]:
        return buckets[wanted.stack].problems(wanted)

    missing = missing_of(needed, look)
    typer.echo(f"{Step.WEIGHTS}: {len(needed) - len(missing)} of {len(needed)} there")
    if not missing:
        return
    show_missing(missing, place)
    if not may_wait:
        typer.echo("deploy: weights are missing; bring them and run the same command again, or give --wait", err=True)
        raise typer.Exit(1)
    typer.echo(f"waiting up to {minutes:g} minutes; Ctrl-C stops, and the same command goes on from here")
    if not wait_for(missing, look, place=place, minutes=minutes):
        typer.echo(
            f"deploy: weights are missing after {minutes:g} minutes; bring them and run the same command again",
            err=True,
        )
        raise typer.Exit(1)
