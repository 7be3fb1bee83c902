"""`cdk-sglang deploy`: deploy the foundation, wait for the weights and deploy the fleet, in one command.

A fleet's stacks fail if their models are not in the bucket, and the bucket is part of the foundation. So the foundation is deployed first,
then the user uploads the weights, then the fleet is deployed. Every step checks the current state, so a second run continues where the
first one ended.
"""

from __future__ import annotations

import enum
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import typer

from cdk_sglang.cli import synth
from cdk_sglang.cli.assembly import FOUNDATION, Stack, Weights, read_assembly
from cdk_sglang.cli.environment_option import env_option, environments_option
from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.weights_wait import Bucket, missing_of, show_missing, wait_for
from cdk_sglang.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from cdk_sglang.cli.diff.report import Order

EMBEDDED: Final = "local"
"""The environment of the embedded AWS."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_UNKNOWN: Final = "what changes is not known, since the deployed stacks could not be read"
_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}


class Step(enum.StrEnum):
    """A step of a deployment."""

    FOUNDATION = "foundation"
    WEIGHTS = "weights"
    FLEET = "fleet"


def deploy(
    env: Annotated[str, env_option("Name of an environment, for example dev.")],
    *,
    step: Annotated[
        list[Step] | None, typer.Option("--step", help="Run only this step; repeat the option for several.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for weights even without a terminal.")] = False,
    wait_minutes: Annotated[float, typer.Option(min=0, help="Maximum minutes to wait for weights.")] = 60,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help="Do not ask for confirmation, neither of the changes shown nor of changed permissions or networks.",
        ),
    ] = False,
    environments: Annotated[
        Path | None, environments_option("Folder of the environments; the app's own by default.")
    ] = None,
) -> None:
    """Deploy an environment with your AWS credentials: its foundation, then, once the weights are uploaded, its fleet.

    It first prints what changes, as `cdk-sglang diff` does, and on a terminal asks before something is replaced or costs more;
    for stacks of endpoints that are no longer in the environment, it prints the command that deletes them. Endpoints leave a network before
    the foundation removes it; if AWS would refuse something, the command ends before anything is changed.

    Exit code 1: a deployment failed, or weights are missing; the same command continues from there. Exit code 2:
    the environment is wrong.
    """
    _check_name(env)
    cdk, output = synth.cdk_program("deploy"), Path("cdk.out") / env
    steps = set(step or Step)
    try:
        if synth.run_synth(synth.synth_command(cdk, env, output, environments=environments)) != 0:
            typer.echo(f"deploy: {env} cannot be synthesised, see above; nothing was deployed", err=True)
            raise typer.Exit(2)
        fleet_first = False
        if steps & {Step.FOUNDATION, Step.FLEET}:
            order = _agree(env, output, environments, ask=not yes and _has_terminal())
            fleet_first = order.fleet_first
            if fleet_first and Step.FLEET not in steps:
                typer.echo(f"deploy: {order.why}; deploy it first, without --step; nothing was deployed", err=True)
                raise typer.Exit(2)
        stacks = read_assembly(output)
        fleet = [stack for stack in stacks if stack.id != FOUNDATION]
        approval = ["--require-approval", "never"] if yes else []
        # Import resources that outlived a deleted stack, for example log groups and the image repository.
        options = ["--exclusively", "--import-existing-resources", "--no-notices", "--app", str(output), *approval]
        has_foundation = Step.FOUNDATION in steps and len(fleet) < len(stacks)
        if has_foundation and not fleet_first:
            _deploy(Step.FOUNDATION, cdk, [stack for stack in stacks if stack.id == FOUNDATION], options)
        if Step.WEIGHTS in steps:
            _await_weights(fleet, minutes=wait_minutes, may_wait=wait or _has_terminal())
        if Step.FLEET in steps and fleet:
            _deploy(Step.FLEET, cdk, fleet, options)
        if has_foundation and fleet_first:
            _deploy(Step.FOUNDATION, cdk, [stack for stack in stacks if stack.id == FOUNDATION], options)
    except KeyboardInterrupt:
        typer.echo(
            "\ndeploy: stopped; CloudFormation finishes the stacks it has begun, and the same command continues from here",
            err=True,
        )
        raise typer.Exit(1) from None


def _check_name(env: str) -> None:
    if not _NAME.fullmatch(env):
        raise ConfigurationError([Problem("--env", f"{env!r} is not the name of an environment; use a name like dev")])
    if env == EMBEDDED and urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname not in _LOOPBACK:
        raise ConfigurationError(
            [
                Problem(
                    "--env",
                    f"{EMBEDDED!r} is the environment of the embedded AWS, whose account is fictitious: deploy it with "
                    "`make local`; for AWS name another one, for example dev",
                ),
            ]
        )


def _agree(env: str, output: Path, environments: Path | None, *, ask: bool) -> Order:
    """Print what the deployment does, and ask if it replaces something or costs more; nothing for a first deployment.

    If AWS would refuse something, the command ends. Returns the order of foundation and fleet: the usual one if what is deployed could not be read.
    """
    from cdk_sglang.cli.diff.folders import report_of
    from cdk_sglang.cli.diff.report import Order
    from cdk_sglang.cli.diff.show import print_diff

    order = Order()
    try:
        report = report_of(env, output, environments=environments)
    except ConfigurationError as error:  # boto3 is an optional dependency
        typer.echo("; ".join(error.problems), err=True)
        questions = [_UNKNOWN]
    except typer.Exit:  # said on stderr: the user's own credentials may do less than the roles that the CDK CLI assumes
        questions = [_UNKNOWN]
    else:
        order = report.order
        if report.is_first and not report.obstacles():
            return order
        print_diff(report, stdout())
        if report.obstacles():
            typer.echo(
                "deploy: AWS would refuse this or leave parts of it behind, see above; nothing was deployed", err=True
            )
            raise typer.Exit(2)
        questions = report.questions()
    if questions == [_UNKNOWN]:
        typer.echo(f"deploy: {_UNKNOWN}", err=True)
    if ask and questions:
        typer.echo("\n".join(["to confirm:", *(f"  {question}" for question in questions)]))
        if not typer.confirm("deploy?"):
            typer.echo("deploy: nothing was deployed", err=True)
            raise typer.Exit(1)
    return order


def _has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _deploy(step: Step, cdk: str, stacks: Sequence[Stack], options: Sequence[str]) -> None:
    typer.echo(f"{step}: {', '.join(stack.name for stack in stacks)}")
    code = synth.run_cdk([cdk, "deploy", *(stack.id for stack in stacks), *options])
    if code != 0:
        typer.echo("deploy: the CDK CLI failed, see above; the same command continues from here", err=True)
        raise typer.Exit(1)


def _await_weights(fleet: Sequence[Stack], *, minutes: float, may_wait: bool) -> None:
    required: list[Weights] = list(dict.fromkeys(weights for stack in fleet for weights in stack.weights()))
    staging = [stack.name for stack in fleet if stack.stages_models]
    if staging:
        typer.echo(f"{Step.WEIGHTS}: models of Hugging Face are copied while {', '.join(staging)} is deployed")
    if not required:
        typer.echo(f"{Step.WEIGHTS}: nothing else to wait for" if staging else f"{Step.WEIGHTS}: nothing to wait for")
        return
    buckets = {stack.name: Bucket(stack.region) for stack in fleet}

    def place(weights: Weights) -> str:
        return buckets[weights.stack].place(weights)

    def check(weights: Weights) -> Sequence[str]:
        return buckets[weights.stack].problems(weights)

    missing = missing_of(required, check)
    typer.echo(f"{Step.WEIGHTS}: {len(required) - len(missing)} of {len(required)} complete")
    if not missing:
        return
    show_missing(missing, place)
    if not may_wait:
        typer.echo("deploy: weights are missing; upload them and run the same command again, or give --wait", err=True)
        raise typer.Exit(1)
    typer.echo(f"waiting up to {minutes:g} minutes; Ctrl-C stops, and the same command continues from here")
    if not wait_for(missing, check, place=place, minutes=minutes):
        typer.echo(
            f"deploy: weights are missing after {minutes:g} minutes; upload them and run the same command again",
            err=True,
        )
        raise typer.Exit(1)
