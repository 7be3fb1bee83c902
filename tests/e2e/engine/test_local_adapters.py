"""LoRA adapters, sticky sessions and bidirectional chat on the real engine, deployed to two copies by the unmodified CDK CLI.

The tests share one fleet and build on each other, so they run in the order they stand.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.engine.recipe import engine_environment, engine_python
from tests.e2e.engine.conftest import Fleet, component, deployed
from tests.support.engine_forks import STARTUP, start

pytestmark = pytest.mark.timeout(600)

BUILT = {"image": {"build": {"unpinned": "the embedded CodeBuild pulls nothing"}}}
LORA = {"max_rank": 8, "target_modules": ["all"], "max_loras_per_batch": 3}
PROMPTS = ("hello", "what is a copy?", "1 2 3")
CHAT: dict[str, Any] = {"max_tokens": 12, "temperature": 0}


def with_adapters(models: Path, **adapters: str) -> dict[str, Any]:
    """Two copies with these adapters, by name and folder of the tiny model's."""
    tiny = component(context_length=8192, copies=2)
    tiny["server"]["lora"] = LORA
    return {"tiny": {**tiny, "adapters": {name: {"folder": str(models / of)} for name, of in adapters.items()}}}


@contextmanager
def bare_sglang(model: Path, **adapters: Path) -> Iterator[str]:
    """`sglang.launch_server` itself, with its adapters given at the start; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    lora = ["--enable-lora", "--max-lora-rank", "8", "--lora-target-modules", "all", "--lora-paths"]
    lora += [f"{name}={folder}" for name, folder in adapters.items()]
    command = [
        "-m",
        "sglang.launch_server",
        "--model-path",
        str(model),
        "--dtype",
        "float32",
        "--port",
        str(port),
        *lora,
    ]
    environment = engine_environment({**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONPATH": STARTUP})
    process = start(command, environment=environment, startup=True)
    try:
        deadline = time.monotonic() + 180
        while not is_up(f"http://127.0.0.1:{port}/ping"):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1/chat/completions"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_up(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=2) as response:
        return bool(response.status == 200)
    return False


def asked_directly(url: str, prompt: str, adapter: str | None) -> str:
    body = {"messages": [{"role": "user", "content": prompt}], **CHAT, "model": f"default:{adapter}" if adapter else ""}
    fields = {"content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), fields)
    with urllib.request.urlopen(request, timeout=60) as response:
        return text_of(json.loads(response.read()))


def text_of(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


@pytest.fixture(scope="module")
def answers(models: Path) -> dict[tuple[str | None, str], str]:
    """What SGLang answers, by adapter and prompt."""
    with bare_sglang(models / "base", triage=models / "adapter-a", billing=models / "adapter-b") as url:
        return {(name, p): asked_directly(url, p, name) for name in (None, "triage", "billing") for p in PROMPTS}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Fleet]:
    adapters = with_adapters(models, triage="adapter-a", billing="adapter-b")
    with deployed(tmp_path_factory.mktemp("adapters"), models, adapters, **BUILT) as fleet:
        yield fleet


@contextmanager
def base_load(fleet: Fleet) -> Iterator[Counter[str]]:
    """Four callers of the base model for as long as the block; what came of their requests."""
    outcome: Counter[str] = Counter()
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                outcome[text_of(fleet.ask(tokens=4))] += 1
            except ClientError as error:
                outcome[str(error)] += 1
            done.wait(0.1)

    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(ask)
        try:
            yield outcome
        finally:
            done.set()


# In the engine's Python, which has a WebSocket client.
_SPEAK = """
import json, sys
from websockets.sync.client import connect
port, adapter, turns = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
url = f"ws://127.0.0.1:{port}/invocations-bidirectional-stream"
with connect(url, additional_headers={"X-Amzn-SageMaker-Adapter-Identifier": adapter}) as socket:
    for turn in turns:
        socket.send(turn)
        frames = []
        while (frame := socket.recv(timeout=60)) != "[DONE]":
            frames.append(frame)
        print(json.dumps(frames))
"""


class TestAdapters:
    def test_the_base_and_two_adapters_answer_each_as_sglang_does(
        self, answers: dict[tuple[str | None, str], str], fleet: Fleet
    ) -> None:
        assert len({answers[name, "hello"] for name in (None, "triage", "billing")}) == 3
        for (name, prompt), answer in answers.items():
            target = "tiny" if name is None else f"tiny-{name}"
            for _ in range(4):  # so that both copies have answered
                assert text_of(fleet.ask(target, text=prompt, tokens=12)) == answer, (name, prompt)
        assert len(fleet.copies()) == 2

    def test_an_unknown_adapter_is_the_callers_error(self, fleet: Fleet) -> None:
        with pytest.raises(ClientError) as unknown:
            fleet.ask("tiny-nobody")
        assert unknown.value.response["Error"]["Code"] == "ValidationError"
        assert unknown.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        with pytest.raises(ClientError, match=r"Received client error \(404\).*nobody") as named:
            fleet.ask("tiny", model="nobody")
        assert named.value.response["OriginalStatusCode"] == 404

    @pytest.mark.parametrize("target", ["tiny", "tiny-triage"])
    def test_sessions_stick_to_their_copy_and_end(self, fleet: Fleet, target: str) -> None:
        """A copy refuses a session that another one opened, so only stickiness lets every turn pass."""
        turn = {"messages": [{"role": "user", "content": "hello"}], **CHAT}
        sessions = [fleet.invoke(target, turn, SessionId="NEW_SESSION")["NewSessionId"].split(";")[0] for _ in range(4)]
        with ThreadPoolExecutor(8) as pool:
            turns = [pool.submit(fleet.invoke, target, turn, SessionId=s) for s in sessions for _ in range(6)]
            assert [future.result()["ResponseMetadata"]["HTTPStatusCode"] for future in turns] == [200] * 24
        for session in sessions:
            closed = fleet.invoke(target, {"requestType": "CLOSE"}, SessionId=session)
            assert closed["ClosedSessionId"] == session
            with pytest.raises(ClientError, match=r"Received client error \(400\).*is not open"):
                fleet.invoke(target, turn, SessionId=session)

    def test_both_copies_hold_sessions_of_their_own(self, fleet: Fleet) -> None:
        turn = {"messages": [{"role": "user", "content": "hello"}], **CHAT}
        body = json.dumps(turn).encode()
        session = fleet.invoke("tiny", turn, SessionId="NEW_SESSION")["NewSessionId"].split(";")[0]
        statuses = []
        for copy in fleet.copies():
            url = f"http://127.0.0.1:{copy.port}/invocations"
            headers = {"content-type": "application/json", "X-Amzn-SageMaker-Session-Id": session}
            try:
                with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as response:
                    statuses.append(response.status)
            except urllib.error.HTTPError as error:
                with error:
                    statuses.append(error.code)
        assert sorted(statuses) == [200, 400]

    def test_a_chat_over_a_copys_websocket_answers_as_invocations_does(
        self, answers: dict[tuple[str | None, str], str], fleet: Fleet
    ) -> None:
        """What SageMaker does for InvokeEndpointWithBidirectionalStream, an HTTP/2 operation that boto3 has not."""
        requests = [json.dumps({"messages": [{"role": "user", "content": prompt}], **CHAT}) for prompt in PROMPTS]
        for copy in fleet.copies():
            arguments = [str(copy.port), "e2e-chat-tiny-billing", json.dumps(requests)]
            done = subprocess.run(
                [str(engine_python()), "-c", _SPEAK, *arguments],
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr
            turns = [json.loads(line) for line in done.stdout.splitlines()]
            pieces = [[json.loads(f)["choices"][0]["delta"].get("content") or "" for f in turn] for turn in turns]
            assert ["".join(parts) for parts in pieces] == [answers["billing", prompt] for prompt in PROMPTS]
            assert min(len(parts) for parts in pieces) > 3

    def test_random_requests_are_the_callers_errors_at_worst_and_the_copies_live(self, fleet: Fleet) -> None:
        before = {process.pid for process in fleet.engines()}
        tally = fleet.fuzzed("tiny", "tiny-triage", count=200, first=3 * 10**6)
        assert tally.failures == [], str(tally)
        for name in ("tiny", "tiny-triage"):
            assert fleet.ask(name, tokens=2)["usage"]["completion_tokens"] == 2
        assert {process.pid for process in fleet.engines()} == before

    def test_adapters_come_and_go_under_load_without_a_failed_base_request(
        self, answers: dict[tuple[str | None, str], str], fleet: Fleet, models: Path
    ) -> None:
        before = {process.pid for process in fleet.engines()}
        with base_load(fleet) as outcome:
            fleet.write(with_adapters(models, billing="adapter-b", legal="adapter-a"), **BUILT)
            fleet.deploy()
            assert text_of(fleet.ask("tiny-legal", tokens=12)) == answers["triage", "hello"]
            assert text_of(fleet.ask("tiny-billing", tokens=12)) == answers["billing", "hello"]
            with pytest.raises(ClientError, match="not found"):
                fleet.ask("tiny-triage")
            fleet.write(with_adapters(models, billing="adapter-a"), **BUILT)
            fleet.deploy()
            assert text_of(fleet.ask("tiny-billing", tokens=12)) == answers["triage", "hello"]  # changed in place
        assert set(outcome) == {text_of(fleet.ask(tokens=4))}
        assert outcome.total() > 20
        assert {process.pid for process in fleet.engines()} == before
