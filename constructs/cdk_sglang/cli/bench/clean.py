"""`cdk-sglang bench clean`: delete what scans have left."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import typer

from cdk_sglang.cli.aws import failures_of

if TYPE_CHECKING:
    from cdk_sglang.benchmarking.scan_stacks import ScanStacks


def clean(
    region: Annotated[str, typer.Option(help="Region of the scans.")] = "us-east-1",
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
) -> None:
    """Delete every endpoint that a scan has created, including those of a scan that is still running; do nothing if there is none.

    Exit code 1: one could not be deleted, or the answer was no.
    """
    from cdk_sglang.cli.bench.scan_measure import confirm, scan_stacks

    stacks = scan_stacks(region)
    with failures_of("cloudformation:DescribeStacks"):
        found = stacks.left()
        if not found:
            typer.echo(f"bench: no scan has left anything in {region}")
            return
        now = dt.datetime.now(tz=dt.UTC)
        for one in found:
            typer.echo(f"{one.name}: {'left over' if one.is_over(now) else 'its scan may still run'}")
        confirm(f"delete {len(found)} endpoints of scans in {region}?", yes=yes)
        left = [text for one in found if (text := stacks.delete(one.name)) is not None]
    for text in left:
        typer.echo(f"bench: not deleted: {text}", err=True)
    raise typer.Exit(1 if left else 0)


def clean_left_over(stacks: ScanStacks) -> None:
    """Delete what earlier scans have left, and name what belongs to a scan that may still be running.

    Args:
        stacks: Stacks of scans.
    """
    for one in stacks.left():
        if one.is_over(stacks.now()):
            stacks.say(f"deleting {one.name}, left over from scan {one.scan}")
            text = stacks.delete(one.name)
            if text is not None:
                stacks.say(f"not deleted: {text}")
        else:
            stacks.say(
                f"{one.name} belongs to scan {one.scan}, which may still be running; if not: cdk-sglang bench clean"
            )
