"""`cdk-sglang ask`: send one question to a component or a route, and wait if the component is at zero copies."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdk_sglang.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from cdk_sglang.client.answers import ChatAnswer


def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    *,
    endpoint: Annotated[str | None, typer.Option(help="Endpoint, such as prod-chat.")] = None,
    component: Annotated[str | None, typer.Option(help="Component or adapter, such as prod-chat-llama.")] = None,
    route: Annotated[
        str | None, typer.Option(help="Instead of both: <environment>/<route>, such as prod/reasoning.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Region; that of your AWS settings by default.")] = None,
    wait_seconds: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for a copy.")] = 900,
    max_tokens: Annotated[int, typer.Option(min=1, help="Length of the answer, in tokens.")] = 256,
) -> None:
    """Ask one question with your AWS credentials and print the answer as it arrives; wake the component if it is at zero copies.

    Progress and reasoning go to stderr. Exit code 1: no copy answered, SageMaker or the model refused, or the model sent reasoning but no answer.
    """
    environment, _, name = (route or "").partition("/")
    if (route is None) == (endpoint is None and component is None) or (
        route is not None and not (environment and name)
    ):
        raise ConfigurationError([Problem("ask", "give --endpoint and --component, or --route <environment>/<route>")])
    if route is None and not (endpoint and component):
        raise ConfigurationError([Problem("ask", "--endpoint and --component go together; give both")])
    try:
        from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

        from cdk_sglang.client import (
            InferenceClient,
            InferenceClientError,
            ProgressLine,
            Route,
            Wait,
        )
        from cdk_sglang.client.answers import ChatAnswer
    except ModuleNotFoundError as error:
        raise ConfigurationError([Problem("ask", f"needs {error.name}; pip install 'cdk-sglang[client]'")]) from None
    answer = ChatAnswer()
    try:
        destinations = None if route is None else Route.load(environment, name, region=region)
        with InferenceClient(
            endpoint,
            component,
            route=destinations,
            region=region,
            wait=Wait(up_to_seconds=wait_seconds),
            on_progress=ProgressLine(),
        ) as client:
            for chunk in client.stream_chat([{"role": "user", "content": question}], max_tokens=max_tokens):
                _show(answer, chunk)
        problem = answer.problem(tokens=max_tokens, more=f"raise --max-tokens, such as --max-tokens {max_tokens * 8}")
    except NoRegionError:
        problem = "no AWS Region; give --region, or set AWS_DEFAULT_REGION"
    except (InferenceClientError, ClientError, BotoCoreError) as error:
        problem = str(error)
    if answer.text:
        typer.echo()
    elif answer.reasoning:
        typer.echo(err=True)
    if problem is not None:
        print(f"ask: {problem}", file=sys.stderr)  # noqa: T201  the command's own stderr
        raise typer.Exit(1)


def _show(answer: ChatAnswer, chunk: Mapping[str, Any]) -> None:
    """Print a chunk: its part of the answer to stdout, its reasoning to stderr, marked and dimmed."""
    first = not answer.reasoning
    reasoning, text = answer.add(chunk)
    if reasoning:
        typer.secho(("reasoning: " if first else "") + reasoning, dim=True, err=True, nl=False)
    if text:
        if answer.text == text and answer.reasoning:
            typer.echo(err=True)  # the answer begins a line of its own
        typer.echo(text, nl=False)
