"""Waiting for weights: what is missing is said once, with the command that brings it, and looked at again until it is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import typer

from cdk_sglang.cli import weights as program
from cdk_sglang.cli.assembly import Weights
from cdk_sglang.cli.aws import client, fail, failures_of

_FIRST_PAUSE_SECONDS: Final = 5.0
_LONGEST_PAUSE_SECONDS: Final = 60.0
_SHOWN: Final = 4
_NOT_THERE: Final = {"404", "NoSuchKey", "NotFound"}

Look = Callable[[Weights], Sequence[str]]
"""Says what is wrong with weights; nothing when they are whole."""


class Bucket:
    """Looks at weights with the user's credentials.

    Args:
        region: Region of the environment.
    """

    def __init__(self, region: str | None) -> None:
        self._region = region
        self._names: dict[str, str] = {}

    def place(self, wanted: Weights) -> str:
        """Return the S3 address of weights."""
        return f"s3://{self._name(wanted)}/{wanted.key}"

    def problems(self, wanted: Weights) -> Sequence[str]:
        """Say what is wrong with weights."""
        name = self._name(wanted)
        if wanted.is_model:
            try:
                return program.problems_below(name, wanted.key, region=self._region)
            except program.NotLookedAtError as error:
                fail(f"weights: {error}; the same command goes on from here", code=1)
        from botocore.exceptions import ClientError

        with failures_of("s3:GetObject"):
            try:
                client("s3", region=self._region).head_object(Bucket=name, Key=wanted.key)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in _NOT_THERE:
                    return ("is not there",)
                raise
        return ()

    def _name(self, wanted: Weights) -> str:
        parameter = wanted.bucket_parameter
        if parameter not in self._names:
            ssm: Any = client("ssm", region=self._region)
            with failures_of("ssm:GetParameter"):
                try:
                    self._names[parameter] = ssm.get_parameter(Name=parameter)["Parameter"]["Value"]
                except ssm.exceptions.ParameterNotFound:
                    fail(
                        f"weights: the foundation is not deployed: there is no SSM parameter {parameter} in {ssm.meta.region_name}; "
                        "deploy it first, without --step or with --step foundation",
                        code=1,
                    )
        return self._names[parameter]


def command_for(wanted: Weights, place: str) -> str:
    """Return the command that brings weights; the folder is named as the prefix ends."""
    name = wanted.key.rstrip("/").rpartition("/")[2]
    return f"aws s3 sync ./{name}/ {place}" if wanted.is_model else f"aws s3 cp ./{name} {place}"


def missing_of(needed: Sequence[Weights], look: Look) -> dict[Weights, tuple[str, ...]]:
    """Return what is not whole, and why."""
    found = {wanted: tuple(look(wanted)) for wanted in needed}
    return {wanted: problems for wanted, problems in found.items() if problems}


def show_missing(missing: Mapping[Weights, Sequence[str]], place: Callable[[Weights], str]) -> None:
    """Say what is waited for, and how to bring it."""
    for wanted, problems in missing.items():
        typer.echo(f"waits for {place(wanted)}, which {wanted.stack} serves:")
        for problem in problems[:_SHOWN]:
            typer.echo(f"  {problem}")
        if len(problems) > _SHOWN:
            typer.echo(f"  and {len(problems) - _SHOWN} more")
        typer.echo(f"  bring it: {command_for(wanted, place(wanted))}")


def wait_for(
    missing: dict[Weights, tuple[str, ...]],
    look: Look,
    *,
    place: Callable[[Weights], str],
    minutes: float,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Look again and again, at longer and longer intervals, until everything is whole.

    Args:
        missing: What is not.
        look: Looks at one.
        place: Its S3 address.
        minutes: How long at most.
        now: Seconds on some clock.
        sleep: Pauses.

    Returns:
        Whether it is; False when the time was over first.
    """
    deadline, pause = now() + minutes * 60, _FIRST_PAUSE_SECONDS
    while missing:
        left = deadline - now()
        if left <= 0:
            return False
        sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
        found = missing_of(list(missing), look)
        for wanted in missing:
            if wanted not in found:
                typer.echo(f"there: {place(wanted)}")
        changed = {wanted: why for wanted, why in found.items() if why != missing[wanted]}
        for wanted, why in changed.items():
            typer.echo(f"still waits for {place(wanted)}: {why[0]}")
            pause = _FIRST_PAUSE_SECONDS  # somebody is at work
        missing = found
    return True
