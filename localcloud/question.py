"""The first question of `make local`: asked through boto3; its answer is printed with its speed and commands to try next."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, cast

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
        speed: How fast it arrived, in words.
        counted: What the engine reported about this request, in words: its id, the tokens read and written, and why it ended.
    """

    answer: ChatAnswer
    speed: str
    counted: str = ""


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
            speed, counts = AnswerSpeed(), EngineCounts()
            chunks = client.stream_chat(messages, max_tokens=tokens, temperature=0, **WITH_USAGE)
            with closing(cast("Generator[dict[str, object]]", chunks)):
                for chunk in chunks:
                    speed.add(chunk)
                    answer.add(chunk)
                    counts.add(chunk)
    except (InferenceClientError, ClientError, BotoCoreError) as error:
        raise LocalError(f"no answer from {component}: {error}") from None
    command = f"cdk-sglang ask --endpoint {endpoint} --component {component}"
    problem = answer.problem(tokens=tokens, more=f"ask for more with `{command} --max-tokens 512 'hello'`")
    if problem is not None:
        raise LocalError(f"{component} is deployed and replied: {problem}")
    return Asked(answer=answer, speed=str(speed), counted=str(counts))


class EngineCounts:
    """What the engine reports about one streamed request in its chunks."""

    def __init__(self) -> None:
        self._id = ""
        self._ended = ""
        self._usage: Mapping[str, Any] = {}

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Note a chunk."""
        self._id = str(chunk.get("id") or self._id)
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices") or ():
            self._ended = str(choice.get("finish_reason") or self._ended)

    def __str__(self) -> str:
        if not self._usage:
            return f"request {self._id}: the engine counted no tokens"
        cached = (self._usage.get("prompt_tokens_details") or {}).get("cached_tokens")
        read = f"{self._usage.get('prompt_tokens', 0):,} tokens read"
        read += "" if cached is None else f" ({cached:,} from its prefix cache)"
        written = f"{self._usage.get('completion_tokens', 0):,} written"
        return f"request {self._id}: {read}, {written}, ended by {self._ended or 'nothing'}"


def print_result(
    outcome: Asked, server_credentials: Credentials, target: Served, kind: Kind, *, url: str, seconds: float
) -> None:
    """Print the answer, and commands to try next.

    Args:
        outcome: The answer and its speed.
        server_credentials: Credentials of the embedded AWS.
        target: The component that answered.
        kind: The model that answered.
        url: Address of the embedded AWS.
        seconds: Duration of the command so far, in seconds.
    """
    console.print()
    console.print(f"model     {kind.title}, {kind.origin}", markup=False, soft_wrap=True)
    console.print(f"question  {QUESTION}")
    if outcome.answer.reasoning:
        console.print(f"reasoning {outcome.answer.reasoning!r}", markup=False, soft_wrap=True)
    text = outcome.answer.text.strip() if kind.knows_language else repr(outcome.answer.text)
    console.print(f"answer    {text}", markup=False, soft_wrap=True)
    console.print(f"speed     {outcome.speed}, on this machine's CPU", markup=False)
    console.print(f"engine    {outcome.counted}", markup=False, soft_wrap=True)
    console.print(f"took      {seconds:.0f} s")
    console.print()
    console.print("console: watch the fleet live, send load, inject faults, skip time, kill a copy, chat")
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
