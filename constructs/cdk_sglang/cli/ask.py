"""`cdk-sglang ask`: send one question to a component or a route, and wait if the component is at zero copies."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cdk_sglang.cli.destination import Place, opened
from cdk_sglang.cli.environment_option import env_option
from cdk_sglang.cli.other_task import other_task
from cdk_sglang.cli.screen import AnswerScreen
from cdk_sglang.errors import ConfigurationError, Problem

EnvOption = Annotated[
    str | None, env_option("Environment, such as prod; its only component, or the one in --component.")
]
EndpointOption = Annotated[str | None, typer.Option(help="Endpoint, such as prod-chat.")]
ComponentOption = Annotated[
    str | None, typer.Option(help="Component or adapter, such as prod-chat-llama; with --env also chat/llama.")
]
RouteOption = Annotated[
    str | None, typer.Option(help="Instead of --env or --endpoint: <environment>/<route>, such as prod/reasoning.")
]
RegionOption = Annotated[
    str | None, typer.Option(help="Region; by default that of the environment's file, else that of your AWS settings.")
]
WaitOption = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for a copy.")]


def ask(
    question: Annotated[
        str | None, typer.Argument(help="The question; read from stdin if it is - or missing.", show_default=False)
    ] = None,
    *,
    env: EnvOption = None,
    endpoint: EndpointOption = None,
    component: ComponentOption = None,
    route: RouteOption = None,
    region: RegionOption = None,
    wait_seconds: WaitOption = 900,
    max_tokens: Annotated[int, typer.Option(min=1, help="Maximum length of the answer, in tokens.")] = 256,
) -> None:
    """Ask one question with your AWS credentials and print the answer as it arrives; wake the component if it is at zero copies.

    Progress and reasoning go to stderr. Exit code 1: no copy answered, SageMaker or the model refused, or the model sent reasoning but no answer.
    """
    place = Place(command="ask", env=env, endpoint=endpoint, component=component, route=route, region=region)
    if problems := place.problems():
        raise ConfigurationError(problems)
    text = _question(question)
    with opened(place, wait_seconds=wait_seconds) as client:
        from botocore.exceptions import BotoCoreError, ClientError

        from cdk_sglang.client import InferenceClientError
        from cdk_sglang.client.answers import ChatAnswer

        screen = AnswerScreen(ChatAnswer())
        try:
            for chunk in client.stream_chat([{"role": "user", "content": text}], max_tokens=max_tokens):
                screen.add(chunk)
            more = f"raise --max-tokens, such as --max-tokens {max_tokens * 8}"
            problem = screen.answer.problem(tokens=max_tokens, more=more)
        except (InferenceClientError, ClientError, BotoCoreError) as error:
            problem = other_task(str(error)) or str(error)
        screen.end()
    if problem is not None:
        print(f"ask: {problem}", file=sys.stderr)
        raise typer.Exit(1)


def _question(argument: str | None) -> str:
    """Return the question: as given, or from stdin."""
    if argument is None and sys.stdin.isatty():
        raise ConfigurationError([Problem("QUESTION", "is missing; write it in quotes, or pipe it in")])
    text = sys.stdin.buffer.read().decode(errors="replace") if argument in {None, "-"} else argument
    if not text or not text.strip():
        raise ConfigurationError([Problem("QUESTION", "is empty; say what you want to know")])
    return text
