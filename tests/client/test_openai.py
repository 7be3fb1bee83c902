"""The openai side: the same waits and the same restraint, sync and async."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import openai
import pytest

from cdk_sglang.client import (
    OpenAIWaitCancelledError,
    OpenAIWaitExceededError,
    Progress,
    State,
    Wait,
    WaitExceededError,
    async_openai_client,
    openai_client,
)
from cdk_sglang.client.tokens import LIFE, BearerTokens, session_token
from cdk_sglang.client.wait import SystemClock
from localcloud.aws import faults
from tests.client.conftest import CloudTime
from tests.client.test_boto import SLOW, states
from tests.localcloud.helpers import SESSION, eventually

HELLO: list[Any] = [{"role": "user", "content": "hello"}]


def ask(client: openai.OpenAI, **more: Any) -> Any:
    return client.chat.completions.create(model="llama", messages=HELLO, extra_body=more or None)


def test_one_request_wakes_a_component_from_zero_and_gets_its_answer(
    asleep: Any, options: dict[str, Any], steps: list[Progress], request_count: Callable[[], int]
) -> None:
    with openai_client("fleet", "llama", **options) as client:
        answer = ask(client)
    assert answer.choices[0].message.content == "heard: hello"
    assert states(steps) == [State.ASLEEP, State.ANSWERED]
    assert request_count() == 1


def test_an_async_request_does_the_same(
    asleep: Any, options: dict[str, Any], steps: list[Progress], request_count: Callable[[], int]
) -> None:
    async def run() -> Any:
        async with async_openai_client("fleet", "llama", **options) as client:
            return await client.chat.completions.create(model="llama", messages=HELLO)

    assert asyncio.run(run()).choices[0].message.content == "heard: hello"
    assert states(steps) == [State.ASLEEP, State.ANSWERED]
    assert request_count() == 1


def test_streams_come_in_parts(asleep: Any, options: dict[str, Any]) -> None:
    with openai_client("fleet", "llama", **options) as client:
        stream = client.chat.completions.create(model="llama", messages=HELLO, stream=True)
        arrived = [(time.monotonic(), chunk.choices[0].delta.content) for chunk in stream]
    assert [text for _, text in arrived] == ["part 0 ", "part 1 ", "part 2 "]
    assert arrived[-1][0] - arrived[0][0] > 0.3


def test_async_streams_come_in_parts(serving: Any, options: dict[str, Any]) -> None:
    async def run() -> list[str | None]:
        async with async_openai_client("fleet", "llama", **options) as client:
            stream = await client.chat.completions.create(model="llama", messages=HELLO, stream=True)
            return [chunk.choices[0].delta.content async for chunk in stream]

    assert asyncio.run(run()) == ["part 0 ", "part 1 ", "part 2 "]


def test_throttling_is_waited_out(
    serving: Any, options: dict[str, Any], time_of: CloudTime, request_count: Callable[[], int]
) -> None:
    faults.inject("throttling", target="InvokeEndpoint", times=2)
    with openai_client("fleet", "llama", **options) as client:
        assert ask(client).choices
    assert (len(time_of.pauses), request_count()) == (2, 1)


@pytest.mark.parametrize("kind", [openai.InternalServerError, openai.RateLimitError], ids=lambda kind: kind.__name__)
def test_the_engines_errors_are_raised_at_once(
    serving: Any,
    options: dict[str, Any],
    time_of: CloudTime,
    request_count: Callable[[], int],
    kind: type[openai.APIStatusError],
) -> None:
    status = 503 if kind is openai.InternalServerError else 429
    with openai_client("fleet", "llama", **options) as client, pytest.raises(kind) as caught:
        ask(client, status=status)
    assert caught.value.status_code == status
    eventually(lambda: request_count() >= 1)
    assert (time_of.pauses, request_count()) == ([], 1)


def test_a_read_that_times_out_is_not_sent_again(
    serving: Any, options: dict[str, Any], time_of: CloudTime, request_count: Callable[[], int]
) -> None:
    with (
        openai_client("fleet", "llama", **options, read_timeout_seconds=0.3) as client,
        pytest.raises(openai.APITimeoutError),
    ):
        ask(client, sleep_s=1)
    eventually(lambda: request_count() >= 1)
    assert (time_of.pauses, request_count()) == ([], 1)


def test_out_of_time_is_one_kind_of_error_for_both_clients(
    asleep: Any, options: dict[str, Any], time_of: CloudTime
) -> None:
    time_of.copies_come = False
    faults.inject("component-health-check", target="llama")
    with (
        openai_client("fleet", "llama", **options, wait=Wait(up_to_seconds=60)) as client,
        pytest.raises(WaitExceededError, match="0 of 1 copies") as caught,
    ):
        ask(client)
    assert isinstance(caught.value, OpenAIWaitExceededError)
    assert isinstance(caught.value, openai.OpenAIError)
    assert caught.value.waited_seconds == pytest.approx(60)


def test_an_event_ends_the_wait_at_once(asleep: Any, options: dict[str, Any]) -> None:
    import threading

    cancel = threading.Event()
    options |= {"clock": None, "on_progress": lambda _: cancel.set()}
    began = time.monotonic()
    with (
        openai_client("fleet", "llama", **options, wait=SLOW, cancel=cancel) as client,
        pytest.raises(OpenAIWaitCancelledError),
    ):
        ask(client)
    assert time.monotonic() - began < SLOW.first_pause_seconds - 2


def test_cancelling_the_task_ends_the_wait_at_once(asleep: Any, options: dict[str, Any], steps: list[Progress]) -> None:
    waiting = asyncio.Event()

    def note(step: Progress) -> None:
        steps.append(step)
        waiting.set()

    async def run() -> None:
        async with async_openai_client(
            "fleet", "llama", **options | {"clock": None, "on_progress": note}, wait=SLOW
        ) as client:
            task = asyncio.create_task(client.chat.completions.create(model="llama", messages=HELLO))
            await waiting.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    began = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - began < SLOW.first_pause_seconds - 2
    assert states(steps) == [State.ASLEEP, State.CANCELLED]


def test_a_refused_connection_ends_as_out_of_time(options: dict[str, Any], time_of: CloudTime) -> None:
    with (
        openai_client("fleet", "llama", **options | {"endpoint_url": "http://127.0.0.1:9"}) as client,
        pytest.raises(OpenAIWaitExceededError, match="No connection could be made"),
    ):
        ask(client)
    assert sum(time_of.pauses) == pytest.approx(30)


def test_an_unknown_component_is_raised_at_once(serving: Any, options: dict[str, Any], time_of: CloudTime) -> None:
    with openai_client("fleet", "nobody", **options) as client, pytest.raises(openai.BadRequestError) as caught:
        ask(client)
    assert caught.value.body == {"Message": "Inference Component nobody not found on endpoint fleet."}
    assert time_of.pauses == []


def test_the_address_is_the_regions_own() -> None:
    client = openai_client("prod-chat", "prod-chat-llama", session=SESSION, region="eu-west-1")
    assert str(client.base_url) == (
        "https://runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/prod-chat/inference-components/prod-chat-llama/openai/v1/"
    )


class Hours(SystemClock):
    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at


def test_tokens_are_made_anew_before_their_credentials_can_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Hours()
    tokens = BearerTokens(session=SESSION, region="us-east-1", clock=clock)
    first = tokens.token()
    clock.at = 299
    assert tokens.token() == first
    clock.at = 301
    moments: list[float] = []
    real = SESSION.get_credentials
    monkeypatch.setattr(SESSION, "get_credentials", lambda: (moments.append(clock.at), real())[1])
    tokens.token()
    tokens.token()
    assert moments == [301]


def test_a_token_is_a_presigned_request_of_an_hour_at_most() -> None:
    token = BearerTokens(session=SESSION, region="eu-west-1", clock=SystemClock()).token()
    url = base64.b64decode(token.removeprefix("sagemaker-api-key-")).decode()
    query = parse_qs(urlsplit(f"https://{url}").query)
    assert query["Action"] == ["CallWithBearerToken"]
    assert int(query["X-Amz-Expires"][0]) == LIFE.total_seconds() == 3600
    assert "/eu-west-1/sagemaker/" in query["X-Amz-Credential"][0]


def test_a_wait_longer_than_a_tokens_age_is_signed_anew(
    serving: Any, options: dict[str, Any], time_of: CloudTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_tokens: list[str] = []

    def count(*arguments: Any) -> str:
        all_tokens.append(session_token(*arguments))
        return all_tokens[-1]

    monkeypatch.setattr("cdk_sglang.client.tokens.session_token", count)
    faults.inject("throttling", target="InvokeEndpoint", times=60)
    with openai_client("fleet", "llama", **options) as client:
        assert ask(client).choices
    assert sum(time_of.pauses) > 600
    assert len(all_tokens) == 3
