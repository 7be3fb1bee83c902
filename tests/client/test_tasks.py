"""What is no chat: embeddings, scores of documents, classes and completions, waited for as chats are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from cdk_sglang.cli import main
from cdk_sglang.client import AnswerError, InferenceClient, Progress, State
from cdk_sglang.client.answers import listed_answer, ranked_answer
from cdk_sglang.environments.planning import resolve_fleet
from cdk_sglang.environments.reading import parse
from tests.docs.blocks import blocks
from tests.localcloud.helpers import any_component, any_endpoint, eventually, in_service

PLACE = "llama on fleet"


@pytest.fixture
def llama(options: dict[str, Any]) -> InferenceClient:
    return InferenceClient("fleet", "llama", **options)


def test_embeddings_wake_a_component_and_come_as_vectors(
    asleep: Any, llama: InferenceClient, steps: list[Progress]
) -> None:
    assert llama.embed(["a", "long text"]) == [[1.0, 0.5], [9.0, 0.5]]
    assert (steps[0].state, steps[-1].state) == (State.ASLEEP, State.ANSWERED)


def test_classes_ranks_and_completions_are_answers_too(serving: Any, llama: InferenceClient) -> None:
    assert llama.embed("one") == [[3.0, 0.5]]
    assert [entry["probs"] for entry in llama.classify("one")] == [[0.25, 0.75]]
    ranked = llama.rerank("which?", ["short", "the longest of all", "the second"])
    assert [entry["index"] for entry in ranked] == [1, 2, 0]
    assert llama.complete("One, two,")["choices"][0]["finish_reason"] == "stop"


def test_a_component_that_refuses_is_the_callers_error_at_once(serving: Any, llama: InferenceClient) -> None:
    with pytest.raises(ClientError) as error:
        llama.embed("x", status=400)
    assert error.value.response["Error"]["Code"] == "ModelError"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"not json", "the answer has no list of embedding in data: 'not json'"),
        (b'{"choices": []}', "the answer has no list of embedding in data"),
        (b'{"data": [{"embedding": [1.0]}]}', "2 answers asked, 1 in the answer"),
        (
            b'{"error": {"message": "no room", "code": 400}}',
            "the model failed before its answer began: no room (status 400)",
        ),
    ],
)
def test_an_answer_without_a_vector_for_each_text_is_an_error(body: bytes, message: str) -> None:
    with pytest.raises(AnswerError) as error:
        listed_answer(PLACE, body, of="embedding", count=2)
    assert str(error.value).startswith(f"{PLACE}: {message}")


def test_vectors_come_in_the_order_of_their_texts() -> None:
    data = [{"index": 1, "embedding": "b"}, {"index": 0, "embedding": "a"}]
    listed = listed_answer(PLACE, json.dumps({"data": data}).encode(), of="embedding", count=2)
    assert [entry["embedding"] for entry in listed] == ["a", "b"]


@pytest.mark.parametrize("body", [b"[1]", b"{}", b"no", b'[{"index": 0}]'])
def test_what_is_no_list_of_scores_is_an_error(body: bytes) -> None:
    with pytest.raises(AnswerError, match="the answer is no list of scores"):
        ranked_answer(PLACE, body)


def test_ask_says_in_one_line_what_a_component_that_does_not_chat_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    message = "this component's task is embedding, so it takes no messages; send input instead"
    refusal = {
        "Error": {"Code": "ModelError", "Message": f'Received client error (400) from model with message "{message}"'}
    }

    def stream_chat(*_: object, **__: object) -> object:
        raise ClientError(refusal, "InvokeEndpointWithResponseStream")

    monkeypatch.setattr(InferenceClient, "stream_chat", stream_chat)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    done = CliRunner().invoke(
        main.app, ["ask", "hello", "--endpoint", "fleet", "--component", "llama", "--region", "us-east-1"]
    )
    assert (done.exit_code, done.stderr) == (
        1,
        "ask: the component does not chat, its task is embedding; call InferenceClient.embed(texts) of cdk_sglang.client\n",
    )


def test_the_guides_environment_plans_embeddings_and_its_program_gets_them(
    cloud: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment, program = (block.text for block in blocks("yaml", "python") if block.document == "docs/embeddings.md")
    resolved = resolve_fleet(parse(environment, source="search.yaml"), name="search")
    assert resolved.problems == ()
    (plan,) = resolved.plan.endpoints[0].components
    assert (plan.name, plan.tpot_ms) == ("qwen", None)
    sagemaker = client("sagemaker")
    any_endpoint(sagemaker, "search-search")
    eventually(lambda: sagemaker.describe_endpoint(EndpointName="search-search")["EndpointStatus"] == "InService")
    any_component(sagemaker, "search-search-qwen", endpoint="search-search")
    in_service(sagemaker, "search-search-qwen")
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
    for name, value in cloud.credentials.environment.items():
        monkeypatch.setenv(name, value)
    names: dict[str, Any] = {}
    exec(compile(program, "docs/embeddings.md", "exec"), names)
    assert names["vectors"] == [[20.0, 0.5], [20.0, 0.5]]
