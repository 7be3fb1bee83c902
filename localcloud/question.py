"""The first question of `make local`: asked through boto3, and its answer printed with its speed and what to try next."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Final, cast

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cdk_sglang.client import InferenceClient, InferenceClientError, Wait
from cdk_sglang.client.answers import ChatAnswer
from cdk_sglang.client.speed import WITH_USAGE, AnswerSpeed
from localcloud.aws.credentials import Credentials
from localcloud.background import CREDENTIALS_FILE, ROOT, SERVER_STATE, LocalError, console
from localcloud.model import Kind
from localcloud.served import Served

QUESTION: Final = "What is the capital of France?"
_TOKENS: Final = 64
_TOKENS_OF_NO_LANGUAGE: Final = 24
_WAIT: Final = Wait(up_to_seconds=180)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An answer and its speed.

    Attributes:
        answer: What the model sent.
        speed: How fast it came, in words.
    """

    answer: ChatAnswer
    speed: str


def ask(session: boto3.session.Session, url: str, target: Served, kind: Kind) -> Asked:
    """Ask the first question.

    Args:
        session: Credentials of the embedded AWS.
        url: Its address.
        target: The component to ask.
        kind: The model that answers.

    Raises:
        LocalError: There is no answer, or an empty one.
    """
    endpoint, component = target.endpoint_name, target.component_name
    tokens = _TOKENS if kind.knows_language else _TOKENS_OF_NO_LANGUAGE
    answer = ChatAnswer()
    messages = [{"role": "user", "content": QUESTION}]
    try:
        with InferenceClient(endpoint, component, session=session, endpoint_url=url, wait=_WAIT) as client:
            speed = AnswerSpeed()
            chunks = client.stream_chat(messages, max_tokens=tokens, temperature=0, **WITH_USAGE)
            with closing(cast("Generator[dict[str, object]]", chunks)):
                for chunk in chunks:
                    speed.add(chunk)
                    answer.add(chunk)
    except (InferenceClientError, ClientError, BotoCoreError) as error:
        raise LocalError(f"no answer from {component}: {error}") from None
    command = f"cdk-sglang ask --endpoint {endpoint} --component {component}"
    problem = answer.problem(tokens=tokens, more=f"ask for more with `{command} --max-tokens 512 'hello'`")
    if problem is not None:
        raise LocalError(f"{component} is deployed and replied: {problem}")
    return Asked(answer=answer, speed=str(speed))


def print_result(
    asked: Asked, server_credentials: Credentials, target: Served, kind: Kind, *, url: str, seconds: float
) -> None:
    """Print the answer, and commands to try next.

    Args:
        asked: The answer.
        server_credentials: Credentials of the embedded AWS.
        target: The component that answered.
        kind: The model that answered.
        url: Address of the embedded AWS.
        seconds: Seconds that the command has taken.
    """
    console.print()
    console.print(f"model     {kind.title}, {kind.origin}", markup=False, soft_wrap=True)
    console.print(f"question  {QUESTION}")
    if asked.answer.reasoning:
        console.print(f"reasoning {asked.answer.reasoning!r}", markup=False, soft_wrap=True)
    text = asked.answer.text.strip() if kind.knows_language else repr(asked.answer.text)
    console.print(f"answer    {text}", markup=False, soft_wrap=True)
    console.print(f"speed     {asked.speed}, on this machine's CPU", markup=False)
    console.print(f"engine    {_engine_line()}", markup=False, soft_wrap=True)
    console.print(f"took      {seconds:.0f} s")
    console.print()
    console.print(
        "look at it, and make something happen: the fleet live, load, faults, skipped time, a killed copy, a chat"
    )
    console.print(f"  {server_credentials.console_address(url)}", markup=False, soft_wrap=True)
    console.print()
    console.print("try next")
    for line in server_credentials.exports(url):
        console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print(f"  source {CREDENTIALS_FILE.relative_to(ROOT)}             # the same, in another terminal")
    place = f"--env local --component {target.component_name}"
    console.print(f"  .venv/bin/cdk-sglang chat {place}          # talk to it", markup=False, soft_wrap=True)
    console.print(f"  .venv/bin/cdk-sglang ask 'who are you?' {place}", markup=False, soft_wrap=True)
    console.print("  aws sagemaker list-inference-components        # or any SDK: it is the AWS API")
    console.print("  edit environments/local.yaml, then make local  # an update, as in AWS")
    console.print(f"  tail -f {(SERVER_STATE / 'logs').relative_to(ROOT)}/*     # the logs of SGLang")
    console.print("  make local-down                                # destroy and stop it")


def _engine_line() -> str:
    """The engine's own log line about the request that was just answered."""
    logs = sorted((SERVER_STATE / "logs").rglob("*.log"), key=lambda path: path.stat().st_mtime)
    lines = [line for path in logs for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    matches = [line for line in lines if "POST /invocations" in line or "Prefill batch" in line]
    return matches[-1].strip() if matches else "no line of the engine found"
