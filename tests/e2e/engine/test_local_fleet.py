"""What `make local` promises, in the order a fleet lives: deployed, asked, updated, loaded, hurt, destroyed.

The tests share one fleet and build on each other, so they run in the order they stand.
"""

from __future__ import annotations

import http.client
import json
import signal
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from localcloud import agent as local_agent
from localcloud.aws.console.load import SHAPES
from localcloud.aws.hosting.store import stores
from tests.e2e.engine.conftest import ROOT
from tests.localcloud.agents import Stack, events, runtime, zipped

pytestmark = pytest.mark.timeout(600)


def component(**options: Any) -> dict[str, Any]:
    server = {
        "context_length": options.get("context_length", 8192),
        "dtype": "float32",
        "extra": {"sleep_on_idle": True},
    }
    model = {"prefix": "weights/tiny-llama/", "weights_gib": 0.01}
    return {"model": model, "server": server, "copies": options.get("copies", 1)}


@contextmanager
def asking(fleet: Any) -> Iterator[Counter[str]]:
    """Keep asking the first component in the background; count what came of it."""
    outcome: Counter[str] = Counter()
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                fleet.ask(tokens=4)
            except ClientError as error:
                outcome[error.response["Error"]["Code"]] += 1
            else:
                outcome["answered"] += 1
            done.wait(0.2)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield outcome
    finally:
        done.set()
        thread.join()


def act(fleet: Any, name: str, **body: Any) -> Any:
    """Perform an action of the console."""
    request = urllib.request.Request(
        f"{fleet.url}/localcloud/console/actions/{name}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {fleet.credentials.control_key}", "Content-Type": "application/json"},
    )
    return urllib.request.urlopen(request)


def eventually(holds: Any, *, within_s: float) -> float:
    started = time.monotonic()
    while time.monotonic() < started + within_s:
        if holds():
            return time.monotonic() - started
        time.sleep(0.1)
    raise AssertionError(f"not within {within_s} s")


def settled(fleet: Any, *, copies: int) -> None:
    """Wait until a component has had all copies in service for some health checks on end."""
    since = time.monotonic()

    def steady() -> bool:
        nonlocal since
        if fleet.described()["RuntimeConfig"]["CurrentCopyCount"] != copies:
            since = time.monotonic()
        return time.monotonic() > since + 5

    eventually(steady, within_s=180)


def states_of_copies(fleet: Any) -> list[tuple[str, str, str]]:
    """State and failure of each copy of the first component, as the embedded AWS has them."""
    store = next(store for store in stores() if "e2e-chat-tiny" in store.components)
    return [(copy.id, copy.state, copy.failure) for copy in store.components["e2e-chat-tiny"].copies]


class TestFleet:
    def test_answers_a_chat_request_through_boto3(self, fleet: Any) -> None:
        answer = fleet.ask(tokens=8)

        assert answer["usage"]["completion_tokens"] == 8
        assert answer["choices"][0]["message"]["role"] == "assistant"

    def test_streams_parts_before_the_answer_is_finished(self, fleet: Any) -> None:
        # A random model may end its answer at any word, so the end mark does not count; a process that streams for the first
        # time is late with the first parts.
        message = {"role": "user", "content": "hello"}
        body = {"messages": [message], "max_tokens": 512, "ignore_eos": True, "stream": True, "temperature": 0}
        stream = fleet.client("sagemaker-runtime").invoke_endpoint_with_response_stream(
            EndpointName="e2e-chat",
            InferenceComponentName="e2e-chat-tiny",
            ContentType="application/json",
            Body=json.dumps(body),
        )
        arrived = [(time.monotonic(), event["PayloadPart"]["Bytes"]) for event in stream["Body"]]

        assert len(arrived) > 2
        assert b"".join(part for _, part in arrived).endswith(b"data: [DONE]\n\n")
        assert arrived[-1][0] - arrived[0][0] > 0.2  # the first part was there while the engine went on

    def test_the_console_streams_an_answer_and_its_loads_fit(self, fleet: Any) -> None:
        place = {"endpoint": "e2e-chat", "component": "e2e-chat-tiny"}
        question = [{"role": "user", "content": "hello"}]
        with act(fleet, "chat", **place, messages=question, max_tokens=16) as answer:
            lines = answer.read().decode().split("\n\n")

        assert lines[-2:] == ["data: [DONE]", ""]
        chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]
        assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
        assert 0 < chunks[-1]["usage"]["completion_tokens"] <= 16
        for shape in SHAPES.values():  # each fits the model; how many are answered in time depends on the machine
            body = shape.body(1) | {"max_tokens": 2}
            assert json.loads(fleet.invoke("tiny", body)["Body"].read())["usage"]["completion_tokens"] > 0

    def test_the_openai_client_works_against_the_openai_path(self, fleet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        from openai import OpenAI
        from sagemaker.core.token_generator import generate_token

        url = f"{fleet.url}/endpoints/e2e-chat/inference-components/e2e-chat-tiny/openai/v1"
        for name, value in fleet.credentials.environment.items():
            monkeypatch.setenv(name, value)
        token = generate_token(region="us-east-1")  # what a client of the real path does
        with OpenAI(base_url=url, api_key=token, max_retries=0) as client:
            messages = [{"role": "user", "content": "hello"}]
            answer = client.chat.completions.create(model="tiny", messages=messages, max_tokens=8, temperature=0)

        assert answer.choices[0].message.content == fleet.ask(tokens=8)["choices"][0]["message"]["content"]

    def test_the_agent_answers_with_the_engines_words(self, fleet: Any) -> None:
        """The random model never ends an answer, so the agent passes its words on and says that they were cut off."""
        s3, folder = fleet.client("s3"), local_agent.code(ROOT / "agent", fleet.folder / "code")
        s3.create_bucket(Bucket="code")
        s3.put_object(Bucket="code", Key="agent.zip", Body=zipped(folder))
        place = {"CDK_SGLANG_ENDPOINT": "e2e-chat", "CDK_SGLANG_COMPONENT": "e2e-chat-tiny"}
        stack = Stack(fleet.client)
        arn = stack.deploy(
            {"Agent": runtime(EnvironmentVariables=place)}, Arn={"Fn::GetAtt": ["Agent", "AgentRuntimeArn"]}
        )["Arn"]
        payload = json.dumps({"prompt": "hello"})
        core = fleet.client("bedrock-agentcore")
        turn = events(core.invoke_agent_runtime(agentRuntimeArn=arn, runtimeSessionId="s" * 33, payload=payload))
        stack.delete()

        words = [event["text"] for event in turn if event["type"] == "text"]
        assert len(words) > 10  # streamed
        assert [event["code"] for event in turn if event["type"] == "error"] == ["answer_cut"]
        assert turn[-1]["type"] == "done"

    def test_random_requests_are_the_callers_errors_at_worst_and_the_copy_lives(self, fleet: Any) -> None:
        before = {process.pid for process in fleet.engines()}
        tally = fleet.fuzzed("tiny", count=200, first=2 * 10**6)
        assert tally.failures == [], str(tally)
        assert fleet.ask(tokens=2)["usage"]["completion_tokens"] == 2
        assert {process.pid for process in fleet.engines()} == before

    def test_nothing_of_it_listens_beyond_loopback_or_answers_a_web_page(self, fleet: Any) -> None:
        engines = fleet.engines()
        listening = [
            (process.pid, found.laddr.ip)
            for process in {*engines, *(child for one in engines for child in one.children(recursive=True))}
            for found in process.net_connections()
            if found.status == psutil.CONN_LISTEN
        ]
        assert len(listening) >= 2  # the server, and the store of the process group
        assert {address for _, address in listening} <= {"127.0.0.1", "::1"}

        port = fleet.copies()[0].port
        here = {"Host": f"127.0.0.1:{port}"}
        pages = ({"Host": "evil.example"}, {**here, "Origin": "http://evil.example"}, {**here, "Origin": "null"})
        for method, path in (
            ("GET", "/ping"),
            ("POST", "/invocations"),
            ("POST", "/flush_cache"),
            ("OPTIONS", "/ping"),
        ):
            for headers in pages:
                assert status_of(port, method, path, headers) == 403
        assert status_of(port, "GET", "/ping", here) == 200

    def test_deploying_again_changes_nothing(self, fleet: Any) -> None:
        before = fleet.described()

        assert "no changes" in fleet.deploy()
        assert fleet.described()["LastModifiedTime"] == before["LastModifiedTime"]

    def test_a_changed_option_updates_the_component_in_place(self, fleet: Any) -> None:
        before = fleet.described()
        fleet.write({"tiny": component(context_length=1024)})
        fleet.deploy()
        after = fleet.described()

        assert (after["InferenceComponentArn"], after["CreationTime"]) == (
            before["InferenceComponentArn"],
            before["CreationTime"],
        )
        assert fleet.ask(tokens=4)["usage"]["completion_tokens"] == 4
        with pytest.raises(ClientError, match="longer than the model's context length"):
            fleet.ask(text="hello " * 1200)

    def test_adding_a_component_and_a_copy_never_stops_the_first(self, fleet: Any) -> None:
        fleet.write({"tiny": component(context_length=1024, copies=2), "second": component()})
        with asking(fleet) as outcome:
            fleet.deploy()

        assert set(outcome) == {"answered"}
        assert outcome["answered"] > 5
        assert fleet.ask("second")["usage"]["completion_tokens"] == 8
        assert fleet.described()["RuntimeConfig"]["CurrentCopyCount"] == 2

    def test_two_hundred_requests_at_once_are_all_answered_by_both_copies(self, fleet: Any) -> None:
        with ThreadPoolExecutor(200) as pool:
            answers = list(pool.map(lambda _: fleet.ask(tokens=4), range(200)))

        assert {answer["usage"]["completion_tokens"] for answer in answers} == {4}
        assert len({answer["choices"][0]["message"]["content"] for answer in answers}) == 1
        assert len(requests_by_copy(fleet)) == 2

    def test_a_killed_engine_is_out_of_routing_and_replaced(self, fleet: Any) -> None:
        settled(fleet, copies=2)
        before = {process.pid for process in fleet.engines()}
        victim = tiny_engine(fleet)
        victim.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        answered, failures = 0, list[tuple[float, str]]()
        while time.monotonic() < killed + 10:
            try:
                fleet.ask(tokens=2)
                answered += 1
            except ClientError as error:
                failures.append((time.monotonic() - killed, str(error)))
        late = [fleet.ask(tokens=2) for _ in range(20)]

        # Those that met the dead copy before it was noticed; how many these are, a fast machine decides.
        evidence = (
            answered,
            len(failures),
            failures[-1:],
            Counter(text for _, text in failures),
            states_of_copies(fleet),
        )
        assert all(after_s < 8 for after_s, _ in failures), evidence
        assert answered > 10, evidence
        assert len(late) == 20
        settled(fleet, copies=2)
        assert {process.pid for process in fleet.engines()} - before

    def test_removing_a_component_never_stops_the_first(self, fleet: Any) -> None:
        fleet.write({"tiny": component(context_length=1024, copies=2)})
        with asking(fleet) as outcome:
            fleet.deploy()

        assert set(outcome) == {"answered"}
        with pytest.raises(ClientError, match="Could not find"):
            fleet.described("second")

    def test_destroying_leaves_nothing_in_any_service(self, fleet: Any) -> None:
        bucket = fleet.session.resource("s3", endpoint_url=fleet.url)
        for fleet_bucket in bucket.buckets.all():
            if fleet_bucket.name.startswith("cdk-sglang-e2e"):
                fleet_bucket.object_versions.all().delete()
        done = fleet.cdk("destroy", "--all", "--force", app="made")

        assert done.returncode == 0, done.stdout + done.stderr
        assert fleet.sagemaker.list_endpoints()["Endpoints"] == []
        assert fleet.sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
        assert fleet.sagemaker.list_inference_components()["InferenceComponents"] == []
        assert fleet.sagemaker.list_models()["Models"] == []
        groups = fleet.client("logs").describe_log_groups()["logGroups"]
        assert [group["logGroupName"] for group in groups if "/aws/sagemaker/" in group["logGroupName"]] == []
        stacks = fleet.client("cloudformation").list_stacks()["StackSummaries"]
        assert [
            s["StackName"] for s in stacks if "e2e" in s["StackName"] and s["StackStatus"] != "DELETE_COMPLETE"
        ] == []
        assert fleet.engines() == []


def status_of(port: int, method: str, path: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, b"{}", headers)
        return connection.getresponse().status
    finally:
        connection.close()


def requests_by_copy(fleet: Any) -> dict[str, int]:
    """How many requests each copy of the first component logged."""
    streams: Counter[str] = Counter()
    logs = fleet.client("logs")
    for page in logs.get_paginator("filter_log_events").paginate(
        logGroupName="/aws/sagemaker/InferenceComponents/e2e-chat-tiny", filterPattern="invocations"
    ):
        streams.update(event["logStreamName"] for event in page["events"])
    return dict(streams.most_common(2)) if streams else {}


def tiny_engine(fleet: Any) -> Any:
    """One engine process of the first component."""
    return psutil.Process(fleet.copies()[0].pid)
