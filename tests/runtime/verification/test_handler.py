"""The function that verifies deployments, with events as CloudFormation sends them: every value a string."""

from __future__ import annotations

import importlib
import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from localcloud.aws import faults
from tests.localcloud.helpers import SESSION, any_endpoint

ASKED = {
    "endpoint": "fleet", "config": "fleet-1", "part": 1, "timeout_seconds": 3300, "image": "image",
    "smoke": {"body": {"messages": ["a secret question"]}, "expect": ["choices"], "timeout_seconds": 5},
    "components": [
        {
            "name": "llama", "model": "llama-1", "environment": {}, "instance_types": [], "copies": [1, 2], "scaling": [[1, 2]],
            "startup_seconds": 60, "fingerprint": "x", "smoke": {"body": {"a": 1}, "expect": ["b"], "timeout_seconds": 7},
        },
        {
            "name": "qwen", "model": "qwen-1", "environment": {}, "instance_types": ["ml.g6e.xlarge"], "copies": [1, 1],
            "scaling": [], "startup_seconds": 60, "fingerprint": "x",
        },
    ],
}  # fmt: skip


@pytest.fixture
def handler(driven: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    module = importlib.reload(importlib.import_module("cdk_sglang._runtime.verification.handler"))
    clients = module.logic.Clients(
        sagemaker=SESSION.client("sagemaker"),
        scaling=SESSION.client("application-autoscaling"),
        runtime=lambda _: SESSION.client("sagemaker-runtime"),
    )
    monkeypatch.setattr(module, "_aws", clients)
    return module


def asking(kind: str = "Create", **changes: Any) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "PhysicalResourceId": "fleet/truth/1",
        "ResourceProperties": {"Asked": json.dumps(ASKED | changes)},
        "Data": {"Begun": "1"},
    }


def test_the_check_begins_with_a_note_of_the_time(handler: Any) -> None:
    answer = handler.on_event(asking(), None)
    assert answer["PhysicalResourceId"] == "fleet/truth/1"
    assert int(answer["Data"]["Begun"]) > 1_700_000_000


def test_a_component_has_its_own_question_or_the_endpoints(handler: Any) -> None:
    from cdk_sglang._runtime.verification.specification import Specification

    llama, qwen = Specification.parse(json.dumps(ASKED)).components
    assert (llama.smoke.body, llama.smoke.expect, llama.smoke.timeout_seconds) == ('{"a": 1}', ("b",), 7)
    assert (qwen.smoke.expect, qwen.instance_types, qwen.scaling) == (("choices",), ("ml.g6e.xlarge",), ())


def test_deleting_checks_nothing(handler: Any) -> None:
    faults.inject("throttling", target="DescribeEndpoint")
    assert handler.on_event(asking("Delete"), None) == {"PhysicalResourceId": "fleet/truth/1"}
    assert handler.is_complete(asking("Delete"), None) == {"IsComplete": True}


class Invocations:
    """Lambda, on a driven clock: invocations of fifteen minutes, and what the function hands on to the next."""

    def __init__(self, handler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self._handler, self._now = handler, 1_700_000_000.0
        self.handed_on: list[dict[str, Any]] = []
        monkeypatch.setattr(handler, "time", SimpleNamespace(time=lambda: self._now, sleep=self._sleep))
        monkeypatch.setattr(handler, "_lambda", SimpleNamespace(invoke=self._invoke))

    def _sleep(self, seconds: float) -> None:
        self._now += seconds

    def _invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> None:
        assert (FunctionName, InvocationType) == ("arn:look", "Event")
        self.handed_on.append(json.loads(Payload))

    def run(self, event: dict[str, Any]) -> Any:
        ends = self._now + 900
        context = SimpleNamespace(
            invoked_function_arn="arn:look", get_remaining_time_in_millis=lambda: int((ends - self._now) * 1000)
        )
        return self._handler.verify(event, context)


REQUEST = {
    "RequestType": "Update", "ResponseURL": "https://answer", "PhysicalResourceId": "fleet/truth/1",
    "ResourceProperties": {"Asked": json.dumps(ASKED)}, "OldResourceProperties": {"Asked": "{}"},
}  # fmt: skip


def test_a_long_check_goes_on_in_other_invocations_until_its_time_is_over(
    handler: Any, sagemaker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    any_endpoint(sagemaker)  # which stays as it is: the embedded clock does not move
    lambdas = Invocations(handler, monkeypatch)
    assert lambdas.run(dict(REQUEST)) is None
    (first,) = lambdas.handed_on
    assert first["ResponseURL"] == "https://answer"
    assert first["Begun"]["Data"] == {"Begun": "1700000000"}
    assert "OldResourceProperties" not in first  # two sets of properties may be more than Lambda takes

    def go_on() -> None:
        while True:
            assert lambdas.run(lambdas.handed_on[-1]) is None

    with pytest.raises(handler.logic.VerificationError, match="still so after 55 minutes"):
        go_on()
    assert {event["Begun"]["Data"]["Begun"] for event in lambdas.handed_on} == {"1700000000"}
    assert len(lambdas.handed_on) < 10  # Lambda stops a function that invokes itself more than sixteen times


def test_a_check_that_holds_is_answered_at_once(handler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lambdas = Invocations(handler, monkeypatch)
    monkeypatch.setattr(handler.logic, "check", lambda *_, **__: (True, []))
    assert lambdas.run(dict(REQUEST)) == {"PhysicalResourceId": "fleet/truth/1", "Data": {"Begun": "1700000000"}}
    assert lambdas.run({**REQUEST, "RequestType": "Delete"}) == {"PhysicalResourceId": "fleet/truth/1"}
    assert lambdas.handed_on == []


def test_what_is_missing_is_logged_without_the_question(
    handler: Any, sagemaker: Any, driven: Any, caplog: pytest.LogCaptureFixture
) -> None:
    any_endpoint(sagemaker)
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 300_000)
    event = asking() | {"Data": {"Begun": "99999999999"}}
    with caplog.at_level(logging.INFO):
        assert handler.is_complete(event, context) == {"IsComplete": False}
    assert "waiting: endpoint fleet: is Creating" in caplog.text
    assert "secret question" not in caplog.text
    driven.advance(5)
    with pytest.raises(handler.logic.VerificationError, match="component llama: Could not find inference component"):
        handler.is_complete(event, context)
