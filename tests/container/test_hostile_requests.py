"""Requests that must not end the engine, on the real one: a single process meets them all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from engine_server import EngineServer, speak
from hostile_bodies import CHAT, ENDED, GENERATE, REFUSED, Hostile

from localcloud.engine.recipe import engine_environment, engine_python

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

SESSION = "X-Amzn-SageMaker-Session-Id"
HOSTILE = [*ENDED, *REFUSED]


@pytest.fixture(scope="module")
def server(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineServer]:
    running = EngineServer(model=models["base"], log=tmp_path_factory.mktemp("log") / "server.log")
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


_FIELDS = """
import json
from sglang.srt.entrypoints.openai.protocol import ChatCompletionRequest, CompletionRequest
from sglang.srt.managers.io_struct import GenerateReqInput
from sglang.srt.sampling.sampling_params import SamplingParams
names = {*ChatCompletionRequest.model_fields, *CompletionRequest.model_fields, *GenerateReqInput.__dataclass_fields__}
print(json.dumps(sorted(names | set(SamplingParams.__struct_fields__))))
"""


def test_every_field_of_sglangs_protocol_has_a_rule_or_a_reason_to_need_none() -> None:
    """A new SGLang's new field is seen here."""
    import subprocess

    from cdk_sglang_container.fields import FIELDS, UNBOUNDED

    done = subprocess.run([engine_python(), "-c", _FIELDS], env=engine_environment(), capture_output=True, check=True)
    fields = set(json.loads(done.stdout.splitlines()[-1]))
    assert fields - FIELDS.keys() - UNBOUNDED == set()
    assert UNBOUNDED - fields == set(), "gone from SGLang"
    assert not UNBOUNDED & FIELDS.keys()
