"""Which answers prove that no copy has seen the request."""

from __future__ import annotations

import json
import ssl

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError
from botocore.stub import Stubber

from cdk_sglang.client.boto import refusal_of
from cdk_sglang.client.failures import Reason, is_certificate_problem, response_refusal, service_refusal
from cdk_sglang.client.wait import SystemClock
from cdk_sglang.client.watch import Watch
from localcloud.aws.hosting.runtime import _NO_COPY
from tests.localcloud.helpers import SESSION


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        ("ValidationError", _NO_COPY, Reason.NO_CAPACITY),
        ("ValidationException", _NO_COPY, Reason.NO_CAPACITY),
        ("ModelNotReadyException", "still being provisioned", Reason.NO_CAPACITY),
        ("ThrottlingException", "Rate exceeded", Reason.THROTTLED),
        ("ValidationError", "Endpoint prod-burst of account 111122223333 not found.", Reason.MISSING),
        ("ValidationError", "1 validation error detected", None),
        ("ValidationError", f"your prompt said: {_NO_COPY}", None),
        ("ModelError", _NO_COPY, None),
        ("ModelError", 'Received server error (503) from primary with message "…"', None),
        ("ServiceUnavailable", "The service is unavailable. Try your call again.", None),
        ("InternalFailure", "An internal failure occurred.", None),
        ("InternalDependencyException", "", None),
    ],
)
def test_only_what_came_before_a_copy_is_a_refusal(code: str, message: str, reason: Reason | None) -> None:
    found = service_refusal(code, message)
    assert (found.reason if found else None) is reason


@pytest.mark.parametrize(
    ("error_type", "body", "reason"),
    [
        ("ValidationError", {"Message": _NO_COPY}, Reason.NO_CAPACITY),
        ("ValidationError:http://internal/", {"message": _NO_COPY}, Reason.NO_CAPACITY),
        ("", {"error": {"message": _NO_COPY, "code": "ValidationError"}}, Reason.NO_CAPACITY),
        ("", {"__type": "com.amazonaws#ThrottlingException", "message": "Rate exceeded"}, Reason.THROTTLED),
        ("", {"object": "error", "message": "too many requests", "code": 429}, None),
        ("", {"error": "as asked"}, None),
        ("", ["not", "an", "object"], None),
    ],
)
def test_errors_of_the_openai_path_are_told_from_those_of_the_engine(
    error_type: str, body: object, reason: Reason | None
) -> None:
    found = response_refusal(error_type, json.dumps(body).encode())
    assert (found.reason if found else None) is reason


def test_a_body_that_is_no_json_is_no_refusal() -> None:
    assert response_refusal("", b"<html>502 Bad Gateway</html>") is None


def test_a_connection_that_broke_after_sending_is_no_refusal() -> None:
    assert refusal_of(ConnectionClosedError(endpoint_url="https://x")) is None
    refused = refusal_of(EndpointConnectionError(endpoint_url="https://x"))
    assert refused is not None
    assert refused.reason is Reason.UNREACHABLE


def test_a_certificate_problem_is_not_waited_out() -> None:
    error = EndpointConnectionError(endpoint_url="https://x")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed")
    assert is_certificate_problem(error)
    assert refusal_of(error) is None


def test_a_caller_who_may_not_describe_is_asked_once() -> None:
    watch = Watch(session=SESSION, region=None, endpoint_url=None, every_seconds=1e-9, clock=SystemClock())
    watch._client = SESSION.client("sagemaker")
    with Stubber(watch._client) as stub:
        stub.add_client_error("describe_inference_component", "AccessDeniedException", "not authorized", 400)
        assert watch.look("llama") is None
        assert watch.look("llama") is None
        assert not watch.allowed
        stub.assert_no_pending_responses()


def test_a_client_error_without_a_body_is_no_refusal() -> None:
    assert refusal_of(ClientError({}, "InvokeEndpoint")) is None
