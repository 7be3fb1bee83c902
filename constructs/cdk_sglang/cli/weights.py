"""`cdk-sglang weights`: stage a model from a terminal, check a model in S3, list staged models.

The command runs the program of CodeBuild and of the deployment's check (`_runtime/weights`) as a separate process, and shows its
events as a progress bar. So the terminal and the deployment have the same behaviour.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from cdk_sglang.cli.output import stdout
from cdk_sglang.errors import ConfigurationError, Problem

app = typer.Typer(help="Weights in S3: stage, verify, list.", no_args_is_help=True)

_RUNTIME: Final = Path(__file__).parent.parent / "_runtime"
_SHORT: Final = 12
_AWS: Final = "AWS: "
"""Prefix of the program's messages about failed AWS calls (_runtime/weights/__main__.py)."""

Bucket = Annotated[str, typer.Option("--bucket", help="Bucket; the foundation stack's output WeightsBucket.")]


class UnreadableWeightsError(Exception):
    """A model could not be read, so it is unknown whether it is complete; the text has the reason."""


@app.command("stage")
def stage(
    repo: Annotated[str, typer.Argument(help="Hugging Face model, for example Qwen/Qwen3-8B.")],
    revision: Annotated[str, typer.Option("--revision", help="Commit, 40 hexadecimal digits.")],
    bucket: Bucket,
    token_secret: Annotated[
        str | None, typer.Option("--token-secret", help="Secret with a read token, for gated and private models.")
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option("--include", help="Pattern of files to copy even if they would be left out.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option("--exclude", help="Pattern of files to leave out.")] = None,
    draft: Annotated[
        bool,
        typer.Option(
            "--draft", help="The model is a draft for another model and uses that one's tokenizer, so it needs none."
        ),
    ] = False,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="Number of files to copy at once, if memory allows.")
    ] = 16,
    hub_url: Annotated[
        str | None, typer.Option("--hub-url", help="Address of another hub with Hugging Face's API.")
    ] = None,
) -> None:
    """Copy a model to S3: check every file against the hub's hash, skip files that exist, write the manifest last."""
    arguments = ["stage", repo, "--revision", revision, "--bucket", bucket, "--workers", str(workers)]
    for option, value in (("--token-secret", token_secret), ("--hub-url", hub_url)):
        arguments += [option, value] if value else []
    arguments += [f"--include={pattern}" for pattern in include or ()]
    arguments += [f"--exclude={pattern}" for pattern in exclude or ()]
    arguments += ["--draft"] if draft else []
    with _program_events(arguments) as events:
        _show_progress(events, Console(stderr=True))


@app.command("verify")
def verify(
    bucket: Bucket,
    prefix: Annotated[
        str, typer.Option("--prefix", help="The model's prefix, for example weights/Qwen/Qwen3-8B/<revision>/.")
    ],
) -> None:
    """Check that a model in S3 is complete: config, tokenizer, every shard, and the manifest's files if there is a manifest."""
    with _program_events(["verify", "--bucket", bucket, "--prefix", prefix]) as events:
        for event in events:
            if event["event"] == "whole":
                how = "as its manifest says" if event["manifest"] else "without a manifest"
                size = event["tensor_bytes"] / 1e9
                stdout().print(f"whole, {how}: {event['files']} files, {size:.2f} GB of tensors", soft_wrap=True)


@app.command("list")
def list_staged(bucket: Bucket) -> None:
    """List the models that were staged into a bucket."""
    table = Table("model", "revision", "licence", "files", "GB", "staged")
    with _program_events(["list", "--bucket", bucket]) as events:
        for event in events:
            if event["event"] == "unread":
                typer.echo(f"left out: {event['message']}", err=True)
            elif event["event"] == "model":
                table.add_row(
                    event["repo"],
                    event["revision"][:_SHORT],
                    escape(event["license"] or "unknown"),
                    str(event["files"]),
                    f"{event['bytes'] / 1e9:.2f}",
                    event["staged_at"],
                )
    stdout().print(table if table.row_count else f"nothing was staged into {bucket}")


def problems_below(bucket: str, prefix: str, *, region: str | None) -> tuple[str, ...]:
    """Return the problems of a model in S3, as `verify` prints them; an empty tuple if the model is complete.

    Args:
        bucket: Name of the bucket.
        prefix: The model's prefix, with a slash at the end.
        region: Region of the bucket; that of the AWS settings by default.

    Raises:
        UnreadableWeightsError: AWS refuses, or is not reached.
    """
    process = _start(["verify", "--bucket", bucket, "--prefix", prefix], region=region)
    output, _ = process.communicate()
    events = [json.loads(line) for line in output.splitlines()]
    place = f"s3://{bucket}/{prefix}"
    problems = tuple(event["message"].removeprefix(place) for event in events if event["event"] == "error")
    for problem in problems:
        if problem.startswith(_AWS):
            raise UnreadableWeightsError(f"{place} could not be read: {problem.removeprefix(_AWS)}")
    if process.returncode and not problems:
        raise UnreadableWeightsError(
            f"{place} could not be read: the program that checks it ended with {process.returncode}"
        )
    return problems


def _start(arguments: Sequence[str], *, region: str | None = None) -> subprocess.Popen[str]:
    """Start the program."""
    if importlib.util.find_spec("boto3") is None:
        raise ConfigurationError([Problem("", "boto3 is not installed; run pip install 'cdk-sglang[client]'")])
    region = region or os.environ.get("AWS_REGION")  # which the CDK CLI reads, and boto3 does not
    where = {} if region is None else {"AWS_DEFAULT_REGION": region}
    return subprocess.Popen(
        [sys.executable, "-m", "weights", "--json", *arguments],
        env={**os.environ, **where, "PYTHONPATH": str(_RUNTIME), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def _program_events(arguments: Sequence[str]) -> Iterator[Iterator[dict[str, Any]]]:
    """Run the program; yield its events; exit with its code, its errors on stderr."""
    process = _start(arguments)
    try:
        yield _events(process)
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        typer.echo("stopped; stage again to continue with the missing files", err=True)
        raise typer.Exit(1) from None
    finally:
        if process.poll() is None:
            process.terminate()
        if process.stdout is not None:
            process.stdout.close()
        code = process.wait()
    if code != 0:
        raise typer.Exit(code)


def _events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "error":
            typer.echo(event["message"], err=True)
        else:
            yield event
    process.wait()


def _show_progress(events: Iterator[dict[str, Any]], console: Console) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("asking the hub", total=None)
        for event in events:
            match event["event"]:
                case "plan":
                    progress.update(task, total=event["bytes"], description=event["repo"])
                    progress.console.print(
                        f"{event['files']} files to copy, {event['there']} there already, {event['left_out']} left out; "
                        f"licence {escape(event['license'] or 'not stated')}"
                    )
                case "progress":
                    progress.update(task, completed=event["bytes"])
                case "retry":
                    progress.console.print(f"again: {event['message']}", soft_wrap=True)
                case "done":
                    progress.update(task, description="staged", total=event["bytes"], completed=event["bytes"])
                    stdout().print(
                        f"staged {event['files']} files, {event['copied']} of them copied: {event['prefix']}",
                        soft_wrap=True,
                    )
