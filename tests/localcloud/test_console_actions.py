"""What the console's actions do, and that nobody else can perform them."""

import http.client
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from localcloud.aws import faults
from localcloud.aws.clock import clock
from localcloud.aws.console import actions, load
from localcloud.aws.server import LocalCloud
from tests.localcloud.helpers import eventually

ACTIONS = "/localcloud/console/actions/"
NAMES = ("load", "end-load", "advance", "fault", "end-fault", "kill", "chat")
FAULT = {"fault": "silent-rollback", "target": "fleet"}
Send = Callable[..., tuple[int, http.client.HTTPMessage, bytes]]
Act = Callable[..., Any]


@pytest.fixture
def send(cloud: LocalCloud) -> Send:
    """Send an action byte for byte, as a page would; its key is the control key unless another is given."""
    port = urlsplit(cloud.url).port

    def call(
        name: str,
        body: str = json.dumps(FAULT),
        *,
        method: str = "POST",
        key: str | None = cloud.credentials.control_key,
        **headers: str,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        fields = {"Host": f"localhost:{port}", "Content-Type": "application/json"}
        fields |= {} if key is None else {"Authorization": f"Bearer {key}"}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        path = name if name.startswith("/") else f"{ACTIONS}{name}"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request(method, path, body=body.encode(), headers=fields)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    return call


@pytest.fixture
def act(send: Send) -> Act:
    """Perform an action; returns its status and what it says."""

    def call(name: str, **body: Any) -> Any:
        status, _, answer = send(name, json.dumps(body))
        return status, json.loads(answer)

    return call


# --- the door ---------------------------------------------------------------------------------------------------------


def test_the_attack_below_works_for_whoever_has_the_key(send: Send, cloud: LocalCloud) -> None:
    """So that the refusals below are refusals of this very request."""
    for own in ({}, {"Origin": cloud.url}, {"Origin": cloud.url, "Sec_Fetch_Site": "same-origin"}):
        assert send("fault", **own)[0] == 200
    assert len(faults.active()) == 3


@pytest.mark.parametrize(
    "page",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": ""},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "localhost:1"},
    ],
    ids=str,
)
def test_another_site_performs_nothing_though_it_knows_the_key(send: Send, page: dict[str, str]) -> None:
    for name in NAMES:
        status, headers, _ = send(name, **page)
        assert status == 403
        assert [header for header in headers if header.lower().startswith("access-control")] == []
    assert faults.active() == []


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "application/json"]
)
def test_a_form_post_and_a_simple_request_perform_nothing(send: Send, kind: str) -> None:
    """What a page can send without asking first has no header with a key, and the key is in no cookie and no address."""
    for name in NAMES:
        for body in (json.dumps(FAULT), urlencode(FAULT), f'{json.dumps(FAULT)[:-1]}, "x": "="}}'):
            assert send(name, body, key=None, Content_Type=kind)[0] == 403
    assert faults.active() == []


def test_a_key_in_the_address_or_in_the_body_is_none(send: Send, cloud: LocalCloud) -> None:
    key = cloud.credentials.control_key
    assert send(f"fault?key={key}", key=None)[0] == 403
    assert send("fault", json.dumps(FAULT | {"key": key}), key=None, Cookie=f"key={key}")[0] == 403
    assert faults.active() == []


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", ""]
)
def test_an_action_must_be_json_even_with_the_key(send: Send, kind: str) -> None:
    assert send("fault", Content_Type=kind)[0] == 415
    assert faults.active() == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_an_action_is_a_post(send: Send, cloud: LocalCloud, method: str) -> None:
    assert send("fault", method=method)[0] == 403
    assert send("fault", method=method, key=cloud.credentials.secret_access_key)[0] == 405
    assert faults.active() == []


def test_a_preflight_is_refused_and_gets_no_cors_headers(send: Send) -> None:
    cors_fields = {
        "Access_Control_Request_Method": "POST",
        "Access_Control_Request_Headers": "authorization,content-type",
    }
    for origin in ("http://evil.example", "null"):
        status, headers, _ = send("fault", "", method="OPTIONS", key=None, Origin=origin, **cors_fields)
        assert status == 403
        assert [name for name in headers if name.lower().startswith("access-control")] == []


def test_the_key_that_reads_performs_nothing(send: Send, cloud: LocalCloud) -> None:
    for key in (cloud.credentials.console_key, "", "guessed", f"{cloud.credentials.control_key}0", "ü"):
        for name in NAMES:
            assert send(name, key=key.encode().decode("latin-1"))[0] == 403
    assert faults.active() == []


def test_the_key_of_the_actions_opens_the_console_and_nothing_else(send: Send, cloud: LocalCloud) -> None:
    for method, path in (
        ("GET", "/localcloud/health"),
        ("POST", "/localcloud/reset"),
        ("POST", "/localcloud/clock"),
        ("POST", "/localcloud/faults"),
        ("POST", "/localcloud/stand-in"),
        ("POST", "/localcloud/console/data/overview"),
        ("POST", "/localcloud/console/"),
        ("POST", "/localcloud/console/actions"),
        ("POST", "/"),
        ("GET", "/"),
        ("POST", "/endpoints/fleet/invocations"),
    ):
        assert send(path, method=method)[0] in (403, 404), path
    assert send("/localcloud/console/data/overview", "", method="GET")[0] == 200
    assert faults.active() == []


def test_the_page_learns_whether_its_key_may_act(get: Callable[..., Any], cloud: LocalCloud) -> None:
    for key, acts in ((cloud.credentials.control_key, True), (cloud.credentials.console_key, False)):
        _, _, body = get("/localcloud/console/data/choices", Authorization=f"Bearer {key}")
        assert json.loads(body)["acts"] is acts


def test_a_stored_page_runs_in_an_origin_of_its_own(client: Callable[[str], Any], cloud: LocalCloud) -> None:
    """A page of the console's origin could read the key that the console keeps: an object of a bucket must not be one."""
    s3 = client("s3")
    s3.create_bucket(Bucket="pages")
    s3.put_object(Bucket="pages", Key="evil.html", Body=b"<script>localStorage</script>", ContentType="text/html")
    answer = s3.get_object(Bucket="pages", Key="evil.html")
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-security-policy"] == "sandbox allow-scripts"
    del cloud


# --- what they do -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "body", "status", "says"),
    [
        ("fault", {}, 400, "fault: is missing"),
        ("fault", {"fault": "fire"}, 400, "unknown fault 'fire'; known: insufficient-capacity"),
        ("fault", {**FAULT, "times": 0}, 400, "times: 0 is not allowed"),
        ("fault", {**FAULT, "target": "x" * 201}, 400, "target: a pattern of at most 200 characters"),
        ("end-fault", {"fault": "fire"}, 400, "fault: 'fire' is unknown"),
        ("advance", {"seconds": 0}, 400, "seconds: 0 is not allowed; use a number above 0, at most 21600"),
        ("advance", {"seconds": 1e9}, 400, "at most 21600"),
        ("advance", {"seconds": "1"}, 400, "seconds: '1' is not allowed"),
        ("advance", {"seconds": True}, 400, "seconds: True is not allowed"),
        ("kill", {"copy": "abc"}, 409, "copy abc is gone; only one that runs can be killed"),
        ("load", {"endpoint": "fleet", "component": "none", "shape": "chat", "per_s": 1, "seconds": 1}, 400, "there is no 'none'"),
        ("chat", {"endpoint": "a", "component": "b", "messages": []}, 400, "messages: a list of 1 to 100"),
        ("chat", {"endpoint": "a", "component": "b", "messages": [{"role": "root", "content": ""}]}, 400, "messages.0: a role"),
        ("chat", {"endpoint": "fleet", "component": "b", "messages": [{"role": "user", "content": "hi"}]}, 502, "Endpoint fleet"),
        ("reset", {}, 404, "no such action: reset; use load, end-load"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_with_the_next_step(
    act: Act, name: str, body: dict[str, Any], status: int, says: str
) -> None:
    answer = act(name, **body)
    assert answer[0] == status
    assert says in answer[1]["message"]


@pytest.mark.parametrize("body", ["[]", "1", "{", "null"])
def test_a_malformed_body_is_refused(send: Send, body: str) -> None:
    assert send("fault", body)[0] == 400


def test_a_body_that_is_too_long_is_refused(send: Send) -> None:
    assert send("fault", json.dumps(FAULT | {"x": "y" * 300_000}))[0] == 413


def test_a_fault_is_injected_shown_and_ended(act: Act, read: Act) -> None:
    status, answer = act("fault", **FAULT, times=2)
    assert (status, answer["active"][0]["text"]) == (200, "UpdateEndpoint ends InService with the old configuration")
    assert [(one["name"], one["target"], one["times"]) for one in read("overview")["faults"]] == [
        ("silent-rollback", "fleet", 2)
    ]
    assert act("end-fault", fault="silent-rollback")[1] == {"active": []}
    events = [(one["what"], one["state"]) for one in read("overview")["events"]]
    assert ("console: fault silent-rollback on fleet", "INJECTED") in events
    assert ("console: fault silent-rollback", "ENDED") in events


def test_every_fault_has_a_description_and_a_kind_of_target() -> None:
    for fault in actions.choices()["faults"]:
        assert fault["text"]
        assert fault["target"].startswith(
            ("endpoint", "inference component", "operation", "job", "instance type", "agents")
        )


def test_time_is_skipped(act: Act) -> None:
    before = clock().now()
    status, answer = act("advance", seconds=900)
    assert status == 200
    assert answer["now"] - before >= 900


def test_time_is_skipped_once_at_a_time(act: Act) -> None:
    with actions._advancing:
        assert act("advance", seconds=60) == (409, {"message": "time is being skipped already; wait for it"})


def test_a_killed_copy_is_replaced(serving: Any, act: Act, read: Act) -> None:
    def copies() -> list[tuple[str, str]]:
        return [(copy["id"], copy["state"]) for copy in read("overview")["endpoints"][0]["components"][0]["copies"]]

    ((before, _),) = copies()
    assert act("kill", copy=before) == (200, {"killed": before})
    eventually(lambda: [state for copy, state in copies() if copy != before] == ["healthy"])
    assert any(one["state"] == "KILLED" and before in one["what"] for one in read("overview")["events"])
    del serving


def test_a_load_is_sent_counted_and_stopped(serving: Any, act: Act, read: Act) -> None:
    arguments = {"endpoint": "fleet", "component": "llama", "shape": "chat", "per_s": load.RATE_MAX, "seconds": 600}
    assert act("load", **arguments)[0] == 200
    assert act("load", **arguments) == (400, {"message": "a load on llama is running; stop it first"})
    state = eventually(lambda: (now := read("overview")["load"])["answered"] >= 3 and now)
    assert (state["failed"], state["problem"], state["runs"]) == (0, "", True)
    assert 0 < state["p50_s"] <= state["p90_s"]
    ended = act("end-load")[1]["load"]
    assert (ended["runs"], ended["left_s"]) == (False, 0)
    after = eventually(lambda: (now := read("overview")["load"])["in_flight"] == 0 and now)
    assert after["sent"] == after["answered"] == ended["sent"]
    act("advance", seconds=20)  # to the end of the ten seconds in which SageMaker counts
    flowing = eventually(lambda: any(read("overview")["traffic"]["llama"]["requests"]) and read("overview")["traffic"])
    assert max(filter(None, flowing["llama"]["p90_us"])) > 0
    del serving


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"per_s": 21}, "per_s: 21 is not allowed; use a number above 0, at most 20"),
        ({"per_s": 0}, "per_s: 0 is not allowed"),
        ({"per_s": float("nan")}, "per_s: nan is not allowed"),
        ({"seconds": 901}, "seconds: 901 is not allowed; use a number above 0, at most 900"),
        ({"shape": "flood"}, "shape: 'flood' is unknown; use one of chat, story"),
    ],
)
def test_a_load_is_bounded(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        load.Load(**{"endpoint": "fleet", "component": "llama", "shape": "chat", "per_s": 1, "seconds": 1} | changes)


def test_a_load_holds_back_what_would_be_too_much_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    one = load.Load(
        endpoint="fleet", component="llama", shape="chat", per_s=1, seconds=60, in_flight=load.IN_FLIGHT_MAX
    )
    monkeypatch.setattr(one._stopped, "wait", lambda _: one.stop())  # after one turn
    one._run()
    assert (one.sent, one.held_back, one.in_flight) == (0, 1, load.IN_FLIGHT_MAX)


def test_failures_of_a_load_are_counted_with_the_last_reason(serving: Any, act: Act, read: Act) -> None:
    faults.inject("throttling", target="InvokeEndpoint")
    act("load", endpoint="fleet", component="llama", shape="chat", per_s=20, seconds=600)
    state = eventually(lambda: (now := read("overview")["load"])["failed"] and now)
    assert "ThrottlingException" in state["problem"]
    act("end-load")
    del serving


def test_an_answer_of_the_chat_is_streamed(serving: Any, send: Send) -> None:
    messages = [{"role": "user", "content": "hi"}]
    status, headers, body = send(
        "chat", json.dumps({"endpoint": "fleet", "component": "llama", "messages": messages, "max_tokens": 8})
    )
    assert (status, headers["Content-Type"]) == (200, "text/event-stream")
    lines = [line.removeprefix("data: ") for line in body.decode().split("\n") if line]
    texts = [json.loads(line)["choices"][0]["delta"]["content"] for line in lines[:-1]]
    assert (texts, lines[-1]) == (["part 0 ", "part 1 ", "part 2 "], "[DONE]")
    del serving


def test_a_chat_without_a_copy_says_so(serving: Any, act: Act) -> None:
    serving.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 0}
    )
    arguments = {"endpoint": "fleet", "component": "llama", "messages": [{"role": "user", "content": "hi"}]}
    answer = eventually(lambda: refusal(act, arguments))
    assert "Inference Component has no capacity" in answer["message"]


def refusal(act: Act, arguments: dict[str, Any]) -> Any:
    """The refusal of a chat; None while a copy still answers, with events and not with JSON."""
    try:
        status, answer = act("chat", **arguments)
    except json.JSONDecodeError:
        return None
    return answer if status == 502 else None


def test_the_fleet_costs_what_its_instances_cost_on_aws(serving: Any, read: Act) -> None:
    (endpoint,) = read("overview")["endpoints"]
    assert endpoint["cost"]["usd"] > 5  # one ml.g6e.12xlarge
    assert endpoint["cost"]["unknown"] == []
    assert endpoint["cost"]["note"].startswith("on demand in us-east-1, price of 20")
    del serving
