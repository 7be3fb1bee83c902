from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from cdk_sglang_container import bidirectional
from cdk_sglang_container.health import Health

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cdk_sglang_container.http import Message, Receive, Scope, Send


class Pulse:
    def __init__(self) -> None:
        self.alive, self.probes, self.up, self.stopping = True, 0, False, False
        self.computing = self.beating = False
        self.under_way = self.given_up = 0

    async def generate(self) -> bool:
        self.probes += 1
        self.under_way += 1
        assert self.under_way == 1, "one probe at a time"
        try:
            while not self.alive:
                await asyncio.sleep(0.002)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        finally:
            self.under_way -= 1
        return True


def _health(
    pulse: Pulse, *, warmed_up: bool = True, wedged_after_s: float = 0.2, stalled_after_s: float = 60
) -> Health:
    return Health(
        generate=pulse.generate,
        beats=lambda: pulse.beating,
        computes=lambda: pulse.computing,
        stalled_after_s=stalled_after_s,
        started=lambda: pulse.up,
        stopping=lambda: pulse.stopping,
        warmed_up=warmed_up,
        wedged_after_s=wedged_after_s,
    )


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


def test_it_is_unhealthy_until_the_engine_is_up_and_healthy_at_once_after_a_warm_up() -> None:
    async def run() -> None:
        pulse = Pulse()
        health = _health(pulse, wedged_after_s=300)
        health.start()
        await asyncio.sleep(0.05)
        assert not health.ok
        pulse.up = True
        await _until(lambda: health.ok)
        assert pulse.probes == 0
        await health.stop()

    asyncio.run(run())


def test_without_a_warm_up_the_first_token_decides() -> None:
    async def run() -> None:
        pulse = Pulse()
        pulse.up, pulse.alive = True, False
        health = _health(pulse, warmed_up=False)
        health.start()
        await _until(lambda: pulse.probes > 1)
        assert not health.ok
        pulse.alive = True
        await _until(lambda: health.ok)
        await health.stop()

    asyncio.run(run())


def test_a_wedged_engine_is_noticed_in_time_and_so_is_its_recovery() -> None:
    async def run() -> None:
        pulse = Pulse()
        pulse.up = True
        health = _health(pulse)
        health.start()
        await _until(lambda: health.ok)
        pulse.alive = False
        began = asyncio.get_running_loop().time()
        await _until(lambda: not health.ok)
        assert asyncio.get_running_loop().time() - began < 1
        pulse.alive = True
        await _until(lambda: health.ok)
        await health.stop()

    asyncio.run(run())


def test_an_engine_that_computes_is_healthy_however_long_a_pass_takes() -> None:
    async def run() -> None:
        pulse = Pulse()
        pulse.up = True
        health = _health(pulse)
        health.start()
        await _until(lambda: pulse.probes > 0)
        pulse.alive, pulse.computing, count = False, True, pulse.probes
        await _until(lambda: pulse.probes > count)
        count = pulse.probes
        for _ in range(60):  # three times what a wedged engine is given
            assert health.ok
            await asyncio.sleep(0.01)
        assert (pulse.probes, pulse.given_up) == (count, 0), "probes would pile up behind the pass"
        pulse.alive = True
        await _until(lambda: pulse.probes > count)
        assert health.ok
        await health.stop()

    asyncio.run(run())


def test_an_engine_that_stops_computing_in_a_pass_is_noticed_and_its_probe_given_up() -> None:
    async def run() -> None:
        pulse = Pulse()
        pulse.up = True
        health = _health(pulse)
        health.start()
        await _until(lambda: pulse.probes > 0)
        pulse.alive, pulse.computing = False, True
        await asyncio.sleep(0.3)
        assert health.ok
        pulse.computing = False
        await _until(lambda: not health.ok)
        await _until(lambda: pulse.given_up > 0)
        pulse.computing = True
        await _until(lambda: health.ok)
        await health.stop()

    asyncio.run(run())


def test_computing_alone_stands_for_an_answer_for_the_set_time_only() -> None:
    async def run() -> None:
        pulse = Pulse()
        pulse.up = True
        health = _health(pulse, stalled_after_s=0.3)
        health.start()
        await _until(lambda: pulse.probes > 0)
        pulse.alive, pulse.computing = False, True
        await asyncio.sleep(0.2)
        assert health.ok
        await _until(lambda: not health.ok)
        assert pulse.given_up == 1
        await health.stop()

    asyncio.run(run())


def test_a_heartbeat_stands_for_an_answer_however_long_a_pass_takes() -> None:
    async def run() -> None:
        pulse = Pulse()
        pulse.up = True
        health = _health(pulse, stalled_after_s=0.2)
        health.start()
        await _until(lambda: pulse.probes > 0)
        pulse.alive, pulse.computing, pulse.beating = False, True, True
        for _ in range(60):  # three times what computing alone is worth
            assert health.ok
            await asyncio.sleep(0.01)
        assert pulse.given_up == 0
        pulse.beating = False
        await _until(lambda: not health.ok)
        await _until(lambda: pulse.given_up == 1)
        await health.stop()

    asyncio.run(run())


def test_an_engine_that_has_never_generated_is_not_healthy_for_computing() -> None:
    async def run() -> None:
        pulse = Pulse()
        pulse.up, pulse.alive, pulse.computing = True, False, True
        health = _health(pulse, warmed_up=False)
        health.start()
        await asyncio.sleep(0.3)
        assert not health.ok
        pulse.alive = True
        await _until(lambda: health.ok)
        await health.stop()

    asyncio.run(run())


def test_an_engine_that_was_told_to_stop_is_asked_no_more() -> None:
    async def run() -> None:
        pulse = Pulse()
        pulse.up = True
        health = _health(pulse)
        health.start()
        await _until(lambda: pulse.probes > 0)
        pulse.stopping = True
        await asyncio.sleep(0.1)
        count = pulse.probes
        await asyncio.sleep(0.3)
        assert pulse.probes == count
        await health.stop()

    asyncio.run(run())


def test_a_probe_that_breaks_counts_as_no_token() -> None:
    async def broken() -> bool:
        raise RuntimeError("scheduler is gone")

    health = _health(Pulse())
    health._generate = broken
    assert asyncio.run(health.probe()) is False
    assert not health.ok


def test_an_engine_that_is_stopping_is_unhealthy_whatever_it_generates() -> None:
    pulse = Pulse()
    pulse.up = True
    health = _health(pulse)
    assert asyncio.run(health.probe())
    assert health.ok
    pulse.up = False
    assert not health.ok


def _event(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n"


class Chat:
    """`POST /invocations` that repeats the last message, letter by letter."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.scopes: list[Scope] = []
        self.left = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = json.loads((await receive())["body"])
        self.requests.append(request)
        self.scopes.append(scope)
        text = str(request["messages"][-1]["content"])
        if text == "bad":
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body", "body": b'{"message": "not like that"}'})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if text == "forever":
            await send({"type": "http.response.body", "body": _event("x"), "more_body": True})
            assert (await receive())["type"] == "http.disconnect"
            self.left += 1
            return
        stream = b"".join(_event(letter) for letter in text) + b"data: [DONE]\n\n"
        for start in range(0, len(stream), 10):  # events are cut anywhere
            await send({"type": "http.response.body", "body": stream[start : start + 10], "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _converse(chat: Chat, *turns: str | bytes, limit: int = 1000, frames: int) -> list[Message]:
    """Say the turns, wait for a number of frames, leave."""
    sent: list[Message] = []
    enough = asyncio.Event()
    pending: list[Message] = [{"type": "websocket.connect"}]
    pending += [
        {"type": "websocket.receive", **({"text": turn} if isinstance(turn, str) else {"bytes": turn})}
        for turn in turns
    ]

    async def receive() -> Message:
        if pending:
            return pending.pop(0)
        async with asyncio.timeout(60):
            await enough.wait()
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Message) -> None:
        sent.append(message)
        if len(sent) > frames:  # the first is the acceptance
            enough.set()

    scope: Scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "path": bidirectional.PATH,
        "headers": [(b"x-amzn-sagemaker-adapter-identifier", b"a"), (b"sec-websocket-key", b"x")],
        "app": "starlette's",
    }
    serve: Callable[..., Awaitable[None]] = bidirectional.serve
    asyncio.run(serve(chat, scope, receive, send, limit=limit))
    assert sent[0] == {"type": "websocket.accept"}
    return sent[1:]


def test_plain_text_is_a_conversation_with_a_memory() -> None:
    chat = Chat()
    frames = _converse(chat, "hi", b"you", frames=7)
    assert [frame["text"] for frame in frames] == ["h", "i", "[DONE]", "y", "o", "u", "[DONE]"]
    assert chat.requests[1]["messages"] == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hi"},
        {"role": "user", "content": "you"},
    ]


def test_a_chat_request_is_answered_chunk_by_chunk_with_the_connections_headers() -> None:
    chat = Chat()
    request = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}
    frames = _converse(chat, json.dumps(request), frames=3)
    assert json.loads(frames[0]["text"])["choices"][0]["delta"]["content"] == "h"
    assert frames[-1]["text"] == "[DONE]"
    assert chat.requests == [{**request, "stream": True}]
    headers = dict(chat.scopes[0]["headers"])
    assert headers[b"x-amzn-sagemaker-adapter-identifier"] == b"a"
    assert b"sec-websocket-key" not in headers
    assert chat.scopes[0]["app"] == "starlette's"


def test_an_error_is_a_frame_and_the_conversation_goes_on_without_it() -> None:
    chat = Chat()
    frames = _converse(chat, "bad", "ok", frames=5)
    assert json.loads(frames[0]["text"]) == {"error": {"code": 400, "message": "not like that"}}
    assert [frame["text"] for frame in frames[1:]] == ["[DONE]", "o", "k", "[DONE]"]
    assert chat.requests[1]["messages"] == [{"role": "user", "content": "ok"}]


@pytest.mark.parametrize(
    "turn", ['{"messages": ' + "[" * 60_000 + "]" * 60_000 + "}", '{"messages": [], "x": "\\ud800"}']
)
def test_a_turn_that_cannot_be_read_as_json_is_text_and_is_answered(turn: str) -> None:
    chat = Chat()
    _converse(chat, turn, limit=200_000, frames=len(turn) + 1)
    assert chat.requests[0]["messages"] == [{"role": "user", "content": turn}]


def test_a_caller_that_leaves_stops_its_generation() -> None:
    chat = Chat()
    _converse(chat, "forever", frames=1)
    assert chat.left == 1


@pytest.mark.parametrize(("turn", "code"), [("x" * 1001, 1009), ("é" * 600, 1009)])
def test_a_message_over_the_limit_closes_the_connection(turn: str, code: int) -> None:
    (frame,) = _converse(Chat(), turn, frames=1)
    assert (frame["type"], frame["code"]) == ("websocket.close", code)


def test_a_caller_that_floods_is_closed() -> None:
    frames = _converse(Chat(), *["forever"] * 20, frames=1)
    assert frames[-1]["code"] == 1008


def test_bytes_that_are_no_text_are_refused_in_words() -> None:
    frames = _converse(Chat(), b"\xff\xfe", frames=1)
    assert json.loads(frames[0]["text"])["error"]["message"] == "a message must be UTF-8 text"
