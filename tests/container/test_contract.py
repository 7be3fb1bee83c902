"""The contract as an ASGI middleware, in front of an application that records what reaches it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from cdk_sglang_container.choice import choose_adapter
from cdk_sglang_container.contract import Contract
from cdk_sglang_container.health import Health
from cdk_sglang_container.http import HttpError, Message, Receive, Scope, Send
from cdk_sglang_container.limits import RequestLimits
from cdk_sglang_container.passage import note_dispatch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

ADAPTER, SESSION = "x-amzn-sagemaker-adapter-identifier", "x-amzn-sagemaker-session-id"


@dataclass
class FakeEngine:
    draining: bool = False
    base_model: str = "base"
    adapters: Collection[str] | None = None
    limits: RequestLimits = field(default_factory=lambda: RequestLimits(vocabulary=261, context=2048))


@dataclass
class FakeSessions:
    open: set[str] = field(default_factory=set)

    def create(self) -> tuple[str, str]:
        self.open.add("s1")
        return "s1", "s1; Expires=2026-11-21T00:00:00Z"

    def check(self, session: str) -> None:
        if session not in self.open:
            raise HttpError(400, f"session {session} is not open")

    def close(self, session: str) -> None:
        self.open.discard(session)


class FakeHealth(Health):
    def __init__(self) -> None:
        self.good = True

    @property
    def ok(self) -> bool:
        return self.good


@dataclass
class Recorder:
    """SGLang's place."""

    status: int = 200
    answer: bytes = b"{}"
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None
    bodies: list[bytes] = field(default_factory=list)
    scopes: list[Scope] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.scopes.append(scope)
        self.bodies.append(body)
        self.before()
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"x-from", b"sglang")]})
        half = len(self.answer) // 2
        await send({"type": "http.response.body", "body": self.answer[:half], "more_body": True})
        await send({"type": "http.response.body", "body": self.answer[half:]})
        self.after()


@dataclass
class Setup:
    app: Recorder = field(default_factory=Recorder)
    engine: FakeEngine = field(default_factory=FakeEngine)
    health: FakeHealth = field(default_factory=FakeHealth)
    sessions: FakeSessions = field(default_factory=FakeSessions)
    slow_after_s: float = 20.0

    def ask(
        self,
        body: bytes | dict[str, Any] = b"{}",
        *,
        method: str = "POST",
        path: str = "/invocations",
        headers: dict[str, str] | None = None,
        chunks: int = 1,
        length: bool = True,
    ) -> tuple[int, dict[str, str], bytes]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"content-type": "application/json", **(headers or {})}
        if length:
            fields["content-length"] = str(len(content))
        encoded = [(key.encode(), value.encode()) for key, value in fields.items()]
        scope: Scope = {"type": "http", "method": method, "path": path, "headers": encoded}
        size = max(1, -(-len(content) // chunks))
        parts = [content[start : start + size] for start in range(0, len(content), size)] or [b""]
        pending = [
            {"type": "http.request", "body": part, "more_body": index < len(parts) - 1}
            for index, part in enumerate(parts)
        ]
        sent: list[Message] = []

        async def receive() -> Message:
            return pending.pop(0) if pending else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        contract = Contract(
            self.app,
            engine=self.engine,
            health=self.health,
            sessions=self.sessions,
            max_body_bytes=1000,
            slow_after_s=self.slow_after_s,
        )
        asyncio.run(contract(scope, receive, send))
        headers_out = {key.decode(): value.decode() for key, value in sent[0]["headers"]} if sent else {}
        return (sent[0]["status"] if sent else 0), headers_out, b"".join(m.get("body", b"") for m in sent[1:])


def test_ping_says_what_health_says_without_asking_sglang() -> None:
    setup = Setup()
    assert setup.ask(method="GET", path="/ping")[0] == 200
    setup.health.good = False
    assert setup.ask(method="GET", path="/ping")[0] == 503
    assert setup.app.scopes == []


def test_a_plain_request_passes_untouched() -> None:
    setup = Setup()
    assert setup.ask(b'{"messages": []}')[0] == 200
    assert setup.app.bodies == [b'{"messages": []}']


@pytest.mark.parametrize("content_type", ["application/octet-stream", "text/csv", ""])
def test_another_content_type_becomes_json_on_invocations_alone(content_type: str) -> None:
    setup = Setup()
    setup.ask(headers={"content-type": content_type})
    setup.ask(headers={"content-type": content_type}, path="/v1/chat/completions")
    content_types = [dict(scope["headers"])[b"content-type"].decode() for scope in setup.app.scopes]
    assert content_types == ["application/json", content_type]


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("chunks", [1, 7])
def test_a_body_over_the_limit_is_refused_and_at_the_limit_it_passes(length: bool, chunks: int) -> None:
    setup = Setup()
    body = b'{"x": ""}'
    assert setup.ask(body.ljust(1001), length=length, chunks=chunks)[0] == 413
    assert setup.ask(body.ljust(1000), length=length, chunks=chunks)[0] == 200
    assert setup.app.bodies == [body.ljust(1000)]


def test_a_caller_that_vanishes_while_sending_costs_nothing() -> None:
    setup = Setup(engine=FakeEngine(adapters=["a"]))
    scope: Scope = {"type": "http", "method": "POST", "path": "/invocations", "headers": []}
    parts = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return parts.pop(0)

    async def send(_message: Message) -> None:
        raise AssertionError("nobody is there")

    contract = Contract(
        setup.app, engine=setup.engine, health=setup.health, sessions=setup.sessions, max_body_bytes=1000
    )
    asyncio.run(contract(scope, receive, send))
    assert setup.app.scopes == []


def test_a_stopping_copy_takes_nothing_new() -> None:
    setup = Setup(engine=FakeEngine(draining=True))
    status, headers, _ = setup.ask()
    assert (status, headers["connection"]) == (503, "close")
    assert setup.app.scopes == []


ENGINE_PATHS = ["/invocations", "/v1/chat/completions", "/v1/completions", "/generate", "/v1/responses", "/v1/messages"]


@pytest.mark.parametrize("path", ENGINE_PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_field_beyond_its_bounds_never_reaches_sglang_whatever_the_path(path: str, method: str) -> None:
    setup = Setup()
    status, headers, body = setup.ask({"top_k": 2**31}, path=path, method=method)
    assert (status, headers["content-type"]) == (400, "application/json")
    assert json.loads(body)["error"] == {
        "message": "top_k must be a whole number from -1 to 1073741824; got 2147483648",
        "type": "BadRequestError",
        "param": "top_k",
        "code": 400,
    }
    assert setup.app.scopes == []


@pytest.mark.parametrize("headers", [{SESSION: "NEW_SESSION"}, {SESSION: "s1"}, {ADAPTER: "a"}])
def test_neither_a_session_nor_an_adapter_is_a_way_around_the_bounds(headers: dict[str, str]) -> None:
    setup = Setup(engine=FakeEngine(adapters=["a"]), sessions=FakeSessions(open={"s1"}))
    assert setup.ask({"n": 500}, headers=headers)[0] == 400
    assert setup.sessions.open == {"s1"}
    assert setup.app.scopes == []


def test_commands_without_content_and_uploads_pass() -> None:
    setup = Setup()
    assert setup.ask(b"", path="/flush_cache")[0] == 200
    form = {"content-type": "multipart/form-data; boundary=x"}
    assert setup.ask(b"--x--", path="/v1/audio/transcriptions", headers=form)[0] == 200
    assert setup.app.bodies == [b"", b"--x--"]


@pytest.mark.parametrize(
    "answer",
    [
        b'{"object": "error", "message": "too long", "type": "BadRequest", "param": null, "code": 400}',
        b'{"error": {"message": "too long", "type": "BadRequest", "param": null, "code": 400}}',
        b'{"error": "too long"}',
    ],
)
def test_sglangs_own_errors_have_the_same_shape(answer: bytes) -> None:
    setup = Setup(app=Recorder(status=400, answer=answer))
    status, headers, body = setup.ask()
    assert status == 400
    assert headers.get("content-length", str(len(body))) == str(len(body))
    assert json.loads(body)["error"]["message"] == "too long"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"no", "no"),
        (b"[1]", "[1]"),
        (b"", "Not Found"),
        (b'{"detail": "gone"}', "gone"),
        (b'{"detail": [{"loc": ["body"]}]}', '[{"loc": ["body"]}]'),
        (b'{"type": "error", "error": {"type": "not_found_error", "message": "gone"}}', "gone"),
    ],
)
def test_an_error_in_any_other_shape_gets_openais(answer: bytes, message: str) -> None:
    for method, path in (("POST", "/v1/messages"), ("GET", "/nowhere"), ("DELETE", "/adapters/a")):
        setup = Setup(app=Recorder(status=404, answer=answer))
        status, headers, body = setup.ask(method=method, path=path)
        assert (status, headers["content-type"]) == (404, "application/json")
        content = json.loads(body)
        assert (content["error"]["message"], content["error"]["code"]) == (message, 404)
        assert content["error"].keys() == {"message", "type", "param", "code"}
        assert (content.get("type") == "error") == answer.startswith(b'{"type"'), "Anthropic's clients read it"


def test_a_code_that_sglang_gives_a_name_keeps_it() -> None:
    engine_answer = (
        b'{"error": {"message": "no store", "type": "invalid_request_error", "param": "store", "code": "no_store"}}'
    )
    error = json.loads(Setup(app=Recorder(status=400, answer=engine_answer)).ask(path="/v1/responses")[2])["error"]
    assert error == {"message": "no store", "type": "invalid_request_error", "param": "store", "code": "no_store"}


@pytest.mark.parametrize("status", [500, 501])
def test_what_sglang_fails_at_before_it_asks_the_scheduler_is_the_callers_mistake(status: int) -> None:
    engine_answer = b'{"object": "error", "message": "Internal server error: unhashable type", "code": 500}'
    answered, _, body = Setup(app=Recorder(status=status, answer=engine_answer)).ask()
    assert answered == 400
    assert json.loads(body)["error"]["message"].endswith("as it stands: unhashable type")


def test_what_the_scheduler_was_asked_and_what_the_operator_commands_may_fail() -> None:
    reply = Setup(app=Recorder(status=500, before=note_dispatch)).ask()
    assert reply[0] == 500
    assert json.loads(reply[2])["error"]["code"] == 500
    assert Setup(app=Recorder(status=500)).ask(path="/adapters")[0] == 500
    assert Setup(app=Recorder(status=500)).ask(b"", method="GET", path="/v1/models")[0] == 500


def test_an_exception_is_an_answer_too() -> None:
    def fail() -> None:
        raise KeyError("role")

    status, _, body = Setup(app=Recorder(before=fail)).ask()
    assert status == 400
    assert json.loads(body)["error"]["message"] == "the request cannot be carried out as it stands: KeyError: 'role'"

    def fail_later() -> None:
        note_dispatch()
        fail()

    status, _, body = Setup(app=Recorder(before=fail_later)).ask()
    assert status == 500
    assert "role" not in json.loads(body)["error"]["message"]


def test_an_exception_after_the_answer_leaves_the_connection_to_the_next_request() -> None:
    def fail() -> None:
        raise AttributeError("is_single")

    setup = Setup(app=Recorder(after=fail))
    assert setup.ask()[0] == 200
    setup.app.status = 400
    assert setup.ask()[0] == 400


def test_a_body_is_read_whatever_the_method() -> None:
    setup = Setup()
    for length in (True, False):
        headers = {} if length else {"transfer-encoding": "chunked"}
        assert setup.ask({"top_k": 2**31}, method="GET", path="/open_session", headers=headers, length=length)[0] == 400
    assert setup.app.scopes == []


def test_an_adapter_header_reaches_sglang_as_lora_path() -> None:
    setup = Setup(engine=FakeEngine(adapters=["a"]))
    assert setup.ask({"messages": []}, headers={ADAPTER: "a"})[0] == 200
    assert json.loads(setup.app.bodies[0]) == {"messages": [], "lora_path": "a"}
    assert dict(setup.app.scopes[0]["headers"])[b"content-length"] == str(len(setup.app.bodies[0])).encode()


def test_an_adapter_header_without_lora_is_refused() -> None:
    setup = Setup()
    status, _, body = setup.ask({"messages": []}, headers={ADAPTER: "a"})
    assert status == 404
    assert json.loads(body)["message"] == "The adapter a was not found: this server has LoRA off"
    assert setup.app.scopes == []


def test_a_chat_opens_a_session_and_a_refused_one_does_not() -> None:
    setup = Setup()
    status, headers, _ = setup.ask({"messages": []}, headers={SESSION: "NEW_SESSION"})
    assert status == 200
    assert headers["x-amzn-sagemaker-new-session-id"] == "s1; Expires=2026-11-21T00:00:00Z"
    assert setup.sessions.open == {"s1"}
    setup.app.status = 400
    _, headers, _ = setup.ask({"messages": []}, headers={SESSION: "NEW_SESSION"})
    assert "x-amzn-sagemaker-new-session-id" not in headers
    assert setup.sessions.open == set()


def test_an_unknown_adapter_opens_no_session() -> None:
    setup = Setup(engine=FakeEngine(adapters=[]))
    assert setup.ask({}, headers={SESSION: "NEW_SESSION", ADAPTER: "nobody"})[0] == 404
    assert setup.sessions.open == set()


def test_a_session_is_opened_and_closed_on_request_without_asking_sglang() -> None:
    setup = Setup()
    assert setup.ask({"requestType": "NEW_SESSION"}, headers={SESSION: "NEW_SESSION"})[0] == 200
    status, headers, _ = setup.ask({"requestType": "CLOSE"}, headers={SESSION: "s1"})
    assert (status, headers["x-amzn-sagemaker-closed-session-id"]) == (200, "s1")
    assert setup.ask({}, headers={SESSION: "s1"})[0] == 400
    for wish in ("PAUSE", [], {}, 1):
        assert setup.ask({"requestType": wish}, headers={SESSION: "NEW_SESSION"})[0] == 400
    assert setup.app.scopes == []


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b"\xff"])
@pytest.mark.parametrize("adapters", [None, ["a"]])
def test_a_body_that_cannot_be_read_is_the_callers_error(body: bytes, adapters: list[str] | None) -> None:
    setup = Setup(engine=FakeEngine(adapters=adapters))
    assert setup.ask(body)[0] == 400
    assert setup.app.scopes == []


@pytest.mark.parametrize(
    ("body", "identifier", "adapter"),
    [
        ({}, None, None),
        ({"model": "base"}, None, None),
        ({"model": "default"}, None, None),
        ({"model": ""}, None, None),
        ({"model": "a"}, None, "a"),
        ({"model": "base:a"}, None, "a"),
        ({"model": "default:a"}, None, "a"),
        ({"lora_path": "a"}, None, "a"),
        ({}, "a", "a"),
        ({"model": "base"}, "a", "a"),
        ({"model": "a"}, "a", "a"),
        ({"model": "a", "lora_path": "a"}, "a", "a"),
    ],
)
def test_the_right_adapter_is_chosen(body: dict[str, Any], identifier: str | None, adapter: str | None) -> None:
    chosen = choose_adapter(body, header_adapter=identifier, base="base", adapters=["a", "b"])
    assert chosen.get("lora_path") == adapter
    assert chosen.get("model") == body.get("model")


@pytest.mark.parametrize(
    ("body", "identifier", "status", "message"),
    [
        ({}, "x", 404, "The adapter x was not found"),
        ({"model": "x"}, None, 404, "The model x does not exist"),
        ({"model": "other:a"}, None, 404, "The model other:a does not exist"),
        ({"model": "base:x"}, None, 404, "The adapter x was not found"),
        ({"lora_path": "x"}, None, 404, "The adapter x was not found"),
        ({"model": "b"}, "a", 400, "names adapter b and was sent to adapter a"),
        ({"model": "base:b", "lora_path": "a"}, None, 400, "model names adapter b and lora_path a"),
        ({"model": 3}, None, 400, "model must be a string, got int"),
        ({}, "", 404, "The adapter  was not found"),
    ],
)
def test_a_wrong_name_is_never_the_base_models(
    body: dict[str, Any], identifier: str | None, status: int, message: str
) -> None:
    with pytest.raises(HttpError) as refused:
        choose_adapter(body, header_adapter=identifier, base="base", adapters=["a", "b"])
    assert refused.value.status == status
    assert message in refused.value.message


# --- the caller's trace, and lines about requests -------------------------------------------------------------------

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
OTHER = "00-11111111111111111111111111111111-2222222222222222-00"


@pytest.mark.parametrize(
    ("headers", "handed_on"),
    [
        ({}, None),
        ({ATTRIBUTES: f"traceparent={PARENT}"}, PARENT),
        ({ATTRIBUTES: f"team=search;traceparent={PARENT}"}, PARENT),
        ({ATTRIBUTES: f"a=1, traceparent={PARENT}, b=2"}, PARENT),
        ({"traceparent": PARENT}, PARENT),
        ({"traceparent": PARENT, ATTRIBUTES: f"traceparent={OTHER}"}, PARENT),
        ({"traceparent": "zebra", ATTRIBUTES: f"traceparent={PARENT}"}, PARENT),
        ({"x-amzn-trace-id": f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={SPAN};Sampled=1"}, PARENT),
        ({"x-amzn-trace-id": f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={SPAN};Sampled=0"}, PARENT[:-1] + "0"),
        ({"x-amzn-trace-id": f"Self=1-67891234-12456789abcdef012345678;Root=1-{TRACE[:8]}-{TRACE[8:]}"}, None),
        ({ATTRIBUTES: f"mytraceparent={PARENT}"}, None),
        ({ATTRIBUTES: f"traceparent={PARENT}0"}, None),
        ({ATTRIBUTES: f"traceparent={PARENT.upper()}"}, None),
        ({ATTRIBUTES: f"traceparent=00-{'0' * 32}-{SPAN}-01"}, None),
        ({ATTRIBUTES: f"traceparent=00-{TRACE}-{'0' * 16}-01"}, None),
    ],
)
def test_a_callers_trace_reaches_sglang_in_the_header_it_reads(headers: dict[str, str], handed_on: str | None) -> None:
    setup = Setup()
    assert setup.ask(headers=headers)[0] == 200
    found = [value.decode() for key, value in setup.app.scopes[0]["headers"] if key == b"traceparent"]
    assert [one for one in found if one != "zebra"] == ([] if handed_on is None else [handed_on])


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "cdk_sglang_container"]


@pytest.mark.parametrize(
    ("body", "path", "line"),
    [
        ({"temperature": "zebra"}, "/invocations", "status=400 by=container field=temperature path=/invocations"),
        ({"n": -1}, "/v1/chat/completions", "status=400 by=container field=n path=/v1/chat/completions"),
        (b"{zebra", "/invocations", "status=400 by=container field=- path=/invocations"),
        (b"x" * 2000, "/invocations", "status=413 by=container field=- path=/invocations"),
        ({"temperature": "zebra"}, "/zebra", "status=400 by=container field=temperature path=other"),
    ],
)
def test_a_refused_request_is_a_line_without_anything_that_it_said(
    body: dict[str, Any] | bytes, path: str, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {ATTRIBUTES: f"zebra=zebra;traceparent={PARENT}", "x-zebra": "zebra"}
    assert Setup().ask(body, path=path, headers=headers)[0] >= 400
    assert _lines(caplog) == [f"refused request: {line} trace={TRACE}"]
    assert "zebra" not in caplog.text


def test_what_sglang_refuses_is_a_line_too_and_what_it_answers_is_none(caplog: pytest.LogCaptureFixture) -> None:
    assert Setup(app=Recorder(status=503, answer=b'{"message": "zebra"}')).ask()[0] == 503
    assert Setup().ask()[0] == 200
    assert _lines(caplog) == ["refused request: status=503 by=engine field=- path=/invocations trace=-"]


def test_an_answer_that_begins_late_is_a_line(caplog: pytest.LogCaptureFixture) -> None:
    assert Setup(slow_after_s=0.0).ask(headers={"traceparent": PARENT})[0] == 200
    (line,) = _lines(caplog)
    assert line.startswith("slow request: first_part_s=0.0")
    assert line.endswith(f"status=200 path=/invocations trace={TRACE}")
