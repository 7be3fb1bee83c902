"""Random requests against the contract alone: nothing but 400 for what is wrong, and nothing dangerous behind it.

The real engine meets others of them in test_hostile_requests.py, and 50,000 in benchmarks/request_fuzz.py.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from cdk_sglang_container.contract import Contract
from cdk_sglang_container.fields import FIELDS
from cdk_sglang_container.limits import RequestLimits
from cdk_sglang_container.other_fields import UNBOUNDED
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.requests.run import answer_problem, drawn, kept_seeds
from tools.requests.schema import OPERATORS, caller_bodies, fields_of, known_bodies
from tools.requests.strategies import GOOD_BODIES, SAMPLING_FIELDS, Body

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from cdk_sglang_container.http import Message, Receive, Scope, Send

COUNT = 2000
LIMITS = RequestLimits(vocabulary=261, context=8192, width=128)
TOKEN_IDS = ("input_ids", "stop_token_ids", "token_ids_logprob", "label_token_ids", "tokens")
COUNTED = {"n": 64, "top_logprobs": 20, "top_logprobs_num": 20, "top_k": 2**30, "max_tokens": 8192}


class Engine:
    draining = False
    base_model = "base"
    adapters: Collection[str] | None = None
    limits = LIMITS


class Health:
    ok = True


class Copy:
    """The contract in front of an application that keeps what reaches it."""

    def __init__(self, adapters: Collection[str] | None = None) -> None:
        engine: Any = Engine()
        engine.adapters = adapters
        health: Any = Health()
        sessions: Any = None
        self.reached: list[dict[str, Any]] = []
        self._contract = Contract(self._app, engine=engine, health=health, sessions=sessions, max_body_bytes=6_291_456)

    async def _app(self, _scope: Scope, receive: Receive, send: Send) -> None:
        content = (await receive())["body"]
        if content:
            self.reached.append(json.loads(content))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def ask(self, body: Body) -> tuple[int, bytes]:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body.content, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body.content)).encode())]
        await self._contract({"type": "http", "method": "POST", "path": body.path, "headers": headers}, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def _dangers(value: object) -> Iterator[str]:
    """What SGLang's scheduler could not take, in words that owe nothing to the contract's own rules."""
    if isinstance(value, list):
        for part in value:
            yield from _dangers(part)
    if not isinstance(value, dict):
        return
    for key, part in value.items():
        numbers = part if isinstance(part, list) else [part]
        if key in TOKEN_IDS and any(isinstance(each, int | float) and not 0 <= each < 261 for each in numbers):
            yield f"{key}: {part!r}"
        if key in COUNTED and isinstance(part, int | float) and not -1 <= part <= COUNTED[key]:
            yield f"{key}: {part!r}"
        if key in {"rid", "request_id"} and part is not None and not (isinstance(part, str) and len(part) >= 8):
            yield f"{key}: {part!r}"
        if key in {"sampling_params", "options", "parameters", "instances"}:
            yield from _dangers(part)


@pytest.mark.parametrize("adapters", [None, ["triage"]], ids=["base alone", "with adapters"])
def test_random_requests_are_answered_in_one_shape_and_nothing_dangerous_reaches_the_engine(
    adapters: list[str] | None,
) -> None:
    copy, wrong = Copy(adapters), []

    async def ask_all() -> None:
        first = 0 if adapters is None else COUNT // 2
        for body in [*kept_seeds(), *drawn(COUNT // 2, first=first)]:
            problem = answer_problem(*await copy.ask(body))
            if problem is not None:
                wrong.append((body, problem))

    asyncio.run(ask_all())
    assert wrong == []
    assert len(copy.reached) > COUNT // 20, "nearly everything was refused"
    assert [danger for request in copy.reached for danger in _dangers(request)] == []


@given(st.binary(max_size=60))
@settings(max_examples=200)
def test_any_bytes_are_answered(content: bytes) -> None:
    status, answer = asyncio.run(Copy().ask(Body("/generate", content)))
    assert answer_problem(status, answer) is None


def test_a_good_body_of_each_path_reaches_the_engine() -> None:
    assert GOOD_BODIES.keys() == known_bodies()["paths"].keys()
    copy = Copy()
    for path, body in GOOD_BODIES.items():
        assert asyncio.run(copy.ask(Body(path, json.dumps(body).encode())))[0] == 200
        assert copy.reached[-1] == body


def test_every_field_of_sglangs_protocol_has_a_rule_or_a_reason_to_need_none() -> None:
    """The schema is that of the pinned SGLang; test_hostile_requests.py compares it with the engine's own."""
    fields = fields_of(known_bodies()) | set(SAMPLING_FIELDS)
    assert fields - FIELDS.keys() - UNBOUNDED == set()
    assert UNBOUNDED - fields == set(), "gone from SGLang"
    assert not UNBOUNDED & FIELDS.keys()


def test_a_field_or_path_that_a_new_sglang_adds_is_seen() -> None:
    schema = {"properties": {"text": {"type": "string"}, "brand_new": {"type": "integer"}}}
    operation = {"post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/x/New"}}}}}}
    paths = {"/brand_new": operation, **{f"/{path}": operation for path in OPERATORS}}
    bodies = caller_bodies({"paths": paths, "components": {"schemas": {"New": schema}}})
    assert bodies["paths"] == {"/brand_new": "New"}
    assert fields_of(bodies) - FIELDS.keys() - UNBOUNDED == {"brand_new"}
