"""Requests through InvokeEndpoint: the status that counts is the container's."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from tools.requests.endpoints import EndpointTarget
from tools.requests.run import answer_problem
from tools.requests.strategies import Body


class Runtime:
    """A client of sagemaker-runtime that gives one answer, or raises it."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.operations = answer, list[str]()

    def invoke_endpoint(self, **_: Any) -> Any:
        return self._answered("InvokeEndpoint")

    def invoke_endpoint_with_response_stream(self, **_: Any) -> Any:
        return self._answered("InvokeEndpointWithResponseStream")

    def _answered(self, operation: str) -> Any:
        self.operations.append(operation)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def client(answer: object) -> tuple[Any, Runtime]:
    runtime = Runtime(answer)
    return runtime, runtime


def target_answer(answer: Any, content: bytes = b"{}") -> tuple[int, bytes]:
    return EndpointTarget(client(answer)[0], "chat", "llama")(Body("/generate", content))


def test_an_answer_is_passed_on() -> None:
    answer = {"ResponseMetadata": {"HTTPStatusCode": 200}, "Body": io.BytesIO(b"hello")}
    assert target_answer(answer) == (200, b"hello")


def test_a_body_that_streams_is_sent_as_a_stream() -> None:
    parts = [{"PayloadPart": {"Bytes": part}} for part in (b"a", b"b")]
    stand_in, runtime = client({"Body": parts})
    assert EndpointTarget(stand_in, "chat", "llama")(Body("/generate", b'{"stream": true}')) == (200, b"ab")
    assert runtime.operations == ["InvokeEndpointWithResponseStream"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"[" * 60_000, b'{"stream": 1}'])
def test_no_other_body_is(content: bytes) -> None:
    stand_in, runtime = client({"ResponseMetadata": {"HTTPStatusCode": 200}, "Body": io.BytesIO(b"")})
    EndpointTarget(stand_in, "chat", "llama")(Body("/generate", content))
    assert runtime.operations == ["InvokeEndpoint"]


def test_a_refusal_of_the_container_is_its_status_and_text() -> None:
    error = {"error": {"message": "no", "type": "BadRequestError", "param": None, "code": 400}}
    refused = {"Error": {"Code": "ModelError"}, "OriginalStatusCode": 400, "OriginalMessage": json.dumps(error)}
    assert answer_problem(*target_answer(ClientError(refused, "InvokeEndpoint"))) is None


def test_a_refusal_of_sagemaker_itself_is_a_problem() -> None:
    refused = {"Error": {"Code": "ValidationError"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    assert answer_problem(*target_answer(ClientError(refused, "InvokeEndpoint"))) is not None


def test_no_answer_is_an_error_of_the_connection() -> None:
    with pytest.raises(OSError, match="ConnectTimeoutError"):
        target_answer(ConnectTimeoutError(endpoint_url="http://localhost"))
