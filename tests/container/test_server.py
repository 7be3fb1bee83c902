"""The contract on the real engine: one server for the whole file."""

from __future__ import annotations

import concurrent.futures
import json
import re
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from engine_server import LORA, EngineServer, speak
from moto import mock_aws

from cdk_sglang import SglangOptions
from cdk_sglang.metrics.buckets import bucket_bounds
from cdk_sglang.metrics.series import ENGINE_LABELS, series
from cdk_sglang.observability.logs.queries import SAVED_QUERIES
from localcloud.aws import clock as clocks
from localcloud.aws import extension, settings
from localcloud.aws.hosting.store import store
from localcloud.aws.metrics.prometheus_api import query
from localcloud.engine.recipe import engine_environment, engine_python
from tests.localcloud import helpers
from tests.support.accounts import LARGE
from tests.support.log_queries import rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

ADAPTER = "X-Amzn-SageMaker-Adapter-Identifier"
SESSION = "X-Amzn-SageMaker-Session-Id"
NOT_YET = {"retracted_requests", "aborted_requests"}
"""Counters that SGLang publishes from their first event; tests/metrics/test_engine_source.py finds them in its source."""
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
TRACE = "0af7651916cd43dd8448eb211c80319c"
REFUSED = next(query for query in SAVED_QUERIES if query.title == "who was refused, and why")


@pytest.fixture(scope="module")
def server(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineServer]:
    environment = {**LORA, **SglangOptions().environment()}
    running = EngineServer(
        model=models["base"], settings=environment, log=tmp_path_factory.mktemp("log") / "server.log"
    )
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def adapters(server: EngineServer, models: dict[str, Path]) -> Iterator[list[str]]:
    names = ["adapter-a", "adapter-b"]
    for name in names:
        assert server.request("POST", "/adapters", {"name": name, "src": str(models[name])}).status == 200
    yield names
    for name in names:
        server.request("DELETE", f"/adapters/{name}")


def test_a_request_without_content_type_is_answered_as_json(server: EngineServer) -> None:
    expected = server.chat()
    assert expected.status == 200
    for content_type in ("application/octet-stream", "text/plain", ""):
        assert server.chat(headers={"content-type": content_type}).text == expected.text


@pytest.mark.parametrize("body", [b"{not json", b"", b"[1]", b"\xff\xfe"])
@pytest.mark.parametrize("content_type", ["application/json", "application/octet-stream"])
def test_what_is_not_a_json_object_is_the_callers_error(server: EngineServer, body: bytes, content_type: str) -> None:
    assert server.request("POST", "/invocations", body, headers={"content-type": content_type}).status == 400


def test_a_body_over_the_limit_is_413_and_the_server_goes_on(server: EngineServer) -> None:
    assert server.request("POST", "/invocations", b" " * 6_291_457).status == 413
    assert server.chat().status == 200


def test_the_base_and_two_adapters_answer_differently_and_as_sglang_does(
    server: EngineServer, adapters: list[str]
) -> None:
    answers = {None: server.chat().text}
    for name in adapters:
        through_sagemaker = server.chat(headers={ADAPTER: name})
        body = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 12, "temperature": 0}
        model = f"default:{name}"
        asked_directly = server.request("POST", "/v1/chat/completions", {**body, "model": model})
        assert through_sagemaker.text == asked_directly.text
        answers[name] = through_sagemaker.text
    assert len(set(answers.values())) == 3


def test_an_unknown_adapter_is_an_error_and_never_the_base_models_answer(
    server: EngineServer, adapters: list[str]
) -> None:
    assert server.chat(headers={ADAPTER: "nobody"}).status == 404
    assert server.chat(model="nobody").status == 404
    assert server.chat(model="default:nobody").status == 404
    assert server.chat(model="adapter-b", headers={ADAPTER: "adapter-a"}).status == 400


def test_a_deleted_adapter_stays_deleted(server: EngineServer, models: dict[str, Path]) -> None:
    body = {"name": "passing", "src": str(models["adapter-a"])}
    assert server.request("POST", "/adapters", body).status == 200
    assert server.request("POST", "/adapters", body).status == 200, "a retry changes nothing"
    assert server.chat(headers={ADAPTER: "passing"}).status == 200
    assert server.request("DELETE", "/adapters/passing").status == 200
    assert server.chat(headers={ADAPTER: "passing"}).status == 404
    assert server.request("DELETE", "/adapters/passing").status == 404


def test_a_name_cannot_change_its_adapter(server: EngineServer, adapters: list[str], models: dict[str, Path]) -> None:
    reply = server.request("POST", "/adapters", {"name": "adapter-a", "src": str(models["adapter-b"])})
    assert reply.status == 409
    assert "delete it first" in reply.json["message"]


def test_three_hundred_adapters_on_eight_slots_take_turns(server: EngineServer, models: dict[str, Path]) -> None:
    names = [f"turn-{index}" for index in range(300)]
    try:
        for index, name in enumerate(names):
            source = str(models["adapter-a" if index % 2 else "adapter-b"])
            body = {"name": name, "src": source, "preload": index < 20}
            assert server.request("POST", "/adapters", body).status == 200
        sample = [*names[:6], *names[148:152], *names[-6:]]  # loaded and evicted since, never loaded, the last
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            texts = list(pool.map(lambda name: server.chat(headers={ADAPTER: name}).text, sample))
        assert len(set(texts[0::2])) == 1
        assert len(set(texts[1::2])) == 1
        assert texts[0] != texts[1]
    finally:
        for name in names:
            assert server.request("DELETE", f"/adapters/{name}").status == 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"r": 16}, "rank 16 is greater than the server's max_lora_rank 8"),
        ({"use_dora": True}, "use_dora: SGLang does not serve DoRA adapters"),
        ({"use_rslora": True}, "use_rslora: true is ignored by SGLang, so that the answers would be wrong"),
        ({"rank_pattern": {"q_proj": 2}}, 'rank_pattern: {"q_proj": 2} is ignored'),
        ({"init_lora_weights": "pissa"}, 'init_lora_weights: "pissa" is ignored by SGLang'),
        ({"fan_in_fan_out": True}, "fan_in_fan_out: true is ignored by SGLang"),
        ({"what_comes_next": {"a": 1}}, 'what_comes_next: {"a": 1} is ignored by SGLang'),
        ({"bias": "all"}, 'bias: "all" is ignored'),
        ({"r": 2}, "says r 2; the two files are not of one adapter"),
        ({"target_modules": ["q_proj"]}, "changes a module that adapter_config.json does not name"),
        ({"without": "q_proj"}, "is changed without q_proj"),
        ({"width": 64}, "the base model 128; the adapter is of another model"),
        ({"cut": True}, "is cut short"),
    ],
)
def test_an_adapter_that_would_kill_the_engine_is_refused_and_the_engine_goes_on(
    server: EngineServer, models: dict[str, Path], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    good = models["adapter-a"]
    config = json.loads((good / "adapter_config.json").read_text())
    weights = (good / "adapter_model.safetensors").read_bytes()
    if "width" in change:  # the same adapter for a base of half the width
        weights = weights.replace(b'"shape":[4,128]', b'"shape":[4, 64]')
    if "without" in change:  # the matrix of another module takes its place
        weights = weights.replace(b"self_attn.q_proj", b"self_attn.x_proj")
        config["target_modules"] = [*config["target_modules"], "x_proj"]
    changed = {key: value for key, value in change.items() if key not in {"width", "without", "cut"}}
    (tmp_path / "adapter_config.json").write_text(json.dumps({**config, **changed}))
    (tmp_path / "adapter_model.safetensors").write_bytes(weights[:-1] if "cut" in change else weights)
    reply = server.request("POST", "/adapters", {"name": "bad", "src": str(tmp_path)})
    assert reply.status == 400
    assert message in reply.json["message"]
    assert server.chat(headers={ADAPTER: "bad"}).status == 404
    assert server.chat().status == 200


def test_adapters_come_and_go_under_load_without_a_failed_base_request(
    server: EngineServer, models: dict[str, Path]
) -> None:
    text = server.chat().text
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        replies = [pool.submit(server.chat) for _ in range(60)]
        for _ in range(3):
            assert server.request("POST", "/adapters", {"name": "busy", "src": str(models["adapter-a"])}).status == 200
            assert server.chat(headers={ADAPTER: "busy"}).status == 200
            assert server.request("DELETE", "/adapters/busy").status == 200
        assert {(reply.result().status, reply.result().text) for reply in replies} == {(200, text)}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"name": "x", "src": "/nowhere"}, "is not below"),
        ({"name": "../x", "src": "/nowhere"}, "letters, digits"),
        ({"name": "x"}, "src"),
        ({"name": "", "src": "/nowhere"}, "name"),
        ({"name": ["x"], "src": "/nowhere"}, "name"),
        ({"name": "x", "src": 3}, "src"),
    ],
)
def test_a_bad_adapter_is_refused_with_the_reason(server: EngineServer, body: dict[str, Any], message: str) -> None:
    reply = server.request("POST", "/adapters", body)
    assert reply.status == 400
    assert message in reply.json["message"]


def test_a_session_opens_holds_and_closes(server: EngineServer) -> None:
    opened = server.request("POST", "/invocations", {"requestType": "NEW_SESSION"}, headers={SESSION: "NEW_SESSION"})
    session, expires = opened.headers["x-amzn-sagemaker-new-session-id"].split("; ")
    assert expires.startswith("Expires=")
    assert server.chat(headers={SESSION: session}).status == 200
    closed = server.request("POST", "/invocations", {"requestType": "CLOSE"}, headers={SESSION: session})
    assert closed.headers["x-amzn-sagemaker-closed-session-id"] == session
    refused = server.chat(headers={SESSION: session})
    assert refused.status == 400
    assert "is not open" in refused.json["message"]


def test_a_chat_may_open_a_session_with_its_first_turn(server: EngineServer) -> None:
    reply = server.chat(headers={SESSION: "NEW_SESSION"})
    assert reply.text
    session = reply.headers["x-amzn-sagemaker-new-session-id"].split(";")[0]
    assert server.chat(headers={SESSION: session}).status == 200


@pytest.mark.parametrize("session", ["9f0c0e1e-0000-4000-8000-000000000000", "../../etc", "x"])
def test_a_session_of_somewhere_else_is_refused(server: EngineServer, session: str) -> None:
    assert server.chat(headers={SESSION: session}).status == 400


def test_a_bad_first_turn_opens_no_session(server: EngineServer) -> None:
    reply = server.request("POST", "/invocations", {"messages": 1}, headers={SESSION: "NEW_SESSION"})
    assert reply.status == 400
    assert "x-amzn-sagemaker-new-session-id" not in reply.headers


def test_streaming_arrives_in_pieces(server: EngineServer) -> None:
    reply = server.chat(stream=True)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.body.count(b"data: ") > 3
    assert reply.body.rstrip().endswith(b"data: [DONE]")


def _no_after_s(server: EngineServer) -> float:
    start = time.monotonic()
    assert server.ping() == 503
    return time.monotonic() - start


def test_ping_says_no_within_ten_seconds_of_a_wedged_engine_and_yes_again_after(server: EngineServer) -> None:
    scheduler = server.scheduler()
    scheduler.send_signal(signal.SIGSTOP)
    wedged = time.monotonic()
    try:
        while server.ping() == 200:
            assert time.monotonic() < wedged + 10
            time.sleep(0.1)
        assert min(_no_after_s(server) for _ in range(5)) < 2  # SageMaker's patience; a busy machine may spoil some
    finally:
        scheduler.send_signal(signal.SIGCONT)
    assert server.wait_until_up(timeout_s=15) < 15
    assert server.chat().status == 200


def test_a_chat_over_a_websocket_streams_what_invocations_answers(server: EngineServer, adapters: list[str]) -> None:
    request = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 12, "temperature": 0}
    bad = json.dumps({"messages": 3})
    (chunks, errors) = speak(server, json.dumps(request), bad, headers={ADAPTER: "adapter-a"})
    pieces = [json.loads(chunk)["choices"][0]["delta"].get("content") or "" for chunk in chunks]
    assert len(pieces) > 3
    assert "".join(pieces) == server.chat(headers={ADAPTER: "adapter-a"}).text
    assert json.loads(errors[0])["error"]["code"] == 400


def test_a_caller_that_leaves_a_websocket_stops_the_generation(server: EngineServer) -> None:
    leave = (
        "import json, sys\nfrom websockets.sync.client import connect\n"
        "with connect(f'ws://127.0.0.1:{sys.argv[1]}/invocations-bidirectional-stream') as socket:\n"
        "    socket.send(json.dumps({'messages': [{'role': 'user', 'content': 'hello'}], 'max_tokens': 1900}))\n"
        "    socket.recv(timeout=60)\n"
    )
    aborted = _aborted(server)
    subprocess.run([str(engine_python()), "-c", leave, str(server.port)], env=engine_environment(), check=True)
    assert _idle_after_s(server) < STOPPED_WITHIN_S or _aborted(server) >= aborted + 1


PROBED_EVERY_S = 4
"""How often the engine is asked for a sign of life: 0.4 of the time after which it counts as wedged."""
STOPPED_WITHIN_S = 6
"""SGLang looks every 4 s whether a caller to whom it writes nothing is gone; the rest is for the look and for a busy machine."""


def _aborted(server: EngineServer) -> int:
    """Requests that the engine has stopped before their end, by its own count: one that only finished is not counted."""
    scrape = server.request("GET", "/metrics").body.decode()
    counts = re.findall(r"^sglang:num_aborted_requests_total\{.*\} (\S+)$", scrape, re.MULTILINE)
    return round(sum(map(float, counts)))


def _idle_after_s(server: EngineServer) -> float:
    """Seconds until the engine has nothing left to do: below `STOPPED_WITHIN_S` on a machine that generates faster than SGLang looks."""
    began = time.monotonic()
    while _running(server):
        assert time.monotonic() < began + 120
        time.sleep(0.2)
    return time.monotonic() - began


def _running(server: EngineServer) -> int:
    return int(server.request("GET", "/v1/loads").json["loads"][0]["num_running_reqs"])


def _slowly(server: EngineServer, body: bytes) -> socket.socket:
    """A caller that has sent its head and half of its body."""
    caller = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    head = f"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    caller.sendall(head.encode() + body[: len(body) // 2])
    return caller


def test_slow_callers_hold_up_nobody_and_are_answered(server: EngineServer) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}).encode()
    callers = [_slowly(server, body) for _ in range(20)]
    try:
        assert server.chat().status == 200
        for caller in callers:
            caller.sendall(body[len(body) // 2 :])
        assert {caller.recv(4096).split(b"\r\n")[0] for caller in callers} == {b"HTTP/1.1 200 OK"}
    finally:
        for caller in callers:
            caller.close()


def test_probes_of_a_busy_engine_are_not_counted_as_requests_whose_callers_left(server: EngineServer) -> None:
    aborted, began = _aborted(server), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        while time.monotonic() < began + 3 * PROBED_EVERY_S:
            assert [reply.status for reply in pool.map(lambda _: server.chat(max_tokens=300), range(2))] == [200, 200]
    assert _aborted(server) == aborted


@pytest.mark.parametrize("streams", [False, True])
def test_callers_that_vanish_stop_their_generation(server: EngineServer, streams: bool) -> None:
    wish = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 1900, "stream": streams}
    body = json.dumps(wish).encode()
    aborted = _aborted(server)
    callers = [_slowly(server, body) for _ in range(4)]
    callers[0].close()  # in the middle of its request
    for caller in callers[1:]:
        caller.sendall(body[len(body) // 2 :])
    deadline = time.monotonic() + 60
    while _running(server) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for caller in callers[1:]:
        caller.close()
    assert _idle_after_s(server) < STOPPED_WITHIN_S or _aborted(server) >= aborted + 3
    assert server.chat().status == 200


def test_nothing_of_a_prompt_reaches_the_log(server: EngineServer, adapters: list[str]) -> None:
    """By default, whatever becomes of the request; the log is what SageMaker keeps in CloudWatch."""
    secret = "zebra-4711-quartz"
    marked = {ATTRIBUTES: f"{secret}={secret};traceparent=00-{TRACE}-b7ad6b7169203331-01", "x-marker": secret}
    assert server.chat(secret, headers=marked).status == 200
    assert server.chat(secret, headers=marked, temperature=secret).status == 400
    assert server.chat(secret, stream=True).status == 200
    assert server.chat(secret, headers={ADAPTER: "adapter-a"}).status == 200
    assert server.chat(secret, headers={ADAPTER: "nobody"}).status == 404
    assert server.chat(secret, headers={SESSION: "NEW_SESSION"}).status == 200
    assert server.chat(secret, model="nobody").status == 404
    assert server.chat(secret * 600).status == 400  # longer than the context
    assert server.chat(secret, max_tokens=-1).status == 400
    assert server.chat(secret, temperature="warm").status == 400
    assert server.chat(secret, response_format={"type": "json_schema", "json_schema": {"name": secret}}).status >= 200
    assert server.request("POST", "/invocations", f'{{"messages": "{secret}'.encode()).status == 400
    good = {"messages": [{"role": "user", "content": secret}], "max_tokens": 4}
    speak(server, json.dumps(good), json.dumps({"messages": secret}))
    assert server.log is not None
    log = server.log.read_text(errors="replace")
    assert "POST /invocations" in log
    assert secret not in log
    assert f"refused request: status=400 by=container field=temperature path=/invocations trace={TRACE}" in log
    assert {"status": "404", "by": "container", "field": "-", "path": "/invocations", "trace": "-"} in [
        {name: value for name, value in row.items() if name != "component"}
        for row in rows(REFUSED.text, log.splitlines())
    ]


def test_sglang_looks_for_a_trace_where_the_contract_puts_it() -> None:
    sources = engine_python().parent.parent.glob("lib/python*/site-packages/sglang/srt/observability/trace.py")
    assert 'TRACE_HEADERS = ["traceparent", "tracestate"]' in next(sources).read_text(encoding="utf-8")


def test_sixteen_callers_at_once_are_all_answered(server: EngineServer) -> None:
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        statuses = [reply.status for reply in pool.map(server.chat, [f"question {index}" for index in range(64)])]
    assert statuses == [200] * 64


def test_sglang_publishes_its_metrics_under_the_names_that_queries_read(
    server: EngineServer, adapters: list[str]
) -> None:
    assert server.chat().status == 200
    assert server.chat(stream=True).status == 200
    assert server.chat(headers={ADAPTER: adapters[0]}).status == 200
    assert server.chat(headers={ADAPTER: adapters[0]}).status == 200  # whose prompt is in the prefix cache
    metrics = {key: metric for key, metric in series().items() if metric.group == "engine"}
    scrape = server.request("GET", "/metrics").body.decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", scrape, re.MULTILINE))
    missing = {key for key, metric in metrics.items() if metric.names[0] not in kinds}
    assert missing <= NOT_YET, "names that the engine does not publish"
    present = {key: metric for key, metric in metrics.items() if key not in missing}
    assert {key: kinds[metric.names[0]] for key, metric in present.items()} == {
        key: metric.kind for key, metric in present.items()
    }
    labels = {
        key: set(
            re.findall(
                r'(\w+)="', "".join(re.findall(rf"^{metric.names[0]}(?:_bucket)?(\{{.*\}}) ", scrape, re.MULTILINE))
            )
        )
        for key, metric in present.items()
    }
    assert {key: found - {*ENGINE_LABELS, "le"} for key, found in labels.items()} == {
        key: set(metric.labels) for key, metric in present.items()
    }
    for key, bounds in bucket_bounds().items():
        found = re.findall(rf'^{metrics[key].names[0]}_bucket\{{.*le="([^"+]+)"', scrape, re.MULTILINE)
        assert {float(bound) for bound in found} == set(bounds), key


def test_metrics_are_scraped_and_answer_promql(server: EngineServer) -> None:
    """The embedded AWS, in this process and on a clock that the test moves, takes this server for the copy of a component."""
    settings.configure()
    settings.configure(quotas=LARGE)
    extension.install()
    before, clock = clocks.clock(), clocks.use(clocks.Clock(driven=True))
    try:
        with mock_aws():
            sagemaker = helpers.SESSION.client("sagemaker")
            helpers.any_endpoint(sagemaker)
            clock.advance(5)
            helpers.any_component(sagemaker)
            clock.advance(5)
            helpers.SESSION.client("cloudwatch").start_o_tel_enrichment()
            state = store("123456789012", "us-east-1")
            state.components["llama"].copies[0].port = server.port
            for _ in range(3):
                assert server.chat().status == 200
                clock.advance(61)
            buckets = 'sum by (le, "aws.sagemaker.inference_component.name") (rate(sglang:time_to_first_token_seconds_bucket[5m]))'
            (ttft,) = query(state, f"histogram_quantile(0.9, {buckets})", clock.now())["result"]
            assert ttft["metric"] == {"aws.sagemaker.inference_component.name": "llama"}
            assert 0 < float(ttft["value"][1]) < 60
            (tokens,) = query(state, "sum(increase(sglang:generation_tokens_total[5m]))", clock.now())["result"]
            assert float(tokens["value"][1]) > 12
    finally:
        clocks.use(before)
