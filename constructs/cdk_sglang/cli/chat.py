"""`cdk-sglang chat`: talk to a component in the terminal, with the conversation so far and the speed of each answer."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from cdk_sglang.cli.ask import (
    ComponentOption,
    EndpointOption,
    EnvOption,
    RegionOption,
    RouteOption,
    WaitOption,
)
from cdk_sglang.cli.destination import Place, opened
from cdk_sglang.cli.other_task import other_task
from cdk_sglang.cli.screen import AnswerScreen

if TYPE_CHECKING:
    from collections.abc import Generator

    from cdk_sglang.client import InferenceClient

_PROMPT: Final = "you> "
_COMMANDS: Final = "/reset forgets the conversation, /exit ends the chat, Ctrl-C ends an answer"
_TOO_LONG: Final = ("context length", "context_length", "too long")
"""Words that SGLang and others use when conversation and answer do not fit the context."""


def chat(
    *,
    env: EnvOption = None,
    endpoint: EndpointOption = None,
    component: ComponentOption = None,
    route: RouteOption = None,
    system: Annotated[str | None, typer.Option(help="System prompt; the model's own by default.")] = None,
    region: RegionOption = None,
    wait_seconds: WaitOption = 900,
    max_tokens: Annotated[int, typer.Option(min=1, help="Maximum length of an answer, in tokens.")] = 1024,
) -> None:
    """Talk to a model, line by line, with your AWS credentials; wake the component if it is at zero copies.

    /reset forgets the conversation, /exit or Ctrl-D ends the chat. Ctrl-C ends an answer, and between answers the chat. Answers go to stdout,
    everything else to stderr. Without a destination: the only component of the account. Exit code 1: the last answer failed.
    """
    place = Place(
        command="chat",
        env=env,
        endpoint=endpoint,
        component=component,
        route=route,
        region=region,
        anywhere=True,
    )
    with opened(place, wait_seconds=wait_seconds) as client:
        conversation = Conversation(client, system=system, max_tokens=max_tokens)
        _tell(_COMMANDS)
        succeeded = True
        try:
            while (line := _read()) is not None:
                if line.startswith("/"):
                    _obey(line, conversation)
                elif line:
                    succeeded = conversation.turn(line)
        except KeyboardInterrupt:
            typer.echo(err=True)
    if not succeeded:
        raise typer.Exit(1)


class Conversation:
    """Messages so far, and the next turn with the model.

    Args:
        client: Client of the component.
        system: System prompt; None for the model's own.
        max_tokens: Limit of an answer's tokens.

    Attributes:
        messages: Messages in the OpenAI format.
    """

    def __init__(self, client: InferenceClient, *, system: str | None, max_tokens: int) -> None:
        self._client, self._max_tokens = client, max_tokens
        self._system = [] if system is None else [{"role": "system", "content": system}]
        self.messages: list[dict[str, str]] = [*self._system]

    def reset(self) -> None:
        """Forget all but the system prompt."""
        self.messages = [*self._system]

    def turn(self, text: str) -> bool:
        """Send a message, and show the answer and its speed; return whether there was one.

        What was shown of an answer that was stopped is kept. A message without any answer is forgotten, so that it can be sent again.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        from cdk_sglang.client import InferenceClientError
        from cdk_sglang.client.answers import ChatAnswer
        from cdk_sglang.client.speed import WITH_USAGE, AnswerSpeed

        question = {"role": "user", "content": text}
        screen, speed = AnswerScreen(ChatAnswer()), AnswerSpeed()
        problem: str | None
        stopped = False
        try:
            chunks = self._client.stream_chat([*self.messages, question], max_tokens=self._max_tokens, **WITH_USAGE)
            with closing(cast("Generator[dict[str, object]]", chunks)):  # the engine notices that nobody reads any more
                for chunk in chunks:
                    speed.add(chunk)
                    screen.add(chunk)
            problem = screen.answer.problem(tokens=self._max_tokens, more="raise --max-tokens")
        except KeyboardInterrupt:
            problem, stopped = None, True
        except (InferenceClientError, ClientError, BotoCoreError) as error:
            problem = other_task(str(error)) or _with_advice(str(error), self.messages)
        screen.end()
        if problem is None and screen.answer.text:
            self.messages += [question, {"role": "assistant", "content": screen.answer.text}]
        if problem is not None:
            _tell(f"chat: {problem}", failed=True)
        else:
            _tell(f"stopped; {speed}" if stopped else str(speed))
        return problem is None


def _with_advice(problem: str, messages: list[dict[str, str]]) -> str:
    if messages and any(words in problem for words in _TOO_LONG):
        return f"{problem}; /reset begins a new conversation"
    return problem


def _obey(line: str, conversation: Conversation) -> None:
    if line == "/reset":
        conversation.reset()
        _tell("a new conversation begins")
    else:
        _tell(_COMMANDS if line == "/help" else f"{line.split(maxsplit=1)[0]} is not a command; {_COMMANDS}")


def _tell(text: str, *, failed: bool = False) -> None:
    typer.secho(text, err=True, dim=not failed, fg="red" if failed else None)


def _read() -> str | None:
    """Next line of the user without the space around it; None at the end of the input and for /exit."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        line = sys.stdin.buffer.readline().decode(errors="replace")
        if not line:
            return None
    else:
        import readline  # noqa: F401  lets input() edit the line, and bring back earlier ones

        try:
            line = input(_PROMPT)
        except EOFError:
            typer.echo(err=True)
            return None
    line = line.strip()
    return None if line in {"/exit", "/quit"} else line
