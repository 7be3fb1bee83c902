"""The caller's span in SageMaker's custom attributes, with OpenTelemetry's place taken by its public shape."""

from __future__ import annotations

import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from cdk_sglang.client import InferenceClient, openai_client
from cdk_sglang.client.tracing import current_traceparent, with_traceparent

TRACE, SPAN = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def span(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A current span, as opentelemetry-api 1.45 shows it."""
    context = SimpleNamespace(is_valid=True, trace_id=TRACE, span_id=SPAN, trace_flags=1)
    module = ModuleType("opentelemetry.trace")
    module.get_current_span = lambda: SimpleNamespace(get_span_context=lambda: context)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", module)
    return context


def test_without_opentelemetry_nothing_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    assert current_traceparent() is None
    assert with_traceparent(None) is None
    assert with_traceparent("a=1") == "a=1"


@pytest.mark.parametrize(
    ("attributes", "sent"),
    [
        (None, f"traceparent={PARENT}"),
        ("", f"traceparent={PARENT}"),
        ("team=search", f"team=search;traceparent={PARENT}"),
        ("traceparent=00-1-2-00", "traceparent=00-1-2-00"),
        ("a=1,traceparent=mine", "a=1,traceparent=mine"),
        ("x" * 956, f"{'x' * 956};traceparent={PARENT}"),
        ("x" * 957, "x" * 957),
    ],
)
def test_a_span_joins_the_callers_attributes_where_there_is_room(
    span: SimpleNamespace, attributes: str | None, sent: str
) -> None:
    assert with_traceparent(attributes) == sent
    assert len(sent) <= 1024


def test_a_span_that_is_none_is_not_sent(span: SimpleNamespace) -> None:
    span.is_valid = False
    assert with_traceparent(None) is None


def test_each_request_carries_the_span_to_the_container(
    span: SimpleNamespace, serving: Any, options: dict[str, Any]
) -> None:
    with InferenceClient("fleet", "llama", **options) as client:
        answer = client.invoke_endpoint(Body=b"{}", ContentType="application/json", CustomAttributes="team=search")
    headers = json.loads(answer["Body"].read())["headers"]
    assert headers["X-Amzn-SageMaker-Custom-Attributes"] == f"team=search;traceparent={PARENT}"


def test_the_openai_client_sends_it_too(span: SimpleNamespace, serving: Any, options: dict[str, Any]) -> None:
    attributes: list[str | None] = []
    with openai_client("fleet", "llama", **options) as client:
        client._client._transport._inner.handle_request = _recording(
            client._client._transport._inner.handle_request,
            attributes,
        )
        client.chat.completions.create(model="llama", messages=[{"role": "user", "content": "hello"}])
    assert attributes == [f"traceparent={PARENT}"]


def _recording(inner: Any, attributes: list[str | None]) -> Any:
    def handle(request: Any) -> Any:
        attributes.append(request.headers.get("X-Amzn-SageMaker-Custom-Attributes"))
        return inner(request)

    return handle
