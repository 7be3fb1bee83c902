"""Wait for weights: print each missing model or adapter once, with the command that uploads it, and check again until it is complete."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import typer

from cdk_sglang.cli import weights as weights_command
from cdk_sglang.cli.assembly import Weights
from cdk_sglang.cli.aws import client, fail, failures_of

_FIRST_PAUSE_SECONDS: Final = 5.0
_LONGEST_PAUSE_SECONDS: Final = 60.0
_SHOWN: Final = 4
_NOT_THERE: Final = {"404", "NoSuchKey", "NotFound"}

Check = Callable[[Weights], Sequence[str]]
"""Returns the problems of weights; an empty sequence if they are complete."""


class Bucket:
    """The environment's bucket, read with the user's credentials.

    Args:
        region: Region of the environment.
    """

    def __init__(self, region: str | None) -> None:
        self._region = region
        self._names: dict[str, str] = {}

    def place(self, weights: Weights) -> str:
        """Return the S3 address of weights."""
        return f"s3://{self._name(weights)}/{weights.key}"

    def problems(self, weights: Weights) -> Sequence[str]:
        """Return the problems of weights."""
        name = self._name(weights)
        if weights.is_model:
            try:
                return weights_command.problems_below(name, weights.key, region=self._region)
            except weights_command.UnreadableWeightsError as error:
                fail(f"weights: {error}; the same command continues from here", code=1)
        from botocore.exceptions import ClientError

        with failures_of("s3:GetObject"):
            try:
                client("s3", region=self._region).head_object(Bucket=name, Key=weights.key)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in _NOT_THERE:
                    return ("is not there",)
                raise
        return ()

    def _name(self, weights: Weights) -> str:
        parameter = weights.bucket_parameter
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


def command_for(weights: Weights, place: str) -> str:
    """Return the command that uploads weights; the local folder has the name of the prefix's last part."""
    name = weights.key.rstrip("/").rpartition("/")[2]
    return f"aws s3 sync ./{name}/ {place}" if weights.is_model else f"aws s3 cp ./{name} {place}"


def missing_of(required: Sequence[Weights], check: Check) -> dict[Weights, tuple[str, ...]]:
    """Return the incomplete weights with their problems."""
    results = {weights: tuple(check(weights)) for weights in required}
    return {weights: problems for weights, problems in results.items() if problems}


def show_missing(missing: Mapping[Weights, Sequence[str]], place: Callable[[Weights], str]) -> None:
    """Print the missing weights, and how to upload them."""
    for weights, problems in missing.items():
        typer.echo(f"missing: {place(weights)}, which {weights.stack} serves:")
        for problem in problems[:_SHOWN]:
            typer.echo(f"  {problem}")
        if len(problems) > _SHOWN:
            typer.echo(f"  and {len(problems) - _SHOWN} more")
        typer.echo(f"  upload with: {command_for(weights, place(weights))}")


def wait_for(
    missing: dict[Weights, tuple[str, ...]],
    check: Check,
    *,
    place: Callable[[Weights], str],
    minutes: float,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Check weights again, at growing intervals, until all are complete.

    Args:
        missing: The incomplete weights, with their problems.
        check: Returns the problems of weights.
        place: Returns the S3 address of weights.
        minutes: Longest time to wait.
        now: Returns the seconds of a monotonic clock.
        sleep: Pauses for some seconds.

    Returns:
        Whether all weights are complete; False if the time was up first.
    """
    deadline, pause = now() + minutes * 60, _FIRST_PAUSE_SECONDS
    while missing:
        left = deadline - now()
        if left <= 0:
            return False
        sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
        incomplete = missing_of(list(missing), check)
        for weights in missing:
            if weights not in incomplete:
                typer.echo(f"complete: {place(weights)}")
        changed = {weights: problems for weights, problems in incomplete.items() if problems != missing[weights]}
        for weights, problems in changed.items():
            typer.echo(f"still missing: {place(weights)}: {problems[0]}")
            pause = _FIRST_PAUSE_SECONDS  # an upload is in progress
        missing = incomplete
    return True
