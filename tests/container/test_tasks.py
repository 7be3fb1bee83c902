"""What `/invocations` answers: the chat that SGLang has there, or another of its paths, by the task of the component."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from cdk_sglang_container.contract import Contract
from cdk_sglang_container.refused import RefusedError
from cdk_sglang_container.settings import Settings
from engine_server import EngineServer
from test_contract import FakeEngine, FakeHealth, FakeSessions, Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cdk_sglang_container.http import Message, Scope


def ask(task: str, body: dict[str, Any], *, path: str = "/invocations") -> tuple[int, Any, Recorder]:
    """Status and body of the answer to a request, and what stood in SGLang's place."""
    app, sent = Recorder(), list["Message"]()
    content = json.dumps(body).encode()
    scope: Scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"content-length", b"1")]}

    async def receive() -> Message:
        return {"type": "http.request", "body": content}

    async def send(message: Message) -> None:
        sent.append(message)

    contract = Contract(
        app, engine=FakeEngine(), health=FakeHealth(), sessions=FakeSessions(), max_body_bytes=1000, task=task
    )
    asyncio.run(contract(scope, receive, send))
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:])), app


@pytest.mark.parametrize(
    ("task", "body", "path"),
    [
        ("chat", {"messages": []}, "/invocations"),
        ("chat", {"input": "x"}, "/invocations"),
        ("completion", {"prompt": "x"}, "/v1/completions"),
        ("completion", {"messages": []}, "/invocations"),
        ("embedding", {"input": "x"}, "/v1/embeddings"),
        ("rerank", {"query": "x", "documents": ["y"]}, "/v1/rerank"),
        ("classify", {"input": "x"}, "/v1/classify"),
    ],
)
def test_the_task_decides_which_path_of_sglang_answers(task: str, body: dict[str, Any], path: str) -> None:
    _, _, app = ask(task, body)
    assert [(scope["path"], scope.get("raw_path", path.encode())) for scope in app.scopes] == [(path, path.encode())]
    assert json.loads(app.bodies[0]) == body


@pytest.mark.parametrize(
    ("task", "instead"), [("embedding", "input"), ("rerank", "query and documents"), ("classify", "input")]
)
def test_a_chat_with_a_model_that_does_not_chat_is_told_what_to_send(task: str, instead: str) -> None:
    status, answer, app = ask(task, {"messages": [{"role": "user", "content": "x"}]})
    assert (status, app.scopes) == (400, [])
    assert (
        answer["error"]["message"]
        == f"this component's task is {task}, so it takes no messages; send {instead} instead"
    )


def test_other_paths_stay_what_they_are_whatever_the_task() -> None:
    _, _, app = ask("embedding", {"messages": []}, path="/v1/chat/completions")
    assert app.scopes[0]["path"] == "/v1/chat/completions"


def test_a_server_is_for_chats_unless_its_variable_says_otherwise() -> None:
    assert Settings.from_environment({}).task == "chat"
    assert Settings.from_environment({"CDK_SGLANG_TASK": "embedding"}).task == "embedding"
    with pytest.raises(RefusedError) as error:
        Settings.from_environment({"CDK_SGLANG_TASK": "embeddings"})
    assert "CDK_SGLANG_TASK: must be one of chat, completion, embedding, rerank, classify, got 'embeddings'" in str(
        error.value
    )


@pytest.fixture(scope="module")
def server(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineServer]:
    settings = {"CDK_SGLANG_TASK": "embedding", "SM_SGLANG_IS_EMBEDDING": "true"}
    running = EngineServer(model=models["base"], settings=settings, log=tmp_path_factory.mktemp("log") / "server.log")
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.mark.engine
@pytest.mark.timeout(300)
def test_an_embedding_model_answers_invocations_with_vectors_and_refuses_chats(server: EngineServer) -> None:
    one = server.request("POST", "/invocations", {"input": "hello"}, headers={"content-type": "text/plain"})
    assert one.status == 200
    two = server.request("POST", "/invocations", {"input": ["hello", "what is a copy?"]})
    vectors = [entry["embedding"] for entry in two.json["data"]]
    width = json.loads((server.model / "config.json").read_text(encoding="utf-8"))["hidden_size"]
    assert [len(vector) for vector in vectors] == [width, width]
    assert vectors[0] == pytest.approx(one.json["data"][0]["embedding"], abs=1e-4)
    assert vectors[0] != pytest.approx(vectors[1], abs=1e-2)
    assert server.chat().status == 400
    assert server.request("POST", "/invocations", {"input": ""}).status == 400
    assert server.ping() == 200
