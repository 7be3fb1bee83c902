"""`cdk-sglang agent invoke` and `cdk-sglang agent chat`: talk to a deployed agent."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cdk_sglang.cli.agent.conversation import BrokenAnswerError, Conversation
from cdk_sglang.cli.agent.outputs import output_of, stack_outputs
from cdk_sglang.cli.agent.show import Screen
from cdk_sglang.cli.environment_option import env_option
from cdk_sglang.cli.region import region_of
from cdk_sglang.errors import ConfigurationError, Problem

_Env = Annotated[str | None, env_option("Environment, such as prod.")]
_Arn = Annotated[str | None, typer.Option("--runtime-arn", help="Instead of --env: ARN of the runtime.")]
_Session = Annotated[str | None, typer.Option("--session", help="Session to continue; a new one by default.")]
_User = Annotated[
    str | None, typer.Option("--user", help="User on whose behalf you ask; the runtime must pass that header on.")
]
_Region = Annotated[str | None, typer.Option(help="Region; that of your AWS settings by default.")]
_INTERRUPTED = 130
_PROMPT = "you> "


def invoke(
    prompt: Annotated[str, typer.Argument(help="The message; - reads it from stdin.")],
    *,
    env: _Env = None,
    runtime_arn: _Arn = None,
    session: _Session = None,
    user: _User = None,
    raw: Annotated[bool, typer.Option("--json", help="Print the agent's events as JSON, one per line.")] = False,
    region: _Region = None,
) -> None:
    """Send one message, and print the answer as it arrives; waiting, tools and errors go to stderr.

    Exit code 1: the agent reports an error, AWS refuses, or the answer breaks off. Exit code 2: wrong usage. Ctrl-C stops the answer (130).
    """
    text = sys.stdin.read() if prompt == "-" else prompt
    if not text.strip():
        raise ConfigurationError([Problem("PROMPT", "is empty; say what you want to know")])
    conversation = _conversation(env, runtime_arn, session=session, user=user, region=region)
    screen = Screen(raw=raw)
    succeeded = _turn(conversation, text, screen)
    if not raw:
        screen.tell(f"session {conversation.session} (go on with --session)")
    if not succeeded:
        raise typer.Exit(1)


def chat(
    *,
    env: _Env = None,
    runtime_arn: _Arn = None,
    session: _Session = None,
    user: _User = None,
    region: _Region = None,
) -> None:
    """Talk to the agent, line by line. Ctrl-C stops an answer, or ends the chat between answers; so do Ctrl-D and /quit.

    A session that the chat began is stopped at its end. Exit code 1: the last answer failed.
    """
    conversation = _conversation(env, runtime_arn, session=session, user=user, region=region)
    Screen().tell(f"session {conversation.session}; /quit ends the chat")
    succeeded = True
    try:
        while (line := _read()) is not None:
            if line.strip():
                succeeded = _chat_turn(conversation, line)
    except KeyboardInterrupt:
        typer.echo(err=True)
    finally:
        if session is None:
            conversation.end()
    if not succeeded:
        raise typer.Exit(1)


def _conversation(
    env: str | None, runtime_arn: str | None, *, session: str | None, user: str | None, region: str | None
) -> Conversation:
    if (env is None) == (runtime_arn is None):
        raise ConfigurationError([Problem("agent", "give --env or --runtime-arn, one of them")])
    if runtime_arn is None:
        assert env is not None
        region = region_of(env, region)
        outputs = stack_outputs(env, region)
        runtime_arn = output_of(outputs, "RuntimeArn", env=env, setting="agent: {enabled: true, component: …}")
    return Conversation(runtime_arn, session=session, user=user, region=region)


def _turn(conversation: Conversation, text: str, screen: Screen) -> bool:
    """Show one answer; return whether it succeeded. Ctrl-C ends the command."""
    try:
        screen.show(conversation.turn(text))
    except BrokenAnswerError as error:
        screen.tell(f"agent: {error}; send the message again with --session {conversation.session}", style="red")
        return False
    except KeyboardInterrupt:
        screen.tell(f"stopped; go on with --session {conversation.session}")
        raise typer.Exit(_INTERRUPTED) from None
    screen.end()
    return not screen.failed


def _chat_turn(conversation: Conversation, text: str) -> bool:
    """Show one answer of a chat, which goes on after Ctrl-C and after a refusal."""
    try:
        return _turn(conversation, text, Screen())
    except typer.Exit as ended:
        if ended.exit_code == _INTERRUPTED:
            return True
        if ended.exit_code != 1:  # wrong credentials or a wrong request do not get better by asking again
            raise
        return False


def _read() -> str | None:
    """Next line of the user; None at the end of the input and for /quit."""
    if sys.stdin.isatty():
        typer.echo(_PROMPT, err=True, nl=False)
    line = sys.stdin.readline()
    return None if not line or line.strip() in {"/quit", "/exit"} else line.rstrip("\n")
