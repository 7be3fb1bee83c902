"""Requests that must not end the engine, on the real one: a single process meets them all."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

import pytest
from cdk_sglang_container.fields import FIELDS
from cdk_sglang_container.other_fields import UNBOUNDED
from engine_server import LORA, EngineServer, speak
from hostile_bodies import CHAT, ENDED, GENERATE, REFUSED, Hostile

from localcloud.engine.recipe import engine_python
from tools.requests.run import HttpTarget, Tally, drawn, kept_seeds
from tools.requests.schema import caller_bodies, known_bodies
from tools.requests.strategies import SAMPLING_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

SESSION = "X-Amzn-SageMaker-Session-Id"
HOSTILE = [*ENDED, *REFUSED]
RANDOM = 1_600
"""With what tests/e2e/engine sends through the embedded AWS, 2,000 of them meet an engine in every run of the tests."""
ADAPTER = "triage"


@pytest.fixture(scope="module")
def server(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineServer]:
    running = EngineServer(model=models["base"], settings=LORA, log=tmp_path_factory.mktemp("log") / "server.log")
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def engine_lives(server: EngineServer) -> Iterator[None]:
    """The same scheduler before and after, and a neighbour is answered."""
    scheduler = server.scheduler()
    yield
    assert server.chat(max_tokens=2).status == 200, server.tail()
    assert server.scheduler() == scheduler


@pytest.mark.usefixtures("engine_lives")
@pytest.mark.parametrize("hostile", HOSTILE, ids=[hostile.name for hostile in HOSTILE])
def test_a_request_the_engine_cannot_take_is_400_and_its_neighbours_are_answered(
    server: EngineServer, hostile: Hostile
) -> None:
    reply = server.request("POST", hostile.path, hostile.body, timeout_s=20)
    assert reply.status == 400, reply.body
    error = reply.json["error"]
    assert error["param"] == hostile.field
    assert hostile.field is None or error["message"].startswith(f"{hostile.field} must be ")


@pytest.mark.usefixtures("engine_lives")
def test_a_session_is_no_way_around(server: EngineServer) -> None:
    opened = server.chat(headers={SESSION: "NEW_SESSION"}).headers["x-amzn-sagemaker-new-session-id"].split(";")[0]
    for session in ("NEW_SESSION", opened):
        reply = server.chat(top_k=2**31, headers={SESSION: session})
        assert (reply.status, reply.json["error"]["param"]) == (400, "top_k")
    reply = server.request("POST", "/invocations", {"requestType": []}, headers={SESSION: "NEW_SESSION"})
    assert (reply.status, reply.json["error"]["param"]) == (400, "requestType")


@pytest.mark.usefixtures("engine_lives")
def test_a_websocket_is_no_way_around(server: EngineServer) -> None:
    turn = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4, "top_k": 2**31}
    deep = '{"messages": ' + "[" * 60_000 + "]" * 60_000 + "}"
    (refused, nested) = speak(server, json.dumps(turn), deep)
    assert json.loads(refused[0])["error"]["message"].startswith("top_k must be a whole number")
    assert json.loads(nested[0])["error"]["code"] == 400


@pytest.mark.usefixtures("engine_lives")
def test_another_content_type_is_no_way_around(server: EngineServer) -> None:
    for kind in ("text/plain", "application/octet-stream", ""):
        for path in (CHAT, GENERATE, "/invocations"):
            body = {"text": "a", "messages": [], "sampling_params": {"top_k": 2**31}, "top_k": 2**31}
            assert server.request("POST", path, body, headers={"content-type": kind}).status == 400
            assert server.request("PUT", path, body, headers={"content-type": kind}).status == 400


def test_requests_at_the_bounds_are_answered(server: EngineServer) -> None:
    """What the table refuses must be what the engine cannot take, and no more."""
    for options in (
        {"logprobs": True, "top_logprobs": 20},
        {"top_k": 1 << 30, "temperature": 1},
        {"top_k": 5.0, "temperature": 1},
        {"repetition_penalty": 0.01, "temperature": 1},
        {"temperature": 1e9},
        {"logit_bias": {"260": 100, "0": -100}},
        {"stop_token_ids": [0, 260], "min_tokens": 2},
        {"input_ids": [0, 260]},
        {"seed": 2**63 - 1, "priority": 2**31 - 1},
        {"stop_regex": r"\d+\.\d+"},
        {"regex": "[a-z]{1,64}"},
        {"n": 3, "temperature": 1},
    ):
        reply = server.chat(**{"max_tokens": 4, **options})
        assert reply.status == 200, (options, reply.body)
    assert server.request("POST", "/v1/completions", {"prompt": ["a"] * 64, "max_tokens": 1}).status == 200


def test_every_field_of_sglangs_protocol_has_a_rule_or_a_reason_to_need_none(server: EngineServer) -> None:
    """A new SGLang's new field, and its new path, are seen here."""
    bodies = caller_bodies(server.request("GET", "/openapi.json").json)
    assert bodies == known_bodies(), "python -m tools.requests.schema takes over what is new"


def test_the_sampling_parameters_are_sglangs() -> None:
    """They have no schema: /generate takes any object."""
    (source,) = engine_python().parents[1].glob("lib/python*/site-packages/sglang/srt/sampling/sampling_params.py")
    classes = [node for node in ast.parse(source.read_text()).body if isinstance(node, ast.ClassDef)]
    (params,) = [node for node in classes if node.name == "SamplingParams"]
    fields = {
        part.target.id for part in params.body if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
    }
    assert fields - {*SAMPLING_FIELDS, *FIELDS, *UNBOUNDED} == set()
    assert set(SAMPLING_FIELDS) <= fields


def test_random_requests_are_400_at_worst_and_the_engine_lives(server: EngineServer, models: dict[str, Path]) -> None:
    """Half of those to paths that take a model ask for an adapter."""
    assert server.request("POST", "/adapters", {"name": ADAPTER, "src": str(models["adapter-a"])}).status == 200
    tally, scheduler, target = Tally(), server.scheduler(), HttpTarget(server.port)
    bodies = [*kept_seeds(), *drawn(RANDOM, first=10**6, adapters=(ADAPTER,))]
    for number, body in enumerate(bodies):
        tally.add(body, *target(body))
        if number % 50 == 0:
            assert server.ping() == 200
    target.close()
    assert tally.failures == [], str(tally)
    assert server.chat(max_tokens=2).status == 200
    assert server.chat(max_tokens=2, model=f"default:{ADAPTER}").status == 200
    assert server.scheduler() == scheduler
